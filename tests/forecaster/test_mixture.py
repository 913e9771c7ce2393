"""The mixture: who gets weight, and who does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from forecaster.mixture import LAST_VALUE, Mixture, MixtureSettings

EXPERTS = (LAST_VALUE, "good", "bad")
SHAPE = (2, len(EXPERTS), 6)
medians = hnp.arrays(
    np.float32, SHAPE, elements=st.one_of(st.floats(0, 1e6, width=32), st.just(np.nan))
)


def taught(steps: int, errors: dict[str, float], **settings: float) -> tuple[Mixture, dict]:
    """Return a mixture that was told so often how far its experts were off."""
    mixture = Mixture(EXPERTS, MixtureSettings(**settings))
    state = mixture.fresh(2)
    actual = np.full((2, 6), 100, np.float32)
    said = np.stack([np.full((2, 6), 100 + errors[name], np.float32) for name in EXPERTS], axis=1)
    for _ in range(steps):
        mixed = mixture.mixed(mixture.weights(state, said), said)
        state = mixture.learn(state, said, mixed, actual, np.full((2, 6), 10, np.float32))
    return mixture, state


@given(medians)
def test_weights_sum_to_one_where_anybody_speaks(said: np.ndarray) -> None:
    """Silence gets no weight; where all are silent there is no forecast."""
    mixture = Mixture(EXPERTS)

    weights = mixture.weights(mixture.fresh(2), said)

    spoken = ~np.isnan(said).all(axis=1)
    np.testing.assert_allclose(weights.sum(axis=1), spoken, rtol=1e-5)
    assert (weights[np.isnan(said)] == 0).all()
    mixed = mixture.mixed(weights, said)
    assert np.array_equal(np.isnan(mixed), ~spoken)
    low, high = np.nanmin(said[:, :, 0], initial=1e7), np.nanmax(said[:, :, 0], initial=0)
    assert ((mixed[:, 0] >= low * 0.999) & (mixed[:, 0] <= high * 1.001) | ~spoken[:, 0]).all()


def test_who_lately_lost_to_the_last_value_gets_no_weight() -> None:
    """The gate: none at all, not little; and it opens again when the expert is better again."""
    mixture, state = taught(60, {LAST_VALUE: 5, "good": 1, "bad": 8}, half_life_steps=12)
    said = np.ones(SHAPE, np.float32)

    assert (mixture.weights(state, said)[:, 2] == 0).all()

    actual = np.full((2, 6), 100, np.float32)
    better = np.stack([actual + 5, actual + 6, actual], axis=1)
    for _ in range(60):
        state = mixture.learn(state, better, actual + 5, actual, actual / 10)

    weights = mixture.weights(state, said)
    assert (weights[:, 2] > 0).all()
    assert (weights[:, 1] == 0).all()


def test_the_last_value_serves_where_all_lose_to_it() -> None:
    """The floor of what is served."""
    mixture, state = taught(40, {LAST_VALUE: 1, "good": 3, "bad": 8})

    weights = mixture.weights(state, np.ones(SHAPE, np.float32))

    assert (weights[:, 0] == 1).all()


@pytest.mark.parametrize("errors", [(4.0, -6.0), (-3.0, 9.0)])
def test_weights_move_to_the_expert_that_brings_the_mixture_nearer(errors: tuple) -> None:
    """Not who errs least alone: who mends what the others err."""
    mixture, state = taught(400, {LAST_VALUE: 20, "good": errors[0], "bad": errors[1]})
    said = np.full(SHAPE, 1, np.float32)

    shares = mixture.weights(state, said)[0, :, 0]

    off = abs(shares[1] * errors[0] + shares[2] * errors[1] + shares[0] * 20)
    assert off < min(abs(errors[0]), abs(errors[1])) / 2


def test_what_is_unknown_teaches_nothing() -> None:
    """Neither an outage nor a silent expert moves a weight."""
    mixture = Mixture(EXPERTS)
    state = mixture.fresh(2)
    nothing = np.full((2, 6), np.nan, np.float32)
    said = np.ones(SHAPE, np.float32)

    after = mixture.learn(state, said, nothing, nothing, nothing)

    for name, array in state.items():
        np.testing.assert_allclose(after[name], array, rtol=1e-6)
