"""What is asked of the ledger but for sums, as statements: pure, for every database."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Any, Final

import sqlalchemy as sa

from energy.errors import InputError
from ledger.filters import Filter, PredictionFilter
from ledger.tables import DECISIONS, PREDICTIONS

PAGE_MAX: Final = 1000


def page(
    chosen: Filter, limit: int, cursor: str | None, *, oldest_first: bool = False
) -> sa.Select[Any]:
    """Select up to `limit` rows in the order of time, after the one that the cursor names."""
    if not 1 <= limit <= PAGE_MAX:
        raise InputError(f"a page has 1 to {PAGE_MAX} records, not {limit}")
    moment, number = chosen.moment, chosen.table.c.id
    statement = sa.select(chosen.table).where(*chosen.conditions())
    if cursor is not None:
        seconds, row = _place(cursor)
        # Said so that every database begins to read an index at this time: the first condition
        # bounds it, the second passes over rows of the very same time.
        if oldest_first:
            beyond = (moment >= seconds, sa.or_(moment > seconds, number > row))
        else:
            beyond = (moment <= seconds, sa.or_(moment < seconds, number < row))
        statement = statement.where(*beyond)
    order = (moment, number) if oldest_first else (moment.desc(), number.desc())
    return statement.order_by(*order).limit(limit)


def server_counts(
    chosen: PredictionFilter, limit: int, cursor: str | None, *, oldest_first: bool = False
) -> sa.Select[Any]:
    """Select how many servers each prediction of a page has, without reading them."""
    rows = page(chosen, limit, cursor, oldest_first=oldest_first)
    return rows.with_only_columns(PREDICTIONS.c.server_count)


def fitting(counts: Iterable[sa.Row[Any]], servers_max: int, limit: int) -> int:
    """Return how many predictions have `servers_max` servers together, at least one.

    `limit` where all do, so that a page that is not full is the last.
    """
    total = 0
    for place, (count,) in enumerate(counts):
        total += count
        if total > servers_max:
            return max(1, place)
    return limit


def cursor_after(chosen: Filter, row: sa.Row[Any]) -> str:
    """Return the cursor that continues after a row."""
    found = row._mapping  # noqa: SLF001 - SQLAlchemy's documented name
    return f"{float(found[chosen.moment.name]).hex()}_{found['id']}"


def _place(cursor: str) -> tuple[float, int]:
    try:
        seconds, _, number = cursor.partition("_")
        place = float.fromhex(seconds), int(number)
    except (ValueError, OverflowError):
        place = float("nan"), 0
    if not isfinite(place[0]) or not 0 < place[1] < 2**63:
        raise InputError(f"no cursor: {cursor!r:.60}", mend="take the one of the page before")
    return place


def count(chosen: Filter) -> sa.Select[Any]:
    """Count the rows that a filter keeps."""
    return sa.select(sa.func.count()).select_from(chosen.table).where(*chosen.conditions())


def latest(namespace: str, pod: str) -> sa.Select[Any]:
    """Select the newest decision for a pod of this name."""
    columns = DECISIONS.c
    return (
        sa.select(DECISIONS)
        .where(columns.namespace == namespace, columns.pod == pod)
        .order_by(columns.decided_at_seconds.desc(), columns.id.desc())
        .limit(1)
    )


def running() -> sa.Select[Any]:
    """Select the uids of all pods that have not ended."""
    columns = DECISIONS.c
    return sa.select(columns.uid).where(
        # Pods that run are not summed; said for the index, which begins with it.
        columns.summed_at_seconds.is_(None),
        columns.ended_at_seconds.is_(None),
    )


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
