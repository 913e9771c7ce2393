"""ARIMA on five-minute means, for backtests only: fitting takes a hundred milliseconds a series.

The Kalman filter of statsmodels bridges what is absent. Parameters are fitted anew once a day.
"""

from __future__ import annotations

import warnings
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from energy.errors import UnavailableError
from forecaster.history import DAY_BUCKETS, Floats, HistoryView
from forecaster.horizons import BUCKET_MINUTES, HORIZONS_MINUTES
from forecaster.rivals.levels import newest_value

#: One autoregression on differences, as did best two to three steps ahead on shared clusters
#: (arXiv 0711.2062), and one average for the noise of counts.
ORDER: Final = (1, 1, 1)
_DAY_MINUTES: Final = 24 * 60
_BUCKETS_MIN: Final = 24
_FITTED_BUCKETS: Final = 2 * DAY_BUCKETS


class Arima:
    """ARIMA of each row of the views, which must be the same series from view to view."""

    name: Final = "arima"

    def __init__(self, order: tuple[int, int, int] = ORDER) -> None:
        self._order: Final = order
        #: Of each row: when its parameters were fitted, and they.
        self._fitted: Final[dict[int, tuple[int, npt.NDArray[np.float64]]]] = {}

    def medians(self, view: HistoryView) -> Floats:
        """Forecast requests/s: (n, 6); NaN under two hours of history or without a newest value.

        Raises:
            UnavailableError: statsmodels is not installed.
        """
        found = np.full((len(view.past), len(HORIZONS_MINUTES)), np.nan, dtype=np.float32)
        for row in np.flatnonzero(~np.isnan(newest_value(view))):
            buckets = view.past[row, -_FITTED_BUCKETS:].astype(np.float64)
            known = np.flatnonzero(~np.isnan(buckets))
            if len(known) >= _BUCKETS_MIN:
                found[row] = self._forecast(int(row), view, buckets[known[0] :])
        positive: Floats = np.maximum(found, 0)
        return positive

    def _forecast(
        self, row: int, view: HistoryView, buckets: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """Forecast one series from its five-minute means: (6,)."""
        # In units of its own size: the optimiser starts from where one is the usual size.
        size = float(np.nanmean(buckets)) or 1.0
        model = _arima(buckets / size, self._order)
        minute, parameters = self._fitted.get(row, (view.minute - _DAY_MINUTES, None))
        with warnings.catch_warnings():
            # It warns of what it starts from and of optima not reached; a backtest shows the rest.
            warnings.simplefilter("ignore")
            if parameters is None or view.minute - minute >= _DAY_MINUTES:
                parameters = np.asarray(model.fit().params)
                self._fitted[row] = (view.minute, parameters)
            later = (view.offset_minutes + HORIZONS_MINUTES[-1]) // BUCKET_MINUTES + 1
            ahead = np.asarray(model.filter(parameters).forecast(later))
        steps = [
            -(-(view.offset_minutes + each) // BUCKET_MINUTES) - 1 for each in HORIZONS_MINUTES
        ]
        return ahead[steps] * size


def _arima(values: npt.NDArray[np.float64], order: tuple[int, int, int]) -> Any:  # noqa: ANN401 - statsmodels ships no types
    try:
        from statsmodels.tsa.arima.model import ARIMA
    except ImportError:
        raise UnavailableError(
            "ARIMA needs statsmodels", mend="install negawatt with the extra `backtest`"
        ) from None
    return ARIMA(values, order=order)
