"""Online ridge: its coefficients are the closed form's, and it is silent before it has learnt."""

from __future__ import annotations

import numpy as np
import pytest
from traffic_views import DAY_MINUTES, START, learnt, picked, rates, view_at, views

from forecaster.horizons import HORIZONS_MINUTES
from forecaster.rivals.features import Frame
from forecaster.rivals.naive import LastValue
from forecaster.rivals.ridge import FEATURES, Ridge, RidgeSettings, ridge_features

SECOND_DAY = DAY_MINUTES + 300


def closed_form(
    values: np.ndarray, first: int, last: int, settings: RidgeSettings, weight: float
) -> np.ndarray:
    """Weighted ridge regression over all origins whose last horizon has come: (39, 6)."""
    rows, wanted = [], []
    for view in views(values, first, last - HORIZONS_MINUTES[-1]):
        frame = Frame.of(view)
        index = view.minute - START + np.array(HORIZONS_MINUTES)
        scales = (values[:, index] - frame.anchor[:, None]) / frame.scale[:, None] - frame.drift
        rows.append(ridge_features(frame)[0])
        wanted.append(scales[0])
    x, t = np.array(rows, dtype=float), np.array(wanted, dtype=float)
    age = np.arange(len(x))[::-1]
    w = weight * settings.forgetting_ratio**age
    system = x.T @ (w[:, None] * x) + settings.regularisation * np.eye(FEATURES)
    return np.linalg.solve(system, x.T @ (w[:, None] * t))


def test_its_coefficients_are_those_of_the_closed_form() -> None:
    """Learning sample by sample ends where solving for all at once does."""
    # Every error is below a thousand usual ones: all weights are then a thousandth.
    settings = RidgeSettings(
        forgetting_ratio=0.99, regularisation=0.01, clip_errors=1e6, weight_least_error=1000
    )
    values = rates(1, SECOND_DAY + 400, seed=1)
    state = learnt(Ridge(settings), values, SECOND_DAY, SECOND_DAY + 395)
    wanted = closed_form(values, SECOND_DAY, SECOND_DAY + 395, settings, weight=0.001)
    assert np.allclose(state["coefficients"][0], wanted, rtol=1e-3, atol=1e-3)
    assert state["samples"].tolist() == [74]


def test_it_is_silent_until_it_has_learnt_enough() -> None:
    """Eleven samples of twelve are not enough."""
    settings = RidgeSettings(samples_min=12)
    values = rates(1, 240, seed=2)
    ridge = Ridge(settings)
    # The first origin with a scale is at minute 19; the twelfth has come 55 + 30 minutes later.
    state = learnt(ridge, values, 19, 99)
    assert np.isnan(ridge.medians(state, view_at(values, START + 99))).all()
    state = ridge.step(state, view_at(values, START + 104))
    state = ridge.step(state, view_at(values, START + 109))
    assert np.isfinite(ridge.medians(state, view_at(values, START + 109))).all()


def test_weeks_in_which_nothing_moved_do_not_make_all_traffic_an_outlier() -> None:
    """The usual error stays what a series can have: the first hours of traffic teach again."""
    values = np.concatenate([np.zeros((1, 600)), rates(1, 600, seed=4)], axis=1)
    ridge = Ridge()
    idle = dict(learnt(ridge, values, 0, 300))
    # What six weeks leave of an error that each step shrinks by a hundredth.
    idle["error"] = np.full_like(idle["error"], 0.99**12_000)
    for view in views(values, 305, 1199):
        idle = ridge.step(idle, view)
    assert (idle["error"] > 0.1).all()


def test_it_learns_what_the_last_value_cannot_know() -> None:
    """A wave of ninety minutes is seen through within a day."""
    random = np.random.default_rng(3)
    at = np.arange(4 * DAY_MINUTES)
    wave = 100 + 30 * np.sin(2 * np.pi * at / 90) + random.normal(0, 0.5, len(at))
    values = wave[None, :]
    ridge = Ridge()
    state = learnt(ridge, values, 2 * DAY_MINUTES, 3 * DAY_MINUTES)
    errors = {"ridge": 0.0, "last": 0.0}
    for view in views(values, 3 * DAY_MINUTES + 5, 3 * DAY_MINUTES + 200):
        wanted = values[:, view.minute - START + np.array(HORIZONS_MINUTES)]
        errors["ridge"] += float(np.abs(ridge.medians(state, view) - wanted).mean())
        errors["last"] += float(np.abs(LastValue().medians(view) - wanted).mean())
    assert errors["ridge"] < 0.2 * errors["last"]


def test_rows_learn_alone_as_together() -> None:
    """Series do not hear of each other."""
    values = rates(4, 400, seed=4)
    values[1, 100:180] = np.nan
    ridge = Ridge()
    together = learnt(ridge, values, 19, 394)
    some = np.array([3, 1])
    alone = learnt(ridge, values[some], 19, 394)
    for name, array in picked(together, some).items():
        assert np.allclose(array, alone[name], rtol=1e-5, atol=1e-6, equal_nan=True), name


def test_a_step_leaves_the_given_state_as_it_was() -> None:
    """States can be kept, compared and taken up again."""
    values = rates(1, 200, seed=5)
    ridge = Ridge()
    state = learnt(ridge, values, 19, 189)
    before = {name: array.copy() for name, array in state.items()}
    ridge.step(state, view_at(values, START + 194))
    for name, array in before.items():
        assert np.array_equal(array, state[name], equal_nan=True), name


def test_steps_left_out_and_an_absent_target_teach_nothing_wrong() -> None:
    """Origins whose targets are gone are dropped, not guessed."""
    values = rates(1, 600, seed=6)
    values[:, 150] = np.nan
    ridge = Ridge()
    state = learnt(ridge, values, 19, 199)
    gone = ridge.step(state, view_at(values, START + 599))
    # Two hours and more later nothing is left to compare the waiting origins with.
    assert gone["samples"].tolist() == state["samples"].tolist()
    assert np.array_equal(gone["coefficients"], state["coefficients"])


@pytest.mark.parametrize("burst", [1e3, 1e9])
def test_one_burst_moves_forecasts_little(burst: float) -> None:
    """A single broken minute stays a single broken minute."""
    values = rates(1, DAY_MINUTES + 700, seed=7)
    hit = values.copy()
    hit[:, DAY_MINUTES + 500] *= burst
    ridge = Ridge()
    last = DAY_MINUTES + 640
    view = view_at(values, START + last)
    calm = ridge.medians(learnt(ridge, values, DAY_MINUTES, last), view)
    shaken = ridge.medians(learnt(ridge, hit, DAY_MINUTES, last), view)
    assert np.allclose(shaken, calm, rtol=0.25)


def test_a_state_fits_beside_ten_thousand_others() -> None:
    """Ten thousand of them take less than 100 MB."""
    held = sum(array.nbytes for array in Ridge().fresh(10).values()) / 10
    assert held < 10_000
