"""How the ledger lets go: rows go into sums before they are deleted.

Each step is to be one transaction over a batch of rows, so short that no writer waits for long, and
done whole or not at all: a decision is there and counts by itself, or it is in `savings` and says
so (`summed_at_seconds`), or it is in `savings` and gone. Rows are locked while they are summed, so
that two processes do not sum the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from ledger import facts
from ledger.retention import Retention, Tidied
from ledger.rollup import DAY_SECONDS, HOUR_SECONDS, Life, LifeSums, added, day_of, hour_of
from ledger.tables import ACTIONS, DECISIONS, FORECAST_ERRORS, PREDICTIONS, SAVINGS

#: How many rows of `savings` one transaction writes at most, but for a single pod's.
SUMS_AT_ONCE: Final = 5000
#: How many days of sums by day one transaction deletes; of hours always one whole day's, because a
#: day is answered by its hours as long as there is one.
DAYS_AT_ONCE: Final = 12
_COLUMNS: Final = DECISIONS.c
_LIFE: Final[tuple[sa.Column[Any], ...]] = (
    _COLUMNS.id,
    _COLUMNS.namespace,
    _COLUMNS.workload_kind,
    _COLUMNS.workload_name,
    _COLUMNS.decided_at_seconds,
    _COLUMNS.ended_at_seconds,
    _COLUMNS.forgone_watts,
    _COLUMNS.summed_at_seconds,
)
Step = Callable[[sa.Connection], int]


@dataclass(slots=True, kw_only=True)
class Tidying:
    """One round.

    `add` is the INSERT that adds to the row of `savings` that is there, `add_fact` the one that
    leaves a row of `ledger_facts` alone.

    `more` is set by a step that left something for the next round.
    """

    retention: Retention
    add: sa.Insert
    add_fact: sa.Insert
    now_seconds: float
    batch: int
    more: bool = False

    def steps(self) -> dict[str, Step]:
        """The steps by what `Tidied` calls them; each returns how many rows it dealt with."""
        return {
            "summed": self.sum_ended,
            "decisions": self.forget_decisions,
            "predictions": self.forget_predictions,
            "actions": self.forget_actions,
            "forecast_errors": self.forget_forecast_errors,
            "savings": self.forget_savings,
        }

    def tidied(self, rows: Mapping[str, int]) -> Tidied:
        """Return what was done, from the rows of each step."""
        return Tidied(
            summed=rows["summed"],
            decisions=rows["decisions"],
            predictions=rows["predictions"],
            actions=rows["actions"],
            forecast_errors=rows["forecast_errors"],
            savings=rows["savings"],
            more=self.more,
        )

    def counts(self) -> dict[str, sa.Select[Any]]:
        """Statements that count what all rounds will do, by what `Tidied` calls it.

        Of predictions only those that are too old.
        """
        keeps = self.retention
        ended, start = _COLUMNS.ended_at_seconds, SAVINGS.c.period_start_seconds
        unsummed = sa.and_(
            _COLUMNS.summed_at_seconds.is_(None), ended < float(hour_of(self.now_seconds))
        )
        too_old = sa.or_(
            *(
                sa.and_(SAVINGS.c.period_seconds == period_seconds, start < boundary)
                for period_seconds, boundary in self.oldest_kept().items()
            )
        )
        made, errors = PREDICTIONS.c.predicted_at_seconds, FORECAST_ERRORS.c.window_start_seconds
        return {
            "summed": _counted(DECISIONS, unsummed),
            "decisions": self._gone(ended, keeps.days_max, keeps.rows_max),
            "predictions": self._gone(made, keeps.predictions_days_max, None),
            "actions": self._gone(ACTIONS.c.decided_at_seconds, keeps.actions_days_max, None),
            "forecast_errors": self._gone(errors, keeps.forecast_errors_days_max, None),
            "savings": _counted(SAVINGS, too_old),
        }

    def _gone(
        self, moment: sa.Column[float], days: float | None, rows_max: int | None
    ) -> sa.Select[Any]:
        """Count the rows before a time, or those beyond a bound where these are more."""
        before = 0.0 if days is None else self.now_seconds - days * DAY_SECONDS
        old = sa.func.count(sa.case((moment < before, 1)))
        if rows_max is None:
            return sa.select(old).select_from(moment.table)
        excess = sa.func.count() - rows_max
        return sa.select(sa.case((old > excess, old), else_=excess)).select_from(moment.table)

    def sum_ended(self, connection: sa.Connection) -> int:
        """Sum the pods that ended before this hour."""
        chosen = connection.execute(
            sa.select(*_LIFE)
            .where(
                _COLUMNS.summed_at_seconds.is_(None),
                _COLUMNS.ended_at_seconds < float(hour_of(self.now_seconds)),
            )
            # As the index is ordered: to PostgreSQL NULLs are not all alike.
            .order_by(_COLUMNS.summed_at_seconds, _COLUMNS.ended_at_seconds)
            .limit(self.batch)
            .with_for_update()
        ).all()
        numbers = [row.id for row in chosen[: self._sum(connection, chosen)]]
        self._note(len(chosen), len(numbers))
        if numbers:
            note = sa.update(DECISIONS).where(_COLUMNS.id.in_(numbers))
            connection.execute(note.values(summed_at_seconds=self.now_seconds))
        return len(numbers)

    def forget_decisions(self, connection: sa.Connection) -> int:
        """Delete the decisions that are too old or too many; what was not summed is before."""
        chosen = self._too_old_or_too_many(connection)
        unsummed = [row for row in chosen if row.summed_at_seconds is None]
        left = {row.id for row in unsummed[self._sum(connection, unsummed) :]}
        numbers = [row.id for row in chosen if row.id not in left]
        self._note(len(chosen), len(numbers))
        _delete(connection, DECISIONS, numbers)
        return len(numbers)

    def forget_predictions(self, connection: sa.Connection) -> int:
        """Delete the predictions that are too old or too many."""
        moment = PREDICTIONS.c.predicted_at_seconds
        count = self._forget_old(connection, moment, self.retention.predictions_days_max)
        numbers = self._too_large(connection, self.batch - count)
        _delete(connection, PREDICTIONS, numbers)
        count += len(numbers)
        self._note(count, count)
        return count

    def _too_large(self, connection: sa.Connection, batch: int) -> list[int]:
        """Return the oldest predictions that hold the servers beyond the bound."""
        servers_max = self.retention.predictions_servers_max
        if servers_max is None:
            return []
        servers = PREDICTIONS.c.server_count
        excess = (connection.scalar(sa.select(sa.func.sum(servers))) or 0) - servers_max
        choice = sa.select(PREDICTIONS.c.id, servers).order_by(PREDICTIONS.c.predicted_at_seconds)
        numbers: list[int] = []
        for number, count in connection.execute(choice.limit(batch)) if excess > 0 else ():
            if excess <= 0:
                break
            numbers.append(number)
            excess -= count
        return numbers

    def forget_actions(self, connection: sa.Connection) -> int:
        """Delete the actions that are too old."""
        moment = ACTIONS.c.decided_at_seconds
        return self._forget_old(connection, moment, self.retention.actions_days_max)

    def forget_forecast_errors(self, connection: sa.Connection) -> int:
        """Delete the errors of forecasts that are too old."""
        moment = FORECAST_ERRORS.c.window_start_seconds
        return self._forget_old(connection, moment, self.retention.forecast_errors_days_max)

    def forget_savings(self, connection: sa.Connection) -> int:
        """Delete the oldest sums that are too old: a day's hours, and some days."""
        count, hours_since = 0, self._hours_since(connection)
        for period_seconds, boundary in self.oldest_kept().items():
            start = SAVINGS.c.period_start_seconds
            of_period = SAVINGS.c.period_seconds == period_seconds
            first = connection.scalar(sa.select(sa.func.min(start)).where(of_period))
            if first is None or first >= boundary:
                continue
            days = 1 if period_seconds == HOUR_SECONDS else DAYS_AT_ONCE
            end = min(boundary, day_of(first) + days * DAY_SECONDS)
            gone = connection.execute(sa.delete(SAVINGS).where(of_period, start < end))
            count += gone.rowcount
            if period_seconds == HOUR_SECONDS and end > hours_since:
                facts.note(connection, facts.HOURS_SINCE, f"{end}")
            self.more |= end < boundary
        return count

    def oldest_kept(self) -> dict[int, int]:
        """When the first hour and the first day begin that are kept, Unix seconds."""
        found = {HOUR_SECONDS: self._boundary(self.retention.hours_days_max)}
        if self.retention.savings_days_max is not None:
            found[DAY_SECONDS] = self._boundary(self.retention.savings_days_max)
        return found

    def _boundary(self, days: float) -> int:
        # Whole days: of a day either all hours are there or none.
        return day_of(self.now_seconds - days * DAY_SECONDS)

    def _hours_since(self, connection: sa.Connection) -> int:
        """When the first hour begins whose sums are kept; nobody changes that meanwhile.

        As the database says, not our clock: an hour that another process has let go must not come
        back with the one pod that is summed late. Where no hours are older, it becomes ours.
        """
        ours = max(0, self._boundary(self.retention.hours_days_max))
        since = int(facts.held(connection, self.add_fact, facts.HOURS_SINCE, "0"))
        if since >= ours:
            return since
        hours = sa.select(sa.func.min(SAVINGS.c.period_start_seconds)).where(
            SAVINGS.c.period_seconds == HOUR_SECONDS
        )
        first = connection.scalar(hours)
        if first is not None and first < ours:
            return since
        facts.note(connection, facts.HOURS_SINCE, f"{ours}")
        return ours

    def _sum(self, connection: sa.Connection, chosen: Sequence[sa.Row[Any]]) -> int:
        """Add the lives of rows to `savings`; return of how many."""
        if not chosen:
            return 0
        sums = LifeSums(hours_since_seconds=self._hours_since(connection))
        count = added((self._life(row) for row in chosen), sums, SUMS_AT_ONCE)
        if count:
            connection.execute(self.add, sums.rows())
        return count

    def _life(self, row: sa.Row[Any]) -> Life:
        """Return a pod's life; of one that runs, what it has lived."""
        ended = row.ended_at_seconds
        return Life(
            namespace=row.namespace,
            workload_kind=row.workload_kind,
            workload_name=row.workload_name,
            begin_seconds=row.decided_at_seconds,
            end_seconds=self.now_seconds if ended is None else ended,
            forgone_watts=row.forgone_watts,
        )

    def _too_old_or_too_many(self, connection: sa.Connection) -> list[sa.Row[Any]]:
        """Return decisions to delete: pods that ended first, by when they did, then by age."""
        many = min(self.batch, _excess(connection, DECISIONS, self.retention.rows_max))
        ended = _COLUMNS.ended_at_seconds
        days = self.retention.days_max
        oldest = sa.select(*_LIFE).where(ended.is_not(None)).order_by(ended).with_for_update()
        chosen: list[sa.Row[Any]] = []
        if days is not None:
            old = oldest.where(ended < self.now_seconds - days * DAY_SECONDS).limit(self.batch)
            chosen = list(connection.execute(old))
        if len(chosen) < many:
            chosen = list(connection.execute(oldest.limit(many)))
        if len(chosen) < many:
            running = sa.select(*_LIFE).where(ended.is_(None)).with_for_update()
            by_age = running.order_by(_COLUMNS.decided_at_seconds).limit(many - len(chosen))
            chosen += connection.execute(by_age)
        return chosen

    def _forget_old(
        self, connection: sa.Connection, moment: sa.Column[float], days: float | None
    ) -> int:
        if days is None:
            return 0
        table = moment.table
        choice = sa.select(table.c.id).where(moment < self.now_seconds - days * DAY_SECONDS)
        numbers = connection.scalars(choice.order_by(moment).limit(self.batch)).all()
        _delete(connection, table, numbers)
        self._note(len(numbers), len(numbers))
        return len(numbers)

    def _note(self, chosen: int, done: int) -> None:
        self.more |= done < chosen or chosen >= self.batch


def _counted(table: sa.Table, condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return sa.select(sa.func.count()).select_from(table).where(condition)


def _excess(connection: sa.Connection, table: sa.Table, rows_max: int | None) -> int:
    """How many rows there are beyond the bound."""
    if rows_max is None:
        return 0
    rows = connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
    return max(0, rows - rows_max)


def _delete(connection: sa.Connection, table: Any, numbers: Sequence[int]) -> None:  # noqa: ANN401 - a table, by a column's loose type
    if numbers:
        connection.execute(sa.delete(table).where(table.c.id.in_(numbers)))
