"""What is known of each series: two hours minute by minute, eight days in five-minute means.

A minute number is Unix time divided by 60 and names the minute that ends there. Buckets lie on the
absolute five-minute grid: bucket b holds the minutes 5b - 4 ... 5b.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from forecaster.horizons import BUCKET_MINUTES

RECENT_MINUTES: Final = 120
PAST_BUCKETS: Final = 8 * 24 * 60 // BUCKET_MINUTES
DAY_BUCKETS: Final = 24 * 60 // BUCKET_MINUTES
#: The ring is longer than what is shown, so that a late minute still corrects its bucket exactly.
RING_MINUTES: Final = 192
#: No ordinary rate; beyond it a number is a broken exporter's.
REQUESTS_PER_SECOND_MAX: Final = 1e12
NEVER: Final = -(2**62)

Floats = npt.NDArray[np.float32]
Minutes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class HistoryView:
    """n series as they were known at the end of one minute.

    Attributes:
        minute: the minute number.
        recent: float32[n, 120], requests/s of the last minutes, the newest last; NaN: absent.
        past: float32[n, 2304], five-minute means; the newest ends at the last multiple of five
            minutes at or before `minute`; NaN: absent.
    """

    minute: int
    recent: Floats
    past: Floats

    @property
    def offset_minutes(self) -> int:
        """Minutes since the newest bucket ended, 0 to 4."""
        return self.minute % BUCKET_MINUTES


@dataclass(frozen=True, slots=True)
class PutReport:
    """What became of values that were put.

    `accepted` are new, `repeated` were known (and are replaced where they are recent), `late` are
    older than the newest known minute and were filled in, `refused` are no rates or too old.
    """

    accepted: int = 0
    repeated: int = 0
    late: int = 0
    refused: int = 0

    def __add__(self, other: PutReport) -> PutReport:
        return PutReport(
            self.accepted + other.accepted,
            self.repeated + other.repeated,
            self.late + other.late,
            self.refused + other.refused,
        )


class History:
    """Rings of values in rows; a row belongs to one series. Not for several threads."""

    def __init__(self, rows: int = 0) -> None:
        self.newest_minute: Minutes = np.full(rows, NEVER, dtype=np.int64)
        self.first_minute: Minutes = np.full(rows, -NEVER, dtype=np.int64)
        self._ring: Floats = np.full((rows, RING_MINUTES), np.nan, dtype=np.float32)
        self._means: Floats = np.full((rows, PAST_BUCKETS), np.nan, dtype=np.float32)
        #: Which of its five minutes a bucket has, a bit each.
        self._present = np.zeros((rows, PAST_BUCKETS), dtype=np.uint8)

    def __len__(self) -> int:
        return len(self.newest_minute)

    def add_rows(self, rows: int) -> None:
        """Add empty rows at the end."""
        more = History(rows)
        for name in _ARRAYS:
            add_rows(getattr(self, name), getattr(more, name))

    def clear_row(self, row: int) -> None:
        """Forget what one row knows."""
        empty = History(1)
        for name in _ARRAYS:
            getattr(self, name)[row] = getattr(empty, name)[0]

    def newest_value(self, row: int) -> float:
        """Return the value of the row's newest minute; NaN where it has none."""
        newest = int(self.newest_minute[row])
        return float(self._ring[row, newest % RING_MINUTES]) if newest != NEVER else float("nan")

    def rows(self, rows: npt.NDArray[np.intp]) -> dict[str, npt.NDArray[np.generic]]:
        """Return copies of rows, by the names of the arrays."""
        return {name.lstrip("_"): getattr(self, name)[rows] for name in _ARRAYS}

    def set_rows(
        self, rows: npt.NDArray[np.intp], arrays: Mapping[str, npt.NDArray[np.generic]]
    ) -> None:
        """Put back what `rows` returned."""
        for name in _ARRAYS:
            getattr(self, name)[rows] = arrays[name.lstrip("_")]

    def put(self, row: int, minute: int, requests_per_second: float) -> PutReport:
        """Take one minute's value of one row; NaN says that the minute has none.

        What is known is replaced; a minute older than three hours is only added to its bucket,
        once; older than eight days, negative or absurd is refused.
        """
        newest = int(self.newest_minute[row])
        value = requests_per_second
        absurd = not (0 <= value <= REQUESTS_PER_SECOND_MAX) and not np.isnan(value)
        if absurd or minute <= newest - PAST_BUCKETS * BUCKET_MINUTES + BUCKET_MINUTES:
            return PutReport(refused=1)
        if minute > newest:
            self._advance(row, newest, minute)
            self._take_recent(row, minute, value)
            return PutReport(accepted=1)
        if minute > newest - RING_MINUTES + BUCKET_MINUTES:
            known = not np.isnan(self._ring[row, minute % RING_MINUTES])
            self._take_recent(row, minute, value)
            return PutReport(repeated=1) if known else PutReport(late=1)
        return self._take_old(row, minute, value)

    def put_block(
        self, row: int, minutes: Minutes, requests_per_second: npt.NDArray[np.floating[Any]]
    ) -> PutReport:
        """Take many minutes of one row: what `put` does one by one, at once where all are new."""
        newest = int(self.newest_minute[row])
        in_order = len(minutes) > 1 and minutes[0] > newest and bool(np.all(np.diff(minutes) > 0))
        if not in_order:
            report = PutReport()
            for minute, value in zip(minutes.tolist(), requests_per_second.tolist(), strict=True):
                report += self.put(row, int(minute), float(value))
            return report
        values = np.asarray(requests_per_second, dtype=np.float64)
        with np.errstate(invalid="ignore"):
            taken = np.isnan(values) | ((values >= 0) & (values <= REQUESTS_PER_SECOND_MAX))
        minutes, values = minutes[taken], values[taken]
        if len(minutes):
            self._append(row, newest, minutes, values)
        return PutReport(accepted=len(minutes), refused=int((~taken).sum()))

    def view(self, rows: npt.NDArray[np.intp], minute: int) -> HistoryView:
        """Return what the rows knew at the end of `minute`: what came for later is not shown."""
        newest = self.newest_minute[rows][:, None]
        minutes = np.arange(minute - RECENT_MINUTES + 1, minute + 1)
        recent = self._ring[rows[:, None], minutes % RING_MINUTES]
        shown = (minutes <= newest) & (minutes > newest - RING_MINUTES)
        bucket = minute // BUCKET_MINUTES
        buckets = np.arange(bucket - PAST_BUCKETS + 1, bucket + 1)
        newest_bucket = -(-newest // BUCKET_MINUTES)
        past = self._means[rows[:, None], buckets % PAST_BUCKETS]
        in_ring = (buckets <= newest_bucket) & (buckets > newest_bucket - PAST_BUCKETS)
        nan = np.float32(np.nan)
        return HistoryView(minute, np.where(shown, recent, nan), np.where(in_ring, past, nan))

    def _advance(self, row: int, newest: int, minute: int) -> None:
        """Make room up to `minute`: what the rings held there is eight days or three hours old."""
        if newest == NEVER:
            self.first_minute[row] = minute
        missed = np.arange(max(newest + 1, minute - RING_MINUTES + 1), minute + 1)
        self._ring[row, missed % RING_MINUTES] = np.nan
        bucket = -(-minute // BUCKET_MINUTES)
        first = max(-(-newest // BUCKET_MINUTES) + 1, bucket - PAST_BUCKETS + 1)
        if first <= bucket:
            fresh = np.arange(first, bucket + 1) % PAST_BUCKETS
            self._means[row, fresh] = np.nan
            self._present[row, fresh] = 0
        self.newest_minute[row] = minute

    def _append(
        self, row: int, newest: int, minutes: Minutes, values: npt.NDArray[np.float64]
    ) -> None:
        """Keep new minutes in their order, the first of which is later than `newest`."""
        last = int(minutes[-1])
        self._advance(row, newest, last)
        self.first_minute[row] = min(int(self.first_minute[row]), int(minutes[0]))
        recent = minutes > last - RING_MINUTES
        self._ring[row, minutes[recent] % RING_MINUTES] = values[recent]
        there = ~np.isnan(values)
        shown = there & (minutes > (last // BUCKET_MINUTES - PAST_BUCKETS + 1) * BUCKET_MINUTES)
        buckets = -(-minutes[shown] // BUCKET_MINUTES)
        if not len(buckets):
            return
        kinds, first = np.unique(buckets, return_index=True)
        sums = np.add.reduceat(values[shown], first)
        counts = np.diff([*first, len(buckets)])
        bits = np.add.reduceat(
            _BITS[minutes[shown] - (buckets - 1) * BUCKET_MINUTES - 1], first
        ).astype(np.uint8)
        places = kinds % PAST_BUCKETS
        # The bucket in which the block begins may have had minutes before.
        before = np.bitwise_count(self._present[row, places])
        known = np.where(before > 0, self._means[row, places].astype(np.float64) * before, 0)
        self._means[row, places] = (known + sums) / (before + counts)
        self._present[row, places] |= bits

    def _take_recent(self, row: int, minute: int, value: float) -> None:
        """Keep a minute of the ring and make its bucket's mean anew."""
        self._ring[row, minute % RING_MINUTES] = value
        bucket = -(-minute // BUCKET_MINUTES)
        last = bucket * BUCKET_MINUTES
        minutes = np.arange(last - BUCKET_MINUTES + 1, last + 1)
        values = np.where(
            minutes <= self.newest_minute[row], self._ring[row, minutes % RING_MINUTES], np.nan
        )
        there = ~np.isnan(values)
        place = bucket % PAST_BUCKETS
        self._present[row, place] = int(there @ _BITS)
        self._means[row, place] = values[there].mean() if there.any() else np.nan

    def _take_old(self, row: int, minute: int, value: float) -> PutReport:
        """Add a minute that the ring no longer holds to its bucket, unless it is in already."""
        bucket = -(-minute // BUCKET_MINUTES)
        place = bucket % PAST_BUCKETS
        bit = 1 << (minute - (bucket - 1) * BUCKET_MINUTES - 1)
        present = int(self._present[row, place])
        if np.isnan(value) or present & bit:
            return PutReport(repeated=1)
        known = present.bit_count()
        mean = float(self._means[row, place]) if known else 0.0
        self._means[row, place] = (mean * known + value) / (known + 1)
        self._present[row, place] = present | bit
        self.first_minute[row] = min(int(self.first_minute[row]), minute)
        return PutReport(late=1)


def add_rows(array: npt.NDArray[Any], rows: npt.NDArray[Any]) -> None:
    """Lengthen an array in place, for those that are large: a copy would need the room of both.

    Nothing else may look into its memory: the array owns it, and views of it are no longer valid.
    """
    have = len(array)
    array.resize((have + len(rows), *array.shape[1:]), refcheck=False)
    array[have:] = rows


_ARRAYS: Final = ("newest_minute", "first_minute", "_ring", "_means", "_present")
_BITS: Final = 1 << np.arange(BUCKET_MINUTES)
