"""The real engine in the replay: what comes later never moves a forecast."""

from __future__ import annotations

import numpy as np

from forecaster.evaluation.engines import forecaster_for
from forecaster.evaluation.replay import replay
from forecaster.evaluation.run import Plan
from forecaster.evaluation.traces import Trace


def test_no_forecast_of_the_engine_changes_when_everything_after_its_origin_does():
    """Members, quantiles and anomalies, to the last bit."""
    minutes = np.arange(400)
    values = 1000 + 300 * np.sin(minutes / 90) + np.random.default_rng(1).normal(0, 30, 400)
    values[200:220] = 0
    before = replay(Trace("shop", 1, 25_000_001, values), forecaster_for(Plan(), "shop"))
    origin = int(before.places[before.is_judged][10])
    corrupted = values.copy()
    corrupted[origin + 1 :] = np.random.default_rng(2).uniform(0, 1e6, 400 - origin - 1)
    after = replay(Trace("shop", 1, 25_000_001, corrupted), forecaster_for(Plan(), "shop"))
    known = before.places <= origin
    np.testing.assert_array_equal(before.medians[known], after.medians[known])
    np.testing.assert_array_equal(before.quantiles[known], after.quantiles[known])
    np.testing.assert_array_equal(before.anomalous[known], after.anomalous[known])
    assert not np.array_equal(before.quantiles[~known], after.quantiles[~known], equal_nan=True)


def test_arima_is_a_member_of_backtests_alone():
    """It speaks once two hours are known, and moves nothing that is served."""
    values = 1000 + np.cumsum(np.random.default_rng(3).normal(0, 20, 220))
    trace = Trace("shop", 1, 25_000_001, values)
    with_it = replay(trace, forecaster_for(Plan(models=("arima",)), "shop"))
    without = replay(trace, forecaster_for(Plan(), "shop"))
    assert with_it.models == (*without.models, "arima")
    assert np.isfinite(with_it.medians[with_it.is_judged][:, -1]).all()
    np.testing.assert_array_equal(with_it.quantiles, without.quantiles)
