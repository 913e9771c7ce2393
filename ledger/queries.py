"""What is asked of the ledger, as statements: pure, for every database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final, Literal, get_args

import sqlalchemy as sa

from energy.errors import InputError
from ledger.tables import DECISIONS

GroupBy = Literal["namespace", "workload"]
PAGE_MAX: Final = 1000
_GROUPS: Final = {
    "namespace": (DECISIONS.c.namespace,),
    "workload": (DECISIONS.c.namespace, DECISIONS.c.workload_kind, DECISIONS.c.workload_name),
}
_NEWEST_FIRST: Final = (DECISIONS.c.decided_at_seconds.desc(), DECISIONS.c.id.desc())


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionFilter:
    """Which decisions to list; None means any.

    Decided at or after `since_seconds` and before `until_seconds` (Unix); `workload` is a name or
    `Kind/name`; `node` is the one that was chosen.
    """

    since_seconds: float | None = None
    until_seconds: float | None = None
    namespace: str | None = None
    workload: str | None = None
    node: str | None = None

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """Return what a row has to satisfy."""
        columns, found = DECISIONS.c, list[sa.ColumnElement[bool]]()
        if self.since_seconds is not None:
            found.append(columns.decided_at_seconds >= self.since_seconds)
        if self.until_seconds is not None:
            found.append(columns.decided_at_seconds < self.until_seconds)
        if self.namespace is not None:
            found.append(columns.namespace == self.namespace)
        if self.workload is not None:
            kind, slash, name = self.workload.rpartition("/")
            found.append(columns.workload_name == name)
            if slash:
                found.append(columns.workload_kind == kind)
        if self.node is not None:
            found.append(columns.node_chosen == self.node)
        return found


def page(chosen: DecisionFilter, limit: int, cursor: str | None) -> sa.Select[Any]:
    """Select up to `limit` decisions, newest first, after the one that the cursor names."""
    if not 1 <= limit <= PAGE_MAX:
        raise InputError(f"a page has 1 to {PAGE_MAX} decisions, not {limit}")
    statement = sa.select(DECISIONS).where(*chosen.conditions())
    if cursor is not None:
        decided, number = _place(cursor)
        columns = DECISIONS.c
        statement = statement.where(
            sa.or_(
                columns.decided_at_seconds < decided,
                sa.and_(columns.decided_at_seconds == decided, columns.id < number),
            )
        )
    return statement.order_by(*_NEWEST_FIRST).limit(limit)


def cursor_after(row: sa.Row[Any]) -> str:
    """Return the cursor that continues after a row."""
    return f"{float(row.decided_at_seconds).hex()}_{row.id}"


def _place(cursor: str) -> tuple[float, int]:
    try:
        decided, _, number = cursor.partition("_")
        place = float.fromhex(decided), int(number)
    except (ValueError, OverflowError):
        place = float("nan"), 0
    if not isfinite(place[0]) or not 0 < place[1] < 2**63:
        raise InputError(f"no cursor: {cursor!r:.60}", mend="take the one of the page before")
    return place


def latest(namespace: str, pod: str) -> sa.Select[Any]:
    """Select the newest decision for a pod of this name."""
    columns = DECISIONS.c
    return (
        sa.select(DECISIONS)
        .where(columns.namespace == namespace, columns.pod == pod)
        .order_by(*_NEWEST_FIRST)
        .limit(1)
    )


def running() -> sa.Select[Any]:
    """Select the uids of all pods that have not ended."""
    return sa.select(DECISIONS.c.uid).where(DECISIONS.c.ended_at_seconds.is_(None))


def savings(group_by: GroupBy, since_seconds: float, now_seconds: float) -> sa.Select[Any]:
    """Sum what was forgone from `since_seconds` to `now_seconds`, by group.

    A decision counts where its pod lived for any of that time, or began in it. Its energy is
    `forgone_watts` times the seconds of its life within.
    """
    if group_by not in get_args(GroupBy):
        raise InputError(f"cannot group by {group_by!r:.40}", mend="namespace or workload")
    columns, groups = DECISIONS.c, _GROUPS[group_by]
    since, now, nothing = _seconds(since_seconds), _seconds(now_seconds), _seconds(0.0)
    decided, ended = columns.decided_at_seconds, columns.ended_at_seconds
    runs = sa.or_(ended.is_(None), ended > now)
    begin = sa.case((decided < since, since), else_=decided)
    end = sa.case((runs, now), else_=ended)
    lived_seconds = sa.case((end > begin, end - begin), else_=nothing)
    watts = sa.func.coalesce(columns.forgone_watts, nothing)
    return (
        sa.select(
            *groups,
            sa.func.count().label("decisions"),
            sa.func.sum(sa.case((columns.forgone_watts.is_(None), 1), else_=0)).label("unknown"),
            sa.func.sum(sa.case((runs, 1), else_=0)).label("running"),
            sa.func.sum(sa.case((runs, watts), else_=nothing)).label("forgone_watts"),
            sa.func.sum(watts * lived_seconds).label("forgone_joules"),
        )
        .where(decided <= now, sa.or_(ended.is_(None), ended > since, decided >= since))
        .group_by(*groups)
        .order_by(*groups)
    )


def _seconds(value: float) -> sa.BindParameter[float]:
    return sa.literal(value, sa.Double[float]())


def end_of_pod() -> sa.Update:
    """Set the end of the pod `ended_uid` to `ended_seconds`, once, and not before it began."""
    columns = DECISIONS.c
    ended: sa.BindParameter[float] = sa.bindparam("ended_seconds", type_=sa.Double())
    return (
        sa.update(DECISIONS)
        .where(
            columns.uid == sa.bindparam("ended_uid"),
            columns.ended_at_seconds.is_(None),
        )
        .values(
            ended_at_seconds=sa.case(
                (columns.decided_at_seconds > ended, columns.decided_at_seconds), else_=ended
            )
        )
    )


def row_count() -> sa.Select[Any]:
    """Count the rows."""
    return sa.select(sa.func.count()).select_from(DECISIONS)


def oldest_ended(limit: int) -> sa.Select[Any]:
    """Select the ids of up to `limit` rows whose pods ended, by when they did."""
    ended = DECISIONS.c.ended_at_seconds
    return sa.select(DECISIONS.c.id).where(ended.is_not(None)).order_by(ended).limit(limit)


def oldest(limit: int) -> sa.Select[Any]:
    """Select the ids of up to `limit` rows by when they were decided."""
    return sa.select(DECISIONS.c.id).order_by(DECISIONS.c.decided_at_seconds).limit(limit)


def removal(numbers: Sequence[int]) -> sa.Delete:
    """Delete the rows with these ids."""
    return sa.delete(DECISIONS).where(DECISIONS.c.id.in_(numbers))
