"""Drift-corrected seasonal naive: today's level, changed as earlier days changed at this time."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np

from forecaster.history import Floats, HistoryView
from forecaster.horizons import HORIZONS_MINUTES
from forecaster.rivals.levels import level
from forecaster.rivals.seasons import CENTRE_MINUTES, Seasons, Spread

LEVEL_MINUTES: Final = 5
#: An earlier day that grew more than fivefold in half an hour came back from an outage.
_RATIO_MAX: Final = 5.0


def changes(seasons: Seasons, minutes: int) -> Floats:
    """How much each earlier day rose from now to so much later: requests/s, (n, 7)."""
    return seasons.at(minutes) - seasons.at(-CENTRE_MINUTES)


def ratios(seasons: Seasons, minutes: int) -> Floats:
    """How many times its rate of now each earlier day had so much later: (n, 7), 0.2 to 5."""
    now = seasons.at(-CENTRE_MINUTES)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(now > 0, seasons.at(minutes) / now, np.float32(np.nan))
    clipped: Floats = np.clip(ratio, 1 / _RATIO_MAX, _RATIO_MAX)
    return clipped


class DriftCorrected:
    """Today's level of five minutes with the median change of the last seven days.

    The median over days, since one day's outage or burst would else be forecast again. As a factor
    it follows a series whose days differ in height; as a difference, one that moves on a base.
    """

    def __init__(self, kind: Literal["factor", "difference"]) -> None:
        self.name: Final = f"drift-{kind}"
        self._factor: Final = kind == "factor"

    def medians(self, view: HistoryView) -> Floats:
        """Forecast requests/s: (n, 6); NaN without a level or without any earlier day."""
        seasons = Seasons.of(view)
        now = level(view, LEVEL_MINUTES)
        found = np.empty((len(now), len(HORIZONS_MINUTES)), dtype=np.float32)
        for column, minutes in enumerate(HORIZONS_MINUTES):
            if self._factor:
                found[:, column] = now * Spread.of(ratios(seasons, minutes)).median
            else:
                found[:, column] = now + Spread.of(changes(seasons, minutes)).median
        positive: Floats = np.maximum(found, 0)
        return positive
