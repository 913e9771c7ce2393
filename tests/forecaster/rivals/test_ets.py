"""Exponential smoothing: as statsmodels has it, minute by minute or all at once."""

from __future__ import annotations

import numpy as np
import pytest
from traffic_views import START, learnt, picked, rates, view_at

from forecaster.horizons import HORIZONS_MINUTES
from forecaster.rivals.ets import Smoothing

MINUTES = 121


@pytest.mark.parametrize("parameters", [(0.3, 0.1, 0.9), (0.7, 0.0, 1.0), (0.05, 0.02, 0.98)])
def test_it_forecasts_what_statsmodels_does(parameters: tuple[float, float, float]) -> None:
    """From a known first level, statsmodels' damped Holt says the same of every horizon."""
    holt = pytest.importorskip("statsmodels.tsa.holtwinters")
    level, trend, damping = parameters
    values = rates(1, MINUTES, seed=5)
    expert = Smoothing((parameters,))
    state = learnt(expert, values, 0, MINUTES - 1)
    found = expert.medians(state, view_at(values, START + MINUTES - 1))
    model = holt.Holt(
        values[0, 1:],
        damped_trend=True,
        initialization_method="known",
        initial_level=values[0, 0],
        initial_trend=0.0,
    )
    fitted = model.fit(
        smoothing_level=level, smoothing_trend=trend, damping_trend=damping, optimized=False
    )
    wanted = fitted.forecast(HORIZONS_MINUTES[-1])[np.array(HORIZONS_MINUTES) - 1]
    assert np.allclose(found[0], wanted, rtol=1e-4)


def test_steps_come_to_the_same_as_all_minutes_at_once() -> None:
    """Steps of five minutes and one of two hours leave the same levels and trends."""
    values = rates(3, 120, seed=6)
    expert = Smoothing()
    state = learnt(expert, values, 4, 119)
    at_once = expert.step(expert.fresh(3), view_at(values, START + 119))
    for name in ("level", "trend"):
        assert np.allclose(state[name], at_once[name], rtol=1e-5, atol=1e-6)


def test_a_minute_seen_twice_counts_once() -> None:
    """Neither the same view again nor an older one smooths anything."""
    values = rates(2, 60, seed=7)
    expert = Smoothing()
    state = learnt(expert, values, 4, 59)
    again = expert.step(state, view_at(values, START + 59))
    back = expert.step(again, view_at(values, START + 54))
    for name in ("level", "trend"):
        assert np.array_equal(state[name], back[name])


def test_rows_learn_alone_as_together() -> None:
    """Series do not hear of each other."""
    values = rates(4, 120, seed=8)
    values[2, 30:60] = np.nan
    expert = Smoothing()
    together = learnt(expert, values, 4, 119)
    some = np.array([2, 0])
    alone = learnt(expert, values[some], 4, 119)
    for name, array in picked(together, some).items():
        assert np.array_equal(array, alone[name], equal_nan=True)


def test_it_takes_the_parameters_that_erred_least() -> None:
    """A walk is followed by the quick set, noise is averaged by the slow one."""
    # A level that moves at random walks is followed at once; noise on a level is averaged.
    random = np.random.default_rng(9)
    walk = 1000 + np.cumsum(random.normal(0, 10, 600))
    noise = 1000 + random.normal(0, 10, 600)
    expert = Smoothing(((0.05, 0.0, 1.0), (0.9, 0.0, 1.0)))
    state = learnt(expert, np.stack([walk, noise]), 4, 599)
    assert np.argmin(state["error"], axis=1).tolist() == [1, 0]


def test_it_is_silent_after_ten_minutes_without_a_value() -> None:
    """At eleven minutes it says nothing, at six still something."""
    values = rates(1, 120, seed=10)
    values[:, 109:] = np.nan
    expert = Smoothing()
    state = learnt(expert, values, 4, 119)
    assert np.isnan(expert.medians(state, view_at(values, START + 119))).all()
    assert np.isfinite(expert.medians(state, view_at(values, START + 114))).all()
