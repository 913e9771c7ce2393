"""What was forgone, summed: from the rows that count by themselves and from `savings`.

Whole days (UTC) come from the sums by day, the rest of the time from those by hour; a row of
`placement_decisions` counts by itself until it is in them. A day whose hours were deleted gives its
share by seconds, and so does an hour that the time cuts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, isfinite
from typing import Any, Final, Literal, get_args

import sqlalchemy as sa

from energy.errors import InputError
from ledger.checks import MOMENT_SECONDS_MAX
from ledger.rollup import DAY_SECONDS, HOUR_SECONDS, day_of, hour_of, summed_as
from ledger.tables import DECISIONS, SAVINGS

GroupBy = Literal["namespace", "workload"]
_NOTHING: Final = sa.literal(0.0, sa.Double[float]())
#: No time at all: shorter ones underflow in products, which PostgreSQL refuses.
_MOMENT: Final = sa.literal(1e-9, sa.Double[float]())
_NONE: Final = sa.literal(0, sa.BigInteger())
_KEY: Final = ("namespace", "workload_kind", "workload_name")
_SUMS: Final = ("decisions", "unknown", "running", "forgone_watts", "forgone_joules")


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """What the decisions for one namespace or workload forwent; negative where they gained.

    `unknown` of the decisions carry no watts and count as 0 in the sums. `forgone_watts` is of the
    pods that run at the end of the time asked for (as far as their rows are not in the sums yet);
    `forgone_joules` of all, within that time. The workload's kind and name are empty where the sum
    is of a namespace.
    """

    namespace: str
    workload_kind: str
    workload_name: str
    decisions: int
    unknown: int
    running: int
    forgone_watts: float
    forgone_joules: float


def savings_of(rows: Iterable[sa.Row[Any]]) -> tuple[Saving, ...]:
    """Add up the rows that `sums` selects; by the signs' numbers: servers sort by their locale."""
    totals: dict[tuple[str, str, str], list[float]] = {}
    for row in rows:
        namespace, workload_kind, workload_name, *sums_of_row = tuple(row)
        kind, name = summed_as(workload_kind, workload_name)
        total = totals.setdefault((namespace, kind, name), [0.0] * len(_SUMS))
        for place, value in enumerate(sums_of_row):
            total[place] += value
    return tuple(_saving(key, totals[key]) for key in sorted(totals))


def _saving(key: tuple[str, str, str], total: list[float]) -> Saving:
    decisions, unknown, running, watts, joules = total
    return Saving(
        **dict(zip(_KEY, key, strict=True)),
        decisions=int(decisions),
        unknown=int(unknown),
        running=int(running),
        forgone_watts=watts,
        forgone_joules=joules,
    )


def sums(group_by: GroupBy, since_seconds: float, now_seconds: float) -> sa.Select[Any]:
    """Sum what was forgone from `since_seconds` to `now_seconds`, by group.

    A decision counts where its pod lived for any of that time, or began in it. Its energy is
    `forgone_watts` times the seconds of its life within. One statement, so that a row that goes
    into the sums meanwhile is seen once.
    """
    if group_by not in get_args(GroupBy):
        raise InputError(f"cannot group by {group_by!r:.40}", mend="namespace or workload")
    for seconds in (since_seconds, now_seconds):
        if not isfinite(seconds):
            raise InputError(f"a time must be finite, not {seconds}")
    keys = 1 if group_by == "namespace" else len(_KEY)
    parts = [_rows_by_themselves(keys, since_seconds, now_seconds)]
    since, now = (min(max(s, 0.0), MOMENT_SECONDS_MAX) for s in (since_seconds, now_seconds))
    if since < now:
        parts += _parts_of_savings(keys, since, now)
    together = sa.union_all(*parts).subquery().c
    whole, real = sa.BigInteger(), sa.Double[float]()
    kinds: tuple[sa.types.TypeEngine[Any], ...] = (whole, whole, whole, real, real)
    found: list[sa.ColumnElement[Any]] = [together[name] for name in _KEY]
    found += [
        sa.cast(sa.func.sum(together[name]), kind).label(name)
        for name, kind in zip(_SUMS, kinds, strict=True)
    ]
    return sa.select(*found).group_by(*found[: len(_KEY)])


def beginning() -> sa.Select[Any]:
    """Select the earliest moments that rows and sums know of, NULL where there are none."""
    rows = sa.select(sa.func.min(DECISIONS.c.decided_at_seconds))
    sums_by_day = sa.select(sa.func.min(SAVINGS.c.first_seconds)).where(
        SAVINGS.c.period_seconds == DAY_SECONDS
    )
    return sa.select(sa.union_all(rows, sums_by_day).subquery())


def _rows_by_themselves(keys: int, since_seconds: float, now_seconds: float) -> sa.Select[Any]:
    columns = DECISIONS.c
    since, now = _seconds(since_seconds), _seconds(now_seconds)
    decided, ended = columns.decided_at_seconds, columns.ended_at_seconds
    runs = sa.or_(ended.is_(None), ended > now)
    begin = sa.case((decided < since, since), else_=decided)
    end = sa.case((runs, now), else_=ended)
    lived_seconds = sa.case((end - begin > _MOMENT, end - begin), else_=_NOTHING)
    watts = sa.func.coalesce(columns.forgone_watts, _NOTHING)
    found: list[sa.ColumnElement[Any]] = [
        *_labels(DECISIONS, keys),
        sa.func.count().label("decisions"),
        sa.func.sum(sa.case((columns.forgone_watts.is_(None), 1), else_=0)).label("unknown"),
        sa.func.sum(sa.case((runs, 1), else_=0)).label("running"),
        sa.func.sum(sa.case((runs, watts), else_=_NOTHING)).label("forgone_watts"),
        sa.func.sum(watts * lived_seconds).label("forgone_joules"),
    ]
    counting = (
        columns.summed_at_seconds.is_(None),
        decided <= now,
        sa.or_(ended.is_(None), ended > since, decided >= since),
    )
    return sa.select(*found).where(*counting).group_by(*_groups(DECISIONS, keys))


def _parts_of_savings(keys: int, since: float, now: float) -> list[sa.Select[Any]]:
    first_whole, end_whole = -day_of(-since), day_of(now)
    cut_days = {day_of(since)} if since < first_whole else set()
    cut_days |= {end_whole} if end_whole < now else set()
    parts = []
    if first_whole < end_whole:
        parts.append(_periods(keys, DAY_SECONDS, first_whole, end_whole, since, now))
    for day in sorted(cut_days):
        begin, end = max(hour_of(since), day), min(now, day + DAY_SECONDS)
        parts.append(_periods(keys, HOUR_SECONDS, begin, end, since, now))
        by_day = _periods(keys, DAY_SECONDS, day, day + DAY_SECONDS, since, now)
        parts.append(by_day.where(_has_no_hours(day)))
    return parts


def _has_no_hours(day: int) -> sa.ColumnElement[bool]:
    """Whether the hours of a day, and of all before it, are gone: they go from the oldest on.

    Asked as the earliest that is there, which every database finds at the end of its index.
    """
    hours = SAVINGS.alias("hours")
    earliest = sa.select(sa.func.min(hours.c.period_start_seconds)).where(
        hours.c.period_seconds == HOUR_SECONDS
    )
    end = day + DAY_SECONDS
    return sa.func.coalesce(earliest.scalar_subquery(), sa.literal(end, sa.BigInteger())) >= end


def _periods(
    keys: int, period_seconds: int, begin: int, end: float, since: float, now: float
) -> sa.Select[Any]:
    """Sum the periods that start from `begin` to before `end`, as far as they lie in the time."""
    columns = SAVINGS.c
    start = columns.period_start_seconds
    first_period = day_of(since) if period_seconds == DAY_SECONDS else hour_of(since)
    carries = start == first_period
    found: list[sa.ColumnElement[Any]] = [
        *_labels(SAVINGS, keys),
        sa.func.sum(
            columns.decisions + sa.case((carries, columns.carried_decisions), else_=_NONE)
        ).label("decisions"),
        sa.func.sum(
            columns.unknown + sa.case((carries, columns.carried_unknown), else_=_NONE)
        ).label("unknown"),
        sa.func.sum(_NONE).label("running"),
        sa.func.sum(_NOTHING).label("forgone_watts"),
        sa.func.sum(_joules(since, now)).label("forgone_joules"),
    ]
    chosen = (columns.period_seconds == period_seconds, start >= begin, start < ceil(end))
    return sa.select(*found).where(*chosen).group_by(*_groups(SAVINGS, keys))


def _joules(since: float, now: float) -> sa.ColumnElement[float]:
    """What a period sums, or the part of it that lies in the time, by seconds."""
    columns = SAVINGS.c
    first, last, joules = columns.first_seconds, columns.last_seconds, columns.forgone_joules
    begin = sa.case((first < _seconds(since), _seconds(since)), else_=first)
    end = sa.case((last > _seconds(now), _seconds(now)), else_=last)
    return sa.case(
        (sa.and_(first >= _seconds(since), last <= _seconds(now)), joules),
        (end - begin > _MOMENT, joules * ((end - begin) / (last - first))),
        else_=_NOTHING,
    )


def _labels(table: sa.Table, keys: int) -> list[sa.ColumnElement[str]]:
    empty = sa.literal("", sa.String())
    return [
        (table.c[name] if place < keys else empty).label(name) for place, name in enumerate(_KEY)
    ]


def _groups(table: sa.Table, keys: int) -> list[sa.Column[Any]]:
    return [table.c[name] for name in _KEY[:keys]]


def _seconds(value: float) -> sa.BindParameter[float]:
    return sa.literal(value, sa.Double[float]())
