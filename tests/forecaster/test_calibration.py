"""Intervals cover what they say, whatever the network thought."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from forecaster.calibration import Calibration
from forecaster.horizons import QUANTILE_LEVELS

CALM = np.zeros((1, 6), bool)
NORMAL = np.array([-1.96, -1.2816, 0, 1.2816, 1.96], np.float32)


def covered(stretch: float, *, skewed: bool = False, steps: int = 3000) -> tuple[float, float]:
    """Return the shares within 80 and 95 % where the network's spread is off by `stretch`."""
    rng = np.random.default_rng(7)
    calibration = Calibration()
    state = calibration.fresh(1)
    median = np.full((1, 6), 50, np.float32)
    distances = np.broadcast_to(NORMAL * np.float32(stretch), (1, 6, 5)).astype(np.float32)
    inside = np.zeros(2)
    for step in range(steps):
        served = calibration.quantiles(
            state, median, distances, np.ones(1, np.float32), np.zeros(1, bool)
        )
        noise = rng.exponential(2, (1, 6)) - 1.4 if skewed else rng.normal(0, 1, (1, 6))
        actual = (50 + noise).astype(np.float32)
        if step >= steps // 3:
            inside += [
                ((actual >= served[:, :, 1]) & (actual <= served[:, :, 3])).mean(),
                ((actual >= served[:, :, 0]) & (actual <= served[:, :, 4])).mean(),
            ]
        state = calibration.learn(state, served, actual, CALM)
    return tuple(inside / (steps - steps // 3))


@pytest.mark.parametrize("stretch", [0.2, 1.0, 4.0])
@pytest.mark.parametrize("skewed", [False, True])
def test_coverage_is_as_promised(*, stretch: float, skewed: bool) -> None:
    """Too narrow, right or too wide, even or skewed: 80 is 80 and 95 is 95."""
    within_80, within_95 = covered(stretch, skewed=skewed)

    assert within_80 == pytest.approx(0.80, abs=0.02)
    assert within_95 == pytest.approx(0.95, abs=0.015)


floats = st.floats(0, 1e6, width=32)


@given(
    hnp.arrays(np.float32, (3, 6), elements=st.one_of(floats, st.just(np.nan))),
    hnp.arrays(np.float32, (3, 6, 4), elements=st.floats(-5, 5, width=32)),
    hnp.arrays(np.float32, (3, 6, 5), elements=st.floats(-1e6, 1e6, width=32)),
    hnp.arrays(np.bool_, (3,)),
)
def test_quantiles_are_ordered_and_never_negative(
    median: np.ndarray, stretch: np.ndarray, distances: np.ndarray, anomalous: np.ndarray
) -> None:
    """Whatever was learnt, and whatever the network said; without a median there is nothing."""
    served = Calibration().quantiles(
        {"log_stretch": stretch}, median, distances, np.ones(3, np.float32), anomalous
    )

    assert served.shape == (3, 6, len(QUANTILE_LEVELS))
    assert np.array_equal(np.isnan(served).any(axis=2), np.isnan(median))
    there = served[~np.isnan(median)]
    assert (np.diff(there, axis=1) >= 0).all()
    assert (there >= 0).all()


def test_an_anomaly_widens_the_interval() -> None:
    """By as much as the settings say, on both sides."""
    calibration = Calibration()
    median = np.full((2, 6), 100, np.float32)
    distances = np.broadcast_to(NORMAL, (2, 6, 5)).astype(np.float32)

    calm, wild = calibration.quantiles(
        calibration.fresh(2), median, distances, np.ones(2, np.float32), np.array([False, True])
    )

    np.testing.assert_allclose(wild - 100, 2 * (calm - 100), rtol=1e-4)


def test_what_did_not_come_teaches_nothing() -> None:
    """An outage is neither a hit nor a miss."""
    calibration = Calibration()
    state = calibration.fresh(1)
    served = np.ones((1, 6, 5), np.float32)

    after = calibration.learn(state, served, np.full((1, 6), np.nan, np.float32), CALM)

    assert np.array_equal(after["log_stretch"], state["log_stretch"])


@pytest.mark.parametrize("level", [0.0, 100.0])
def test_days_without_change_shrink_no_interval(level: float) -> None:
    """A night without traffic proves nothing about the day."""
    calibration = Calibration()
    state = calibration.fresh(1)
    served = np.full((1, 6, 5), level, np.float32) + NORMAL.clip(-level)

    for _ in range(1000):
        state = calibration.learn(state, served, np.full((1, 6), level, np.float32), CALM)

    assert (state["log_stretch"] == 0).all()


def test_what_an_anomaly_widened_is_judged_as_if_it_had_not() -> None:
    """Else every anomaly would leave narrower intervals behind."""
    calibration = Calibration()
    state = calibration.fresh(1)
    plain = (100 + NORMAL * np.ones((1, 6, 1))).astype(np.float32)
    wide = (100 + 2 * NORMAL * np.ones((1, 6, 1))).astype(np.float32)
    came = np.full((1, 6), 101.5, np.float32)  # beyond 80 %, within what was served widened

    one = calibration.learn(state, plain, came, CALM)
    other = calibration.learn(state, wide, came, ~CALM)

    np.testing.assert_allclose(one["log_stretch"], other["log_stretch"])
