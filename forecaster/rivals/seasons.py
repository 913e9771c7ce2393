"""What a series did around the same time of the last seven days."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from forecaster.history import DAY_BUCKETS, PAST_BUCKETS, Floats, HistoryView
from forecaster.horizons import BUCKET_MINUTES

WEEK_DAYS: Final = 7
#: Which buckets of an earlier day are looked at, counted from the newest bucket of today.
_FIRST: Final = -14
_LAST: Final = 11
#: A bucket's mean belongs to the middle of its five minutes.
CENTRE_MINUTES: Final = 2


@dataclass(frozen=True, slots=True)
class Seasons:
    """Five-minute means of the last seven days, from an hour before now to an hour after.

    Attributes:
        offset_minutes: minutes since the newest bucket of today ended, 0 to 4.
        buckets: requests/s, (n, 7 days, buckets); yesterday first; NaN: absent.
    """

    offset_minutes: int
    buckets: Floats

    @classmethod
    def of(cls, view: HistoryView) -> Seasons:
        """Cut them out of a view."""
        newest = PAST_BUCKETS - 1
        days = [newest - day * DAY_BUCKETS for day in range(1, WEEK_DAYS + 1)]
        cut = [view.past[:, place + _FIRST : place + _LAST + 1] for place in days]
        return cls(view.offset_minutes, np.stack(cut, axis=1))

    def bucket(self, minutes: int) -> Floats:
        """Mean of the bucket with the minute so long after this time of day: (n, 7)."""
        return self.buckets[:, :, -(-(self.offset_minutes + minutes) // BUCKET_MINUTES) - _FIRST]

    def at(self, minutes: int) -> Floats:
        """Rate so long after this time of day, between the middles of two buckets: (n, 7).

        Where one of the two is absent, the other's mean.
        """
        buckets, into = divmod(self.offset_minutes + minutes + CENTRE_MINUTES, BUCKET_MINUTES)
        before = self.buckets[:, :, buckets - _FIRST]
        if into == 0:
            return before
        after = self.buckets[:, :, buckets - _FIRST + 1]
        between = before + (after - before) * np.float32(into / BUCKET_MINUTES)
        one = np.where(np.isnan(before), after, before)
        found: Floats = np.where(np.isnan(between), one, between)
        return found


@dataclass(frozen=True, slots=True)
class Spread:
    """Values in order of size, NaN last: (n, days); and how many there are: (n,)."""

    ordered: Floats
    count: npt.NDArray[np.intp]

    @classmethod
    def of(cls, values: Floats) -> Spread:
        """Sort the last axis."""
        return cls(np.sort(values, axis=-1), (~np.isnan(values)).sum(axis=-1))

    def _place(self, place: npt.NDArray[np.intp]) -> Floats:
        found = np.take_along_axis(self.ordered, np.maximum(place, 0)[..., None], axis=-1)
        return found[..., 0]

    @property
    def median(self) -> Floats:
        """The median of what there is; NaN where nothing is."""
        middle = self._place((self.count - 1) // 2) + self._place(self.count // 2)
        # Of none, both places name a NaN: NaN is sorted last, and nothing is before it.
        return middle / np.float32(2)

    @property
    def least(self) -> Floats:
        """The least; NaN where nothing is."""
        return self.ordered[..., 0]

    @property
    def greatest(self) -> Floats:
        """The greatest; NaN where nothing is."""
        return self._place(self.count - 1)
