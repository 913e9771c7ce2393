"""The lives of pods, summed by hour, by day and by workload: pure.

What a pod forwent is spread over the hours and days (UTC) that it lived in, watts times seconds, so
sums over any whole hours or days are those of the pods themselves. Of each sum the first and last
second are kept that anything in it happened: a time that covers both takes all of it, one that cuts
it takes its share by seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from ledger.checks import NUMBER_MIN

HOUR_SECONDS: Final = 3600
DAY_SECONDS: Final = 86_400
#: No pod lives ten years; a clock that was wrong made it. It counts where it began.
LIFE_SECONDS_MAX: Final = 3653 * DAY_SECONDS
BARE_POD, JOB, CRON_JOB = "Pod", "Job", "CronJob"
# The CronJob controller names a Job NAME-MINUTES, by when it is due: minutes of Unix time. From
# 2015 to 2103, so that a day (report-20261122) is taken for none.
_DUE: Final = re.compile(r"(?P<name>.+)-(?P<minutes>[1-9][0-9]{7})", re.ASCII | re.DOTALL)
_DUE_MINUTES: Final = range(24_000_000, 70_000_000)


class Place(NamedTuple):
    """Where a sum is kept: the key of a row of `savings`."""

    period_seconds: int
    period_start_seconds: int
    namespace: str
    workload_kind: str
    workload_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """A pod from its decision to its end (or to now), and the watts it forwent meanwhile."""

    namespace: str
    workload_kind: str
    workload_name: str
    begin_seconds: float
    end_seconds: float
    forgone_watts: float | None


@dataclass(slots=True, kw_only=True)
class PeriodSum:
    """What the lives within one period and of one workload add up to; see `ledger.tables`."""

    decisions: int = 0
    unknown: int = 0
    carried_decisions: int = 0
    carried_unknown: int = 0
    pod_seconds: float = 0.0
    forgone_joules: float = 0.0
    first_seconds: float
    last_seconds: float

    def row(self, place: Place) -> dict[str, Any]:
        """Return the values of a row of `savings`."""
        return place._asdict() | {name: getattr(self, name) for name in self.__slots__}


class LifeSums:
    """Sums of lives; hours before `hours_since_seconds` are not kept, their days are."""

    def __init__(self, hours_since_seconds: float) -> None:
        self._hours_since_seconds = hours_since_seconds
        self._sums: dict[Place, PeriodSum] = {}

    def __len__(self) -> int:
        return len(self._sums)

    def add(self, life: Life) -> None:
        """Add a pod's life to each of its hours and days."""
        kind, name = summed_as(life.workload_kind, life.workload_name)
        for period_seconds in (HOUR_SECONDS, DAY_SECONDS):
            for start, begin, end in _pieces(life, period_seconds):
                if period_seconds == HOUR_SECONDS and start < self._hours_since_seconds:
                    continue
                place = Place(period_seconds, start, life.namespace, kind, name)
                self._add_piece(place, life, begin, end)

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of `savings`, in the order of their keys.

        The order is the same for all who write, so that no two wait for each other's rows.
        """
        return [self._sums[place].row(place) for place in sorted(self._sums)]

    def _add_piece(self, place: Place, life: Life, begin: float, end: float) -> None:
        total = self._sums.get(place)
        if total is None:
            total = PeriodSum(first_seconds=begin, last_seconds=begin)
            self._sums[place] = total
        is_unknown = life.forgone_watts is None
        if life.begin_seconds < place.period_start_seconds:
            total.carried_decisions += 1
            total.carried_unknown += is_unknown
        else:
            total.decisions += 1
            total.unknown += is_unknown
        total.pod_seconds += end - begin
        joules = (life.forgone_watts or 0.0) * (end - begin)
        total.forgone_joules += joules if abs(joules) >= NUMBER_MIN else 0.0
        total.first_seconds = min(total.first_seconds, begin)
        period_end = place.period_start_seconds + place.period_seconds
        total.last_seconds = max(total.last_seconds, min(end, period_end))


def _pieces(life: Life, period_seconds: int) -> Iterator[tuple[int, float, float]]:
    """The starts of the periods that a life touches, and when its piece begins and ends there."""
    begin, end = life.begin_seconds, max(life.begin_seconds, life.end_seconds)
    start = int(begin // period_seconds) * period_seconds
    if end - begin > LIFE_SECONDS_MAX:
        yield start, begin, end
        return
    yield start, begin, min(end, start + period_seconds)
    start += period_seconds
    while start < end:
        yield start, float(start), min(end, start + period_seconds)
        start += period_seconds


def summed_as(workload_kind: str, workload_name: str) -> tuple[str, str]:
    """The kind and name under which a workload is summed, so that not every pod is one.

    Pods without a controller are one workload of their namespace, the Jobs of a CronJob are that
    CronJob's.
    """
    if workload_kind == BARE_POD:
        return BARE_POD, ""
    due = _DUE.fullmatch(workload_name) if workload_kind == JOB else None
    if due and int(due["minutes"]) in _DUE_MINUTES:
        return CRON_JOB, due["name"]
    return workload_kind, workload_name


def day_of(seconds: float) -> int:
    """When the day (UTC) of a time begins."""
    return int(seconds // DAY_SECONDS) * DAY_SECONDS


def hour_of(seconds: float) -> int:
    """When the hour of a time begins."""
    return int(seconds // HOUR_SECONDS) * HOUR_SECONDS


def added(lives: Iterable[Life], sums: LifeSums, sums_max: int) -> int:
    """Add lives until there are `sums_max` sums; return how many were added, at least one."""
    count = 0
    for life in lives:
        sums.add(life)
        count += 1
        if len(sums) >= sums_max:
            break
    return count
