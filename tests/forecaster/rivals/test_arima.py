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
    at = np.arange(300)
    values = np.stack([1000 + at, rates(1, 300, 1)[0], rates(1, 300, 2)[0]]).astype(float)
    values[0, 100:160] = np.nan
    values[1, :200] = np.nan
    values[2, 280:] = np.nan
    # Minutes 5b - 4 ... 5b are a bucket: its middle is two minutes old.
    found = Arima().medians(view_at(values, START + 295))
    wanted = 1000 + 295 - 2 + np.array(HORIZONS_MINUTES)
    assert np.allclose(found[0], wanted, rtol=0.01)
    assert np.isnan(found[1:]).all()
