"""What an engine says of many series at one minute, and what came of what it had said."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Scored:
    """Earlier forecasts whose targets came with this minute: arrays of equal length k.

    Attributes:
        key_indices: which of the forecasts' keys.
        horizon_indices: which horizon.
        actual: what came, requests/s.
        quantiles: (k, 5), what had been served.
        medians: (k, M), what each model had said; NaN: nothing.
        origin_minutes: when it was said.
    """

    key_indices: Indices
    horizon_indices: Indices
    actual: Floats
    quantiles: Floats
    medians: Floats
    origin_minutes: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Forecasts:
    """Forecasts of n series as of the end of one minute.

    Attributes:
        minute: the minute's number.
        keys: the series.
        requests_per_second: (n, 6, 5), quantiles by horizon; NaN where there is no forecast.
        models: names of the M experts.
        medians: (n, M, 6), what each said.
        weights: (n, M, 6), how much each counts; they sum to 1 where there is a forecast.
        anomalous: (n,), whose traffic is out of the ordinary.
        reasons: a line for each series: what the forecast rests on, or why there is none.
        scored: earlier forecasts of these series whose targets have come; only on the five-minute
            grid are forecasts scored.
    """

    minute: int
    keys: tuple[str, ...]
    requests_per_second: Floats
    models: tuple[str, ...]
    medians: Floats
    weights: Floats
    anomalous: npt.NDArray[np.bool_]
    reasons: tuple[str, ...]
    scored: Scored
