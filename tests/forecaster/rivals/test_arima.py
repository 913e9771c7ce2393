"""ARIMA: what a backtest compares with, and no more."""

from __future__ import annotations

import numpy as np
import pytest
from traffic_views import START, rates, view_at

from forecaster.horizons import HORIZONS_MINUTES
from forecaster.rivals.arima import Arima


def test_it_forecasts_by_statsmodels_what_is_known_and_nothing_else() -> None:
    """A rise goes on, an absent hour is bridged, a short or silent series has no forecast."""
    pytest.importorskip("statsmodels.tsa.arima.model")
    at = np.arange(600)
    values = np.stack([1000 + at, rates(1, 600, 1)[0], rates(1, 600, 2)[0]]).astype(float)
    values[0, 200:260] = np.nan
    values[1, :500] = np.nan
    values[2, 580:] = np.nan
    # Minutes 5b - 4 ... 5b are a bucket: its middle is two minutes old.
    found = Arima().medians(view_at(values, START + 595))
    wanted = 1000 + 595 - 2 + np.array(HORIZONS_MINUTES)
    assert np.allclose(found[0], wanted, rtol=0.01)
    assert np.isnan(found[1:]).all()
