"""Traffic out of the ordinary: it began outside what had been foreseen, and is still there.

What starts an anomaly is a distance from the forecast of five minutes ago, in the standard
deviations that its calibrated 80 % interval stands for. While it lasts, traffic is compared with
the forecasts that were made before it began, which it cannot have spoilt. After half an hour there
are none left: what lasts so long is a new level, and is learnt as such.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from forecaster.history import NEVER
from forecaster.horizons import BUCKET_MINUTES, HORIZONS_MINUTES, MINUTE_SECONDS
from forecaster.rivals.interface import State

Floats = npt.NDArray[np.float32]
Minutes = npt.NDArray[np.int64]

#: Between the 0.1 and the 0.9 quantile of a normal distribution lie so many standard deviations.
_DEVIATIONS_BETWEEN: Final = np.float32(2.563)
_SCALE_RATIO: Final = np.float32(0.5)
_LOW, _MEDIAN, _HIGH = 1, 2, 3


@dataclass(frozen=True, slots=True)
class AnomalySettings:
    """When traffic counts as out of the ordinary.

    Attributes:
        start_deviations: both the last minute and the last five must be so far off.
        end_deviations: it ends when the last minute is nearer than this to what had been foreseen.
        scored_min: so many forecasts must have been scored before anything can be an anomaly.
    """

    start_deviations: float = 6.0
    end_deviations: float = 3.0
    scored_min: int = 24


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of n series with one minute, and what had been foreseen.

    Attributes:
        last_minute: (n,), its requests/s; NaN: no sample, which changes nothing.
        last_minutes: (n,), the mean of the last five.
        foreseen: (n, 5), the quantiles that five minutes ago were served for now.
        foreseen_before: (n, 5), those served for now just before an anomaly began; NaN where there
            are none, because it is too long ago.
        scale: (n,), by how much the series usually changes in ten minutes, requests/s.
    """

    last_minute: Floats
    last_minutes: Floats
    foreseen: Floats
    foreseen_before: Floats
    scale: Floats


class AnomalyDetector:
    """Anomalies of many series; the state is arrays, see `fresh`."""

    def __init__(self, settings: AnomalySettings = AnomalySettings()) -> None:
        self._settings: Final = settings

    @staticmethod
    def fresh(rows: int) -> dict[str, npt.NDArray[Any]]:
        """Return the state of calm series: onset (n,), a minute number, and scored (n,)."""
        return {
            "onset": np.full(rows, NEVER, dtype=np.int64),
            "scored": np.zeros(rows, dtype=np.int32),
        }

    @staticmethod
    def clean_origin(state: State) -> Minutes:
        """Return the minutes of the last forecasts before the anomalies: (n,)."""
        onset: Minutes = state["onset"]
        return np.where(onset == NEVER, NEVER, onset - BUCKET_MINUTES)

    def step(self, state: State, minute: int, seen: Seen) -> dict[str, npt.NDArray[Any]]:
        """Return the state of n series after one more minute; `state` stays as it is."""
        onset: Minutes = state["onset"]
        calm = onset == NEVER
        surprising = np.minimum(
            deviations(seen.last_minute, seen.foreseen, seen.scale),
            deviations(seen.last_minutes, seen.foreseen, seen.scale),
        )
        known = ~np.isnan(surprising)
        sure = state["scored"] >= self._settings.scored_min
        starts = calm & sure & known & (surprising > self._settings.start_deviations)
        still = deviations(seen.last_minute, seen.foreseen_before, seen.scale)
        lasted = minute - onset >= HORIZONS_MINUTES[-1]
        ends = ~calm & (lasted | (still < self._settings.end_deviations))
        new_onset = np.where(starts, np.int64(minute), np.where(ends, NEVER, onset))
        return {
            "onset": new_onset.astype(np.int64),
            "scored": (state["scored"] + known).astype(np.int32),
        }


def deviations(values: Floats, quantiles: Floats, scale: Floats) -> Floats:
    """Return how far values (n,) are from quantiles' (n, 5) median, in standard deviations.

    A deviation is no less than that of counting, sqrt(rate / 60 s) and one request a minute, and no
    less than half of what the series usually changes in ten minutes (n,): to an idle service its
    first request is none.
    """
    median = quantiles[:, _MEDIAN]
    counted = np.sqrt(np.maximum(values, median) / MINUTE_SECONDS) + np.float32(1 / MINUTE_SECONDS)
    with np.errstate(invalid="ignore", divide="ignore"):
        width = (quantiles[:, _HIGH] - quantiles[:, _LOW]) / _DEVIATIONS_BETWEEN
        least = np.fmax(counted, scale * _SCALE_RATIO)
        off = np.abs(values - median) / np.maximum(width, least)
    return np.asarray(off, dtype=np.float32)
