"""The real engine in the replay: what comes later never moves a forecast."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from forecaster.evaluation import replay as replay_module
from forecaster.evaluation.engines import forecaster_for
from forecaster.evaluation.judgement import judge
from forecaster.evaluation.replay import replay
from forecaster.evaluation.residuals import DAY_MINUTES
from forecaster.evaluation.run import Plan
from forecaster.evaluation.traces import Trace
from forecaster.horizons import HORIZONS_MINUTES


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


def test_of_a_series_that_stands_still_no_forecast_is_off_by_rounding():
    """The last value is never off, and nothing may count as infinitely worse: 7.3 has no end."""
    still = Trace("still", 1, 25_000_001, np.full(300, 7.3))
    scores = judge(replay(still, forecaster_for(Plan(), "still")), HORIZONS_MINUTES).scores
    assert scores["mixture"].mae == 0
    assert np.isnan(scores["mixture"].relative_mae_ratio)


class FewOrigins:
    """The engine, given everything and asked at some minutes alone: elsewhere it costs nothing."""

    def __init__(self, asked: range) -> None:
        self.engine = forecaster_for(Plan(), "shop")
        self.put, self._asked = self.engine.put, asked

    def forecast(self, minute):
        """What the engine says, or nothing."""
        if minute in self._asked:
            return self.engine.forecast(minute)
        return SimpleNamespace(
            requests_per_second=np.full((1, 6, 5), np.nan),
            models=self.engine.experts,
            medians=np.full((1, len(self.engine.experts), 6), np.nan),
            anomalous=np.array([False]),
        )


def test_no_seasonal_forecast_changes_when_everything_after_its_origin_does(monkeypatch):
    """More than seven days put at once: members that look back a day and a week speak as well."""
    monkeypatch.setattr(replay_module, "WARM_MINUTES", 0)
    count, first = 11 * DAY_MINUTES, 25_000_001
    minutes = np.arange(count)
    values = 1000 + 300 * np.sin(minutes * 2 * np.pi / DAY_MINUTES)
    values += np.random.default_rng(1).normal(0, 30, count)
    values[5000:5020] = 0
    origin = 8 * DAY_MINUTES - 1
    asked = range(first + origin - 48 * 5, first + origin + 31, 5)
    before = replay(Trace("shop", 1, first, values), FewOrigins(asked))
    corrupted = values.copy()
    corrupted[origin + 1 :] = np.random.default_rng(2).uniform(0, 1e6, count - origin - 1)
    after = replay(Trace("shop", 1, first, corrupted), FewOrigins(asked))
    said = np.isin(first + before.places, asked)
    known, later = said & (before.places <= origin), said & (before.places > origin)
    assert np.isfinite(before.medians[before.places == origin]).all()  # every member speaks
    np.testing.assert_array_equal(before.medians[known], after.medians[known])
    np.testing.assert_array_equal(before.quantiles[known], after.quantiles[known])
    np.testing.assert_array_equal(before.anomalous[known], after.anomalous[known])
    assert later.any()
    assert (before.quantiles[later] != after.quantiles[later]).any()


def test_arima_is_a_member_of_backtests_alone(monkeypatch):
    """It speaks once two hours are known, and moves nothing that is served."""
    monkeypatch.setattr(replay_module, "WARM_MINUTES", 0)  # each of its forecasts takes 0.1 s
    values = 1000 + np.cumsum(np.random.default_rng(3).normal(0, 20, 200))
    trace = Trace("shop", 1, 25_000_001, values)
    with_it = replay(trace, forecaster_for(Plan(models=("arima",)), "shop"))
    without = replay(trace, forecaster_for(Plan(), "shop"))
    assert with_it.models == (*without.models, "arima")
    assert np.isfinite(with_it.medians[with_it.is_judged][:, -1]).all()
    np.testing.assert_array_equal(with_it.quantiles, without.quantiles)
