"""A day of a series for a plot: what came, what surged, and what had been forecast for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from forecaster.evaluation.replay import Replay
from forecaster.evaluation.surges import Steps
from forecaster.horizons import HORIZONS_MINUTES

Floats = npt.NDArray[np.float64]
Minutes = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

_DAY_STEPS: Final = 288
_DRAWN_HORIZON: Final = 15


@dataclass(frozen=True, slots=True)
class DrawnDay:
    """A day of a series, for a plot: the one with most surges, and of these the first.

    Attributes:
        minutes: int64[d], of the steps of five minutes.
        means: float[d], NaN: outage.
        surging: bool[d].
        forecasts: float[d, 5], the served quantiles for the end of each step, issued
            `horizon_minutes` before it; NaN: none.
        horizon_minutes: how long before.
    """

    minutes: Minutes
    means: Floats
    surging: Booleans
    forecasts: Floats
    horizon_minutes: int


def choose_day(replayed: Replay, steps: Steps) -> DrawnDay:
    """Choose the day of the last 30 % that surges most, with what was forecast for it."""
    first = int(np.searchsorted(steps.ends, replayed.trace.first_minute + replayed.test_from))
    surging = steps.surging[first:]
    days = [
        int(surging[start : start + _DAY_STEPS].sum())
        for start in range(0, max(1, len(surging) - _DAY_STEPS + 1), _DAY_STEPS)
    ]
    start = first + int(np.argmax(days)) * _DAY_STEPS
    chosen = slice(start, start + _DAY_STEPS)
    ends = steps.ends[chosen]
    issued = replayed.trace.first_minute + replayed.places + _DRAWN_HORIZON
    at = np.searchsorted(issued, ends)
    there = (at < len(issued)) & (issued[np.minimum(at, len(issued) - 1)] == ends)
    column = HORIZONS_MINUTES.index(_DRAWN_HORIZON)
    forecasts = np.where(there[:, None], replayed.quantiles[np.where(there, at, 0), column], np.nan)
    return DrawnDay(ends, steps.means[chosen], steps.surging[chosen], forecasts, _DRAWN_HORIZON)
