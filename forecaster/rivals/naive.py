"""The two forecasts that every other has to beat: the last value, and the season before."""

from __future__ import annotations

from typing import Final

import numpy as np

from forecaster.history import Floats, HistoryView
from forecaster.horizons import HORIZONS_MINUTES
from forecaster.rivals.levels import newest_value
from forecaster.rivals.seasons import WEEK_DAYS, Seasons


class LastValue:
    """The newest minute's value, at most ten minutes old, for every horizon."""

    name: Final = "last-value"

    def medians(self, view: HistoryView) -> Floats:
        """Forecast requests/s: (n, 6); NaN where the last ten minutes are absent."""
        return np.repeat(newest_value(view)[:, None], len(HORIZONS_MINUTES), axis=1)


class SeasonalNaive:
    """The five-minute mean at the same time so many days ago, or the day before that if absent.

    Means of five minutes, as a single minute of another day adds only its noise.
    """

    def __init__(self, name: str, days: int) -> None:
        self.name: Final = name
        self._days: Final = (days,) if days == WEEK_DAYS else (days, days + 1)

    @classmethod
    def day(cls) -> SeasonalNaive:
        """Return that of yesterday."""
        return cls("seasonal-naive-day", 1)

    @classmethod
    def week(cls) -> SeasonalNaive:
        """Return that of a week ago. A view reaches back eight days only, so nothing stands in."""
        return cls("seasonal-naive-week", WEEK_DAYS)

    def medians(self, view: HistoryView) -> Floats:
        """Forecast requests/s: (n, 6)."""
        seasons = Seasons.of(view)
        found = np.full((len(view.past), len(HORIZONS_MINUTES)), np.nan, dtype=np.float32)
        for column, minutes in enumerate(HORIZONS_MINUTES):
            bucket = seasons.bucket(minutes)
            for day in self._days:
                absent = np.isnan(found[:, column])
                found[:, column] = np.where(absent, bucket[:, day - 1], found[:, column])
        return found
