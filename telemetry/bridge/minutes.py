"""Which minutes are done and which are to be read: sets of minutes as intervals.

A minute is named by its end: minute m ends at Unix time `m * 60`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from telemetry.traffic.assembly import MINUTE_SECONDS

#: The forecaster looks back no further.
DAYS_MAX: Final = 8
MINUTES_MAX: Final = DAYS_MAX * 24 * 60
#: The present must not wait for the past, nor fail with it.
NEWEST_MINUTES: Final = 10
#: What forecasts look at most comes before the rest of the past.
RECENT_MINUTES: Final = 360


@dataclass(frozen=True, slots=True, order=True)
class MinuteRange:
    """Minutes from the first to the last, both included."""

    first: int
    last: int

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError(f"minute {self.last} is before minute {self.first}")

    def __len__(self) -> int:
        return self.last - self.first + 1

    def pieces(self, minutes_max: int) -> Iterator[MinuteRange]:
        """Cut it into ranges of so many minutes at most, the earliest first."""
        for first in range(self.first, self.last + 1, minutes_max):
            yield MinuteRange(first, min(first + minutes_max - 1, self.last))


@dataclass(frozen=True, slots=True)
class MinuteSet:
    """Minutes as ranges that rise, and neither overlap nor touch."""

    ranges: tuple[MinuteRange, ...] = ()

    @classmethod
    def of(cls, ranges: Iterable[MinuteRange]) -> MinuteSet:
        """Put ranges together, in whatever order they come."""
        found: list[MinuteRange] = []
        for each in sorted(ranges):
            if found and each.first <= found[-1].last + 1:
                found[-1] = MinuteRange(found[-1].first, max(found[-1].last, each.last))
            else:
                found.append(each)
        return cls(tuple(found))

    def __len__(self) -> int:
        return sum(map(len, self.ranges))

    def with_range(self, more: MinuteRange) -> MinuteSet:
        """These minutes and those."""
        return MinuteSet.of((*self.ranges, more))

    def without(self, other: MinuteSet) -> MinuteSet:
        """Those of these minutes that are not among those."""
        return MinuteSet(
            tuple(gap for each in self.ranges for gap in other.missing_in(each).ranges)
        )

    def within(self, bounds: MinuteRange) -> MinuteSet:
        """Those of these minutes that lie in a range."""
        return MinuteSet(
            tuple(
                MinuteRange(max(each.first, bounds.first), min(each.last, bounds.last))
                for each in self.ranges
                if each.first <= bounds.last and each.last >= bounds.first
            )
        )

    def missing_in(self, bounds: MinuteRange) -> MinuteSet:
        """The minutes of a range that are not among these."""
        gaps, expected = [], bounds.first
        for each in self.within(bounds).ranges:
            if each.first > expected:
                gaps.append(MinuteRange(expected, each.first - 1))
            expected = each.last + 1
        if expected <= bounds.last:
            gaps.append(MinuteRange(expected, bounds.last))
        return MinuteSet(tuple(gaps))

    @property
    def last(self) -> int | None:
        """The latest of them; None if there is none."""
        return self.ranges[-1].last if self.ranges else None


def latest_complete(now_seconds: float, delay_seconds: float) -> int:
    """The last minute that has ended so long ago that its scrapes have arrived."""
    return int((now_seconds - delay_seconds) // MINUTE_SECONDS)


def due(done: MinuteSet, *, since: int, latest: int, piece_minutes: int) -> tuple[MinuteRange, ...]:
    """What is to be read, in pieces, in the order in which it is.

    The newest few minutes come first and alone, since somebody waits for them; then what is
    missing of the newest hours, then what is older, each from its oldest. Nothing is older than
    eight days.

    Args:
        done: what was read and acknowledged.
        since: the first minute that is wanted at all.
        latest: the last one that is complete.
        piece_minutes: what is read at once.
    """
    first = max(since, latest - MINUTES_MAX + 1)
    if first > latest:
        return ()
    newest = MinuteRange(max(first, latest - min(NEWEST_MINUTES, piece_minutes) + 1), latest)
    missing = done.missing_in(MinuteRange(first, latest))
    now = tuple(each for each in missing.within(newest).ranges if each.last == latest)
    before = missing.without(MinuteSet(now))
    pieces = [piece for gap in before.ranges for piece in gap.pieces(piece_minutes)]
    recent = latest - RECENT_MINUTES
    return (*now, *sorted(pieces, key=lambda piece: (piece.last <= recent, piece)))
