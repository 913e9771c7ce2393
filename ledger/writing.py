"""How records are written: the statements of a kind of database, and one transaction's batch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Self

import sqlalchemy as sa

from energy.errors import InputError
from ledger import checks, queries
from ledger.dialect import Dialect, NewRow
from ledger.record import PodEnd, Record
from ledger.rows import TABLES, row_of
from ledger.tables import ACTIONS, DECISIONS, FACTS, FORECAST_ERRORS, PREDICTIONS, SAVINGS

_ADDED: Final = (
    "decisions",
    "unknown",
    "carried_decisions",
    "carried_unknown",
    "pod_seconds",
    "forgone_joules",
)
_WINDOW: Final = ("forecast_key", "model", "horizon_seconds", "window_start_seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """INSERTs by table, and what notes the end of a pod.

    `add_sums` adds to a row of `savings`, `add_fact` leaves one of `ledger_facts` alone.
    """

    inserts: dict[sa.Table, sa.Insert]
    end: sa.Update
    add_sums: sa.Insert
    add_fact: sa.Insert

    @classmethod
    def of(cls, dialect: Dialect) -> Self:
        """Return them as one kind of database takes them."""
        keys = [column.name for column in SAVINGS.primary_key.columns]
        return cls(
            inserts={
                DECISIONS: dialect.insert_missing(DECISIONS, "uid"),
                PREDICTIONS: dialect.insert_missing(PREDICTIONS, "uid"),
                ACTIONS: dialect.insert_missing(ACTIONS, "uid"),
                FORECAST_ERRORS: dialect.insert_or_change(FORECAST_ERRORS, _WINDOW, _replaced),
            },
            end=queries.end_of_pod(),
            add_sums=dialect.insert_or_change(SAVINGS, keys, _sums_added),
            add_fact=dialect.insert_missing(FACTS, "name"),
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows of one transaction, by table, and the ends of pods."""

    rows: dict[sa.Table, list[dict[str, Any]]] = field(default_factory=dict)
    ends: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, records: Iterable[Record]) -> Self:
        """Take records; raise `InputError` for an end that cannot be noted."""
        batch = cls()
        for record in records:
            if isinstance(record, PodEnd):
                batch.ends.append(_end(record))
            else:
                batch.rows.setdefault(TABLES[type(record)], []).append(row_of(record))
        return batch

    def write(self, connection: sa.Connection, statements: Statements) -> None:
        """Write the rows, then the ends of pods."""
        for table, values in self.rows.items():
            connection.execute(statements.inserts[table], values)
        if self.ends:
            connection.execute(statements.end, self.ends)


def _end(end: PodEnd) -> dict[str, Any]:
    try:
        return {"ended_uid": checks.WORD(end.uid), "ended_seconds": checks.moment(end.at_seconds)}
    except (TypeError, ValueError):
        raise InputError(f"no end of a pod: {end.uid!r:.80} at {end.at_seconds!r:.40}") from None


def _replaced(new: NewRow) -> dict[str, Any]:
    kept = {"id", *_WINDOW}
    names = [column.name for column in FORECAST_ERRORS.columns if column.name not in kept]
    return {name: new[name] for name in names}


def _sums_added(new: NewRow) -> dict[str, Any]:
    old = SAVINGS.c
    values: dict[str, Any] = {name: old[name] + new[name] for name in _ADDED}
    first, last = old.first_seconds, old.last_seconds
    values["first_seconds"] = sa.case((new.first_seconds < first, new.first_seconds), else_=first)
    values["last_seconds"] = sa.case((new.last_seconds > last, new.last_seconds), else_=last)
    return values
