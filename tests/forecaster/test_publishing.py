"""Forecasts as messages: made at once or one by one, they are the same, and never a bad one."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from plain_engine import PlainEngine

from forecaster.publishing import Latest, messages_of
from telemetry.messages import TrafficForecast

RATES = st.sampled_from([0.0, 1.0, 2.5, 1e15, 2e15, -1.0, math.nan, math.inf])


def forecasts_of(values: list[float], rates: np.ndarray):
    """Give a set of forecasts with these figures."""
    engine = PlainEngine()
    for place, value in enumerate(values):
        engine.put(f"a/B/c-{place}", np.array([99, 100]), np.array([value, value]))
    return replace(engine.forecast(100), requests_per_second=rates)


@given(st.lists(st.lists(RATES, min_size=5, max_size=5), min_size=1, max_size=4))
def test_messages_made_at_once_are_those_that_are_checked_one_by_one(rows):
    """The wire has the same bytes, and whoever reads them takes them."""
    rates = np.repeat(np.array(rows)[:, None, :], 6, axis=1)
    forecasts = forecasts_of([1.0] * len(rows), rates)
    each = [Latest(forecasts, row, 6300.0).message("mixture") for row in range(len(rows))]
    made = list(messages_of(forecasts, "mixture", 6300.0))

    assert made == [message for message in each if message is not None]
    for message in made:
        assert TrafficForecast.from_bytes(message.to_bytes()) == message


def test_a_kept_forecast_holds_its_own_row_alone():
    """A workload that is gone must not keep the forecasts of ten thousand others."""
    rates = np.arange(3 * 30, dtype=float).reshape(3, 6, 5)
    forecasts = forecasts_of([1.0, 2.0, 3.0], rates)
    kept = Latest(forecasts, 1, 6300.0).outlasting("it is gone")

    assert kept.message("mixture") == Latest(forecasts, 1, 6300.0).message("mixture")
    assert kept.reason == "it is gone"
    assert kept.forecasts.keys == (forecasts.keys[1],)
    for name in ("requests_per_second", "medians", "weights", "anomalous"):
        own = getattr(kept.forecasts, name)
        assert own.base is None
        np.testing.assert_array_equal(own[0], getattr(forecasts, name)[1])
