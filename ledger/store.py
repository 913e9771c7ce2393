"""The ledger: decisions go in, come out again and are summed.

Every time is an argument. Methods may be called from any thread; each is one transaction, so what
fails has changed nothing. They raise `UnavailableError` where the database does not serve now, and
`InputError` for what can never be kept or answered.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import sqlalchemy as sa

from energy.errors import InputError
from ledger import queries
from ledger.database import Database
from ledger.decision import PlacementDecision
from ledger.dialect import Patience
from ledger.queries import DecisionFilter, GroupBy
from ledger.rows import decision_of, row_of
from ledger.tables import DECISIONS

#: How long a transaction waits for another process's.
BUSY_SECONDS: Final = 2.0
#: How long a server may take for one statement.
ANSWER_SECONDS: Final = 30.0
_ANY: Final = DecisionFilter()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Decisions, newest first; `cursor` asks for the next ones, None where there are none."""

    decisions: tuple[PlacementDecision, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """What the decisions for one namespace or workload forwent; negative where they gained.

    `unknown` of the decisions carry no watts and count as 0 in the sums. `forgone_watts` is of the
    pods that run at the end of the time asked for; `forgone_joules` of all, within that time.
    The workload's kind and name are empty where the sum is of a namespace.
    """

    namespace: str
    workload_kind: str
    workload_name: str
    decisions: int
    unknown: int
    running: int
    forgone_watts: float
    forgone_joules: float


class Ledger:
    """A database of placement decisions; a context manager that closes it."""

    def __init__(self, database: Database) -> None:
        """Take a database whose schema is the newest; `open` is how to get one."""
        self._database = database
        self._insert = database.dialect.insert_missing(DECISIONS, "uid")
        self._end = queries.end_of_pod()

    @classmethod
    def open(
        cls,
        url: str,
        *,
        create: bool = True,
        migrate: bool = True,
        busy_seconds: float = BUSY_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
        password_file: Path | None = None,
    ) -> Self:
        """Open the database at `url` and bring its schema up to date.

        What is missing (SQLite's file and folder, the tables) is made where `create` allows it; an
        older schema is changed where `migrate` does. A transaction waits up to `busy_seconds` for
        another's, and a server gets up to `answer_seconds` for one statement.

        Raises `InputError` for a URL, password or database that cannot serve, or one that a newer
        version wrote; `UnavailableError` where it is locked, full or does not answer.
        """
        patience = Patience(busy_seconds=busy_seconds, answer_seconds=answer_seconds)
        database = Database.open(url, create=create, patience=patience, password_file=password_file)
        try:
            if not migrate or (not create and database.revision() is None):
                database.require()
            elif not database.is_newest():
                database.upgrade()
        except BaseException:
            database.close()
            raise
        return cls(database)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    def write(self, batch: Iterable[PlacementDecision]) -> None:
        """Write all decisions or none. Of a pod that is there already, the first decision stays."""
        self.record(batch, ())

    def end_pods(self, ends: Iterable[tuple[str, float]]) -> None:
        """Note when pods ended (uid, Unix seconds): all or none.

        A pod ends once; an end before its beginning counts as its beginning. Pods without a
        decision are passed over.
        """
        self.record((), ends)

    def record(
        self, decisions: Iterable[PlacementDecision], ends: Iterable[tuple[str, float]]
    ) -> None:
        """Write decisions, then ends of pods, in one transaction."""
        rows = [row_of(decision) for decision in decisions]
        parameters = [_end(uid, at_seconds) for uid, at_seconds in ends]

        def write(connection: sa.Connection) -> None:
            if rows:
                connection.execute(self._insert, rows)
            if parameters:
                connection.execute(self._end, parameters)

        self._database.change(write)

    def forget(self, rows_max: int, *, batch: int) -> int:
        """Delete what is beyond `rows_max`, but up to `batch` rows; return how many these were.

        Pods that ended go first, by when they did; where none are left, the oldest decisions.
        `batch` is some thousands at most: others wait as long as the transaction takes.
        """

        def delete(connection: sa.Connection) -> int:
            rows = connection.scalar(queries.row_count()) or 0
            count = min(batch, rows - rows_max)
            if count <= 0:
                return 0
            gone = 0
            for choice in (queries.oldest_ended, queries.oldest):
                numbers = connection.scalars(choice(count - gone)).all()
                if numbers:
                    connection.execute(queries.removal(numbers))
                gone += len(numbers)
                if gone == count:
                    break
            return gone

        return self._database.change(delete)

    def latest(self, namespace: str, pod: str) -> PlacementDecision | None:
        """Return the newest decision for a pod of this name, None where there is none."""
        found = self._database.rows(queries.latest(namespace, pod))
        return decision_of(found[0]) if found else None

    def decisions(
        self, chosen: DecisionFilter = _ANY, *, limit: int = 100, cursor: str | None = None
    ) -> Page:
        """Return up to `limit` (at most 1000) decisions, newest first.

        Going from cursor to cursor shows every decision that was there at the start exactly once,
        whatever is written meanwhile.
        """
        found = self._database.rows(queries.page(chosen, limit, cursor))
        return Page(
            decisions=tuple(decision_of(row) for row in found),
            cursor=queries.cursor_after(found[-1]) if len(found) == limit else None,
        )

    def running_uids(self) -> frozenset[str]:
        """Return the uids of pods whose end nobody noted: after a restart, end the absent ones."""
        return frozenset(row.uid for row in self._database.rows(queries.running()))

    def savings(
        self, group_by: GroupBy, *, since_seconds: float, now_seconds: float
    ) -> tuple[Saving, ...]:
        """Sum what was forgone from one time to another, by namespace or workload, in their order.

        What counts is said at `queries.savings` and in docs/reference/ledger.md.
        """
        for seconds in (since_seconds, now_seconds):
            if not isfinite(seconds):
                raise InputError(f"a time must be finite, not {seconds}")
        rows = self._database.rows(queries.savings(group_by, since_seconds, now_seconds))
        # By the signs' numbers: a server sorts as its locale does.
        savings = (_saving(row) for row in rows)
        return tuple(
            sorted(
                savings, key=lambda each: (each.namespace, each.workload_kind, each.workload_name)
            )
        )


def _end(uid: str, at_seconds: float) -> dict[str, Any]:
    if not isinstance(uid, str) or not uid or not isfinite(at_seconds):
        raise InputError(f"no end of a pod: {uid!r:.80} at {at_seconds!r:.40}")
    return {"ended_uid": uid, "ended_seconds": float(at_seconds)}


def _saving(row: sa.Row[Any]) -> Saving:
    found = row._asdict()
    return Saving(
        namespace=row.namespace,
        workload_kind=found.get("workload_kind", ""),
        workload_name=found.get("workload_name", ""),
        decisions=int(row.decisions),
        unknown=int(row.unknown),
        running=int(row.running),
        forgone_watts=float(row.forgone_watts),
        forgone_joules=float(row.forgone_joules),
    )
