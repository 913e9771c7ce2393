"""What holds for every rival, whatever the traffic: no size matters, nothing absurd comes out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from traffic_views import DAY_MINUTES, START, rates, view_at

from forecaster.history import HistoryView
from forecaster.horizons import HORIZONS_MINUTES
from forecaster.rivals.drift import DriftCorrected
from forecaster.rivals.ets import Smoothing
from forecaster.rivals.naive import LastValue, SeasonalNaive
from forecaster.rivals.ridge import Ridge, RidgeSettings

NOW = 2 * DAY_MINUTES + 400
Forecasts = Callable[[HistoryView], np.ndarray]


def learning(expert: Ridge | Smoothing) -> Forecasts:
    """Forecast after eight steps over the same history."""

    def medians(view: HistoryView) -> np.ndarray:
        state = expert.fresh(len(view.past))
        for minute in range(view.minute - 35, view.minute + 1, 5):
            shift = view.minute - minute
            recent = np.full_like(view.recent, np.nan)
            recent[:, shift:] = view.recent[:, : view.recent.shape[1] - shift]
            past = np.full_like(view.past, np.nan)
            past[:, shift // 5 :] = view.past[:, : view.past.shape[1] - shift // 5]
            state = expert.step(state, HistoryView(minute, recent, past))
        return expert.medians(state, view)

    return medians


RIVALS: dict[str, Forecasts] = {
    "last-value": LastValue().medians,
    "seasonal-naive-day": SeasonalNaive.day().medians,
    "seasonal-naive-week": SeasonalNaive.week().medians,
    "drift-factor": DriftCorrected("factor").medians,
    "drift-difference": DriftCorrected("difference").medians,
    "ets": learning(Smoothing()),
    "ridge": learning(Ridge(RidgeSettings(samples_min=1))),
}


@pytest.mark.parametrize("name", RIVALS)
@settings(max_examples=8)
@given(seed=st.integers(0, 2**16), power=st.integers(-6, 24), offset=st.integers(0, 4))
def test_a_series_so_many_times_as_large_is_forecast_so_many_times_as_large(
    name: str, seed: int, power: int, offset: int
) -> None:
    """Forecasts carry the unit of their traffic, bit by bit."""
    values = rates(2, NOW + 5, seed)
    # A power of two, so that rounding is the same.
    large = RIVALS[name](view_at(values * 2.0**power, START + NOW + offset))
    small = RIVALS[name](view_at(values, START + NOW + offset))
    assert np.array_equal(large, small * np.float32(2.0**power), equal_nan=True)


@st.composite
def broken(draw: st.DrawFn) -> HistoryView:
    """Traffic with outages, runs of zeros, and bursts up to the largest rate allowed."""
    values = rates(3, NOW + 5, draw(st.integers(0, 2**16)))
    for _ in range(draw(st.integers(0, 6))):
        row, first = draw(st.integers(0, 2)), draw(st.integers(0, NOW))
        last = first + draw(st.sampled_from([1, 7, 60, 700, NOW]))
        values[row, first:last] = draw(st.sampled_from([np.nan, 0.0, 1e-12, 1.0, 1e12]))
    return view_at(values, START + NOW + draw(st.integers(0, 4)))


@pytest.mark.parametrize("name", RIVALS)
@settings(max_examples=12)
@given(view=broken())
def test_no_forecast_is_negative_or_infinite(name: str, view: HistoryView) -> None:
    """Outages, zeros and bursts give rates or nothing."""
    found = RIVALS[name](view)
    assert found.shape == (3, len(HORIZONS_MINUTES))
    assert found.dtype == np.float32
    assert not np.isinf(found).any()
    assert not (found < 0).any()


@pytest.mark.parametrize("name", RIVALS)
def test_of_nothing_comes_nothing(name: str) -> None:
    """Neither absent values nor absent series are traffic."""
    view = view_at(np.full((2, NOW), np.nan), START + NOW)
    assert np.isnan(RIVALS[name](view)).all()
    none = HistoryView(START, view.recent[:0], view.past[:0])
    assert RIVALS[name](none).shape == (0, len(HORIZONS_MINUTES))


@pytest.mark.parametrize("name", ["last-value", "ets", "ridge"])
def test_a_series_of_zeros_is_forecast_to_stay_so(name: str) -> None:
    """No scale is divided by."""
    found = RIVALS[name](view_at(np.zeros((1, NOW + 1)), START + NOW))
    assert (found == 0).all()
