"""The ledger: records go in, come out again, are summed and in time forgotten.

Every time is an argument. Methods may be called from any thread; each is one transaction (`tidy`
several), so what fails has changed nothing. They raise `UnavailableError` where the database does
not serve now, and `InputError` for what can never be kept or answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import sqlalchemy as sa

from energy.errors import InputError
from ledger import facts, queries, rows, saving, writing
from ledger.database import Database
from ledger.decision import PlacementDecision
from ledger.dialect import Patience
from ledger.filters import (
    ActionFilter,
    DecisionFilter,
    Filter,
    ForecastErrorFilter,
    PredictionFilter,
)
from ledger.pages import ActionPage, ForecastErrorPage, Page, PredictionPage
from ledger.record import PodEnd, Record
from ledger.retention import Retention, Tidied
from ledger.saving import GroupBy, Saving
from ledger.tidying import Tidying

#: How long a transaction waits for another process's.
BUSY_SECONDS: Final = 2.0
#: How long a server may take for one statement.
ANSWER_SECONDS: Final = 30.0
TIDIED_AT_ONCE: Final = 1000


class Ledger:
    """A database of what was decided and predicted; a context manager that closes it."""

    def __init__(self, database: Database) -> None:
        """Take a database whose schema is the newest; `open` is how to get one."""
        self._database = database
        self._statements = writing.Statements.of(database.dialect)

    @classmethod
    def open(  # noqa: PLR0913 - all but the URL have defaults
        cls,
        url: str,
        *,
        create: bool = True,
        migrate: bool = True,
        may_be_away: bool = False,
        busy_seconds: float = BUSY_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
        password_file: Path | None = None,
    ) -> Self:
        """Open the database at `url` and bring its schema up to date.

        What is missing (SQLite's file and folder, the tables) is made where `create` allows it; an
        older schema is changed where `migrate` does. A transaction waits up to `busy_seconds` for
        another's, and a server gets up to `answer_seconds` for one statement. One that may be
        away is opened by the first call that finds it there.

        Raises `InputError` for a URL, password or database that cannot serve, or one that a newer
        version wrote; `UnavailableError` where it is locked, full or does not answer.
        """

        def begin(database: Database) -> None:
            if not migrate or (not create and database.revision() is None):
                database.require()
            elif not database.is_newest():
                database.upgrade()

        patience = Patience(busy_seconds=busy_seconds, answer_seconds=answer_seconds)
        return cls(
            Database.open(
                url,
                create=create,
                patience=patience,
                begin=begin,
                password_file=password_file,
                may_be_away=may_be_away,
            )
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def claim(self, cluster_uid: str) -> None:
        """Note whose ledger it is, if nobody did; raise `InputError` where it is another cluster's.

        Who ends the pods that are gone from its cluster would end all of another's.
        """
        add = self._statements.add_fact
        owner = self._database.change(
            lambda connection: facts.held(connection, add, facts.CLUSTER, cluster_uid)
        )
        if owner != cluster_uid:
            raise InputError(
                f"is the ledger of another cluster (kube-system has the uid {owner} there, "
                f"{cluster_uid} here)",
                where=self._database.where,
                mend="give each cluster a database of its own",
            )

    def serves(self) -> bool:
        """Whether the database answers at all; it may still be locked or full."""
        return self._database.serves()

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    def record(self, records: Iterable[Record]) -> None:
        """Write all records or none.

        Of a pod that is there already the first decision stays. Ends of pods are noted after the
        decisions: a pod ends once, an end before its beginning counts as its beginning, and pods
        without a decision are passed over. An error of forecasts takes the place of the one for the
        same key, model, horizon and start of the window.
        """
        batch = writing.Batch.of(records)
        self._database.change(lambda connection: batch.write(connection, self._statements))

    def write(self, batch: Iterable[PlacementDecision]) -> None:
        """Write all decisions or none: `record` for those who have nothing else."""
        self.record(batch)

    def end_pods(self, ends: Iterable[tuple[str, float]]) -> None:
        """Note when pods ended (uid, Unix seconds): all or none."""
        self.record(PodEnd(uid, at_seconds) for uid, at_seconds in ends)

    def tidy(
        self, retention: Retention, *, now_seconds: float, batch: int = TIDIED_AT_ONCE
    ) -> Tidied:
        """Sum the pods that ended, then delete what is too old or too many: up to `batch` of each.

        Every step is a transaction of its own; `batch` is some thousands at most, because others
        wait as long as one takes. Sums over any time that spans the pods' lives stay what they
        were; of pods that run, what they have lived so far goes into the sums.
        """
        work = self._work(retention, now_seconds, batch)
        done = {name: self._database.change(step) for name, step in work.steps().items()}
        return work.tidied(done)

    def would_tidy(self, retention: Retention, *, now_seconds: float) -> Tidied:
        """Count what rounds of `tidy` would do until there is no more to do; nothing changes."""
        work = self._work(retention, now_seconds, 1)
        found = {name: self._database.rows(each) for name, each in work.counts().items()}
        return work.tidied({name: max(0, int(each[0][0])) for name, each in found.items()})

    def _work(self, retention: Retention, now_seconds: float, batch: int) -> Tidying:
        return Tidying(
            retention=retention,
            add=self._statements.add_sums,
            add_fact=self._statements.add_fact,
            now_seconds=now_seconds,
            batch=batch,
        )

    def compact(self) -> None:
        """Give back the space of rows that were deleted, or make it usable again."""
        self._database.compact()

    def size_bytes(self) -> int:
        """What the tables and their indices take."""
        return self._database.size_bytes()

    def latest(self, namespace: str, pod: str) -> PlacementDecision | None:
        """Return the newest decision for a pod of this name, None where there is none."""
        found = self._database.rows(queries.latest(namespace, pod))
        return rows.decision_of(found[0]) if found else None

    def decisions(
        self,
        chosen: DecisionFilter | None = None,
        *,
        limit: int = 100,
        cursor: str | None = None,
        oldest_first: bool = False,
    ) -> Page:
        """Return up to `limit` (at most 1000) placement decisions, newest first.

        Going from cursor to cursor shows every record that was there at the start exactly once,
        whatever is written meanwhile.
        """
        chosen = chosen or DecisionFilter()
        found, after = self._page(chosen, limit, cursor, oldest_first=oldest_first)
        return Page(decisions=tuple(map(rows.decision_of, found)), cursor=after)

    def predictions(
        self,
        chosen: PredictionFilter | None = None,
        *,
        limit: int = 100,
        cursor: str | None = None,
        oldest_first: bool = False,
        servers_max: int | None = None,
    ) -> PredictionPage:
        """Return up to `limit` predictions, newest first; see `decisions`.

        With `servers_max` a page has no more servers than that, but for a single prediction's.
        """
        chosen = chosen or PredictionFilter()
        if servers_max is not None:
            sizes = queries.server_counts(chosen, limit, cursor, oldest_first=oldest_first)
            limit = queries.fitting(self._database.rows(sizes), servers_max, limit)
        found, after = self._page(chosen, limit, cursor, oldest_first=oldest_first)
        return PredictionPage(predictions=tuple(map(rows.prediction_of, found)), cursor=after)

    def actions(
        self,
        chosen: ActionFilter | None = None,
        *,
        limit: int = 100,
        cursor: str | None = None,
        oldest_first: bool = False,
    ) -> ActionPage:
        """Return up to `limit` actions, newest first; see `decisions`."""
        chosen = chosen or ActionFilter()
        found, after = self._page(chosen, limit, cursor, oldest_first=oldest_first)
        return ActionPage(actions=tuple(map(rows.action_of, found)), cursor=after)

    def forecast_errors(
        self,
        chosen: ForecastErrorFilter | None = None,
        *,
        limit: int = 100,
        cursor: str | None = None,
        oldest_first: bool = False,
    ) -> ForecastErrorPage:
        """Return up to `limit` errors of forecasts, the newest windows first; see `decisions`."""
        chosen = chosen or ForecastErrorFilter()
        found, after = self._page(chosen, limit, cursor, oldest_first=oldest_first)
        errors = tuple(map(rows.forecast_error_of, found))
        return ForecastErrorPage(forecast_errors=errors, cursor=after)

    def count(self, chosen: Filter) -> int:
        """Count the records that a filter keeps; on many million rows that takes seconds."""
        (row,) = self._database.rows(queries.count(chosen))
        return int(row[0])

    def running_uids(self) -> frozenset[str]:
        """Return the uids of pods whose end nobody noted: after a restart, end the absent ones."""
        return frozenset(row.uid for row in self._database.rows(queries.running()))

    def savings(
        self, group_by: GroupBy, *, since_seconds: float, now_seconds: float
    ) -> tuple[Saving, ...]:
        """Sum what was forgone from one time to another, by namespace or workload, in their order.

        What counts is said at `saving.sums` and in docs/reference/ledger.md.
        """
        found = self._database.rows(saving.sums(group_by, since_seconds, now_seconds))
        return saving.savings_of(found)

    def began_at_seconds(self) -> float | None:
        """When the first pod was placed that the ledger knows of; None where it knows of none."""
        found = self._database.rows(saving.beginning())
        return min((float(row[0]) for row in found if row[0] is not None), default=None)

    def _page(
        self, chosen: Filter, limit: int, cursor: str | None, *, oldest_first: bool
    ) -> tuple[Sequence[sa.Row[Any]], str | None]:
        statement = queries.page(chosen, limit, cursor, oldest_first=oldest_first)
        found = self._database.rows(statement)
        return found, queries.cursor_after(chosen, found[-1]) if len(found) == limit else None
