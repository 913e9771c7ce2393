"""A forecaster with ARIMA beside its members: for backtests, as it is too slow to serve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from forecaster.evaluation.replay import Forecaster, Forecasts
from forecaster.history import History
from forecaster.rivals.arima import Arima

ARIMA = Arima.name


@dataclass(frozen=True, slots=True)
class _Said:
    """Forecasts with one more member."""

    requests_per_second: npt.NDArray[np.floating]
    models: tuple[str, ...]
    medians: npt.NDArray[np.floating]
    anomalous: npt.NDArray[np.bool_]


class Backtested:
    """One series: what the forecaster says, and ARIMA from the same history beside it."""

    def __init__(self, forecaster: Forecaster) -> None:
        self._forecaster = forecaster
        self._arima = Arima()
        self._history = History(1)

    def put(
        self,
        key: str,
        minutes: npt.NDArray[np.int64],
        requests_per_second: npt.NDArray[np.float64],
        /,
    ) -> object:
        """Take minutes; NaN says that one is an outage."""
        for minute, value in zip(minutes.tolist(), requests_per_second.tolist(), strict=True):
            self._history.put(0, minute, value)
        return self._forecaster.put(key, minutes, requests_per_second)

    def forecast(self, minute: int, /) -> Forecasts:
        """Forecast as of the end of a minute; ARIMA has no part in what is served."""
        said = self._forecaster.forecast(minute)
        view = self._history.view(np.array([0]), minute)
        return _Said(
            said.requests_per_second,
            (*said.models, ARIMA),
            np.concatenate([said.medians, self._arima.medians(view)[:, None]], axis=1),
            said.anomalous,
        )
