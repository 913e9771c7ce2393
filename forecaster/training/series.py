"""A series as training sees it: cleaned, cut by time into what is learnt and what is held back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from energy.errors import InputError
from forecaster.cleaning import clip_outliers, find_outages
from forecaster.horizons import BUCKET_MINUTES, HORIZONS_MINUTES

#: An origin needs this much before it; the service starts to forecast then, too.
HISTORY_MINUTES_MIN: Final = 30
#: Less than this to learn from is not worth a series' place.
MINUTES_MIN: Final = 240

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TrainingSeries:
    """One series minute by minute.

    Attributes:
        name: for reports.
        first_minute: minute number of `values[0]`.
        values: float64[n], requests/s; NaN: absent or outage. What forecasts are made from.
        targets: float64[n], the same with single-minute outliers clipped. What is learnt; inputs
            are never clipped, since whether a minute is an outlier shows only later.
        bucket_ends: whether origins are the ends of buckets alone, as where the minutes of a
            bucket were made of its mean: in its middle that knows minutes to come.
        step_minutes: of so many minutes, from the first on, each has the value of a longer step;
            origins are the ends of steps alone, for the same reason.
    """

    name: str
    first_minute: int
    values: Floats
    targets: Floats
    bucket_ends: bool = False
    step_minutes: int = 1

    @classmethod
    def cleaned(
        cls,
        name: str,
        first_minute: int,
        values: npt.ArrayLike,
        *,
        bucket_ends: bool = False,
        step_minutes: int = 1,
    ) -> TrainingSeries:
        """Mark the outages of a raw series, and clip outliers among the targets.

        Raises:
            InputError: there is too little of it.
        """
        raw = np.asarray(values, dtype=np.float64)
        known = raw.copy()
        known[find_outages(raw, step_minutes).marked] = np.nan
        if np.count_nonzero(~np.isnan(known)) < MINUTES_MIN:
            raise InputError(
                "has too few minutes to learn from",
                where=name,
                mend=f"give {MINUTES_MIN} minutes at the least",
            )
        return cls(name, first_minute, known, clip_outliers(known), bucket_ends, step_minutes)

    def part(self, first_ratio: float, last_ratio: float) -> Places:
        """Return the origins between two shares of the series, in order.

        Every target lies in the same part. An outage is no origin.
        """
        count = len(self.values)
        first = max(int(count * first_ratio), HISTORY_MINUTES_MIN)
        end = int(count * last_ratio) - max(HORIZONS_MINUTES)
        places = np.arange(first, max(first, end), dtype=np.int64)
        if self.bucket_ends:
            places = places[(self.first_minute + places) % BUCKET_MINUTES == 0]
        at_end = (places + 1) % self.step_minutes == 0
        found: Places = places[at_end & ~np.isnan(self.values[places])]
        return found

    def until(self, ratio: float) -> TrainingSeries:
        """Return the first share of the series.

        What comes later has no part in what counts as an outlier, either.
        """
        known = self.values[: int(len(self.values) * ratio)]
        return replace(self, values=known, targets=clip_outliers(known))
