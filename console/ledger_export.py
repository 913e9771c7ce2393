"""The ledger's records as a stream of lines: CSV with a header, or one JSON object a line.

Records are read page by page (predictions by the servers they compare), so memory does not grow
with the ledger, and no transaction lasts longer than a page: whoever writes meanwhile does not
wait.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from console.output import stderr, writing_whole
from energy.errors import InputError
from ledger.filters import (
    ActionFilter,
    DecisionFilter,
    Filter,
    ForecastErrorFilter,
    PredictionFilter,
)
from ledger.queries import PAGE_MAX
from ledger.rollup import DAY_SECONDS, HOUR_SECONDS
from ledger.rows import RowRecord
from ledger.saving import Saving
from ledger.spreadsheet import cell
from ledger.store import Ledger

CSV, JSON_LINES = "csv", "jsonl"
DECISIONS, PREDICTIONS, ACTIONS = "decisions", "predictions", "actions"
FORECAST_ERRORS, SAVINGS = "forecast-errors", "savings"
WHAT = (DECISIONS, PREDICTIONS, ACTIONS, FORECAST_ERRORS, SAVINGS)
#: How many servers the predictions of a page have together: one alone may have ten thousand.
SERVERS_MAX = 20_000
PERIODS = {"hour": HOUR_SECONDS, "day": DAY_SECONDS}
#: Which of the options each kind of record understands, and as what.
_FILTERS: Mapping[str, tuple[type, Mapping[str, str]]] = {
    DECISIONS: (
        DecisionFilter,
        {
            "namespace": "namespace",
            "workload": "workload",
            "node": "node",
            "reason": "reason_kind",
            "rule": "rule",
        },
    ),
    PREDICTIONS: (PredictionFilter, {"node": "best_server", "model": "model"}),
    ACTIONS: (ActionFilter, {"namespace": "namespace", "workload": "subject"}),
    FORECAST_ERRORS: (ForecastErrorFilter, {"workload": "forecast_key", "model": "model"}),
}
Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to export. Times are Unix seconds; `options` has those filters that were given."""

    what: str
    since_seconds: float | None
    until_seconds: float | None
    options: Mapping[str, str]
    period: str = "day"

    def chosen(self) -> Filter:
        """The filter of the records.

        Raises:
            InputError: a filter that these records do not have.
        """
        kind, names = _FILTERS[self.what]
        self._require(names)
        given = {names[option]: value for option, value in self.options.items()}
        times = {"since_seconds": self.since_seconds, "until_seconds": self.until_seconds}
        chosen: Filter = kind(**times, **given)
        return chosen

    def _require(self, known: Iterable[str]) -> None:
        for option in self.options:
            if option not in known:
                mend = ", ".join(f"--{name}" for name in known) or "no filter but time"
                raise InputError(
                    f"{self.what} cannot be chosen by it", where=f"--{option}", mend=f"use {mend}"
                )

    def savings(self, ledger: Ledger, now_seconds: float) -> Iterator[Document]:
        """Sums by workload for each hour or day (UTC) that something was summed in.

        The period that `since_seconds` lies in comes out whole; `until_seconds` cuts.
        """
        self._require(("namespace", "workload"))
        seconds = PERIODS[self.period]
        began = ledger.began_at_seconds()
        since = max(self.since_seconds or 0.0, now_seconds if began is None else began)
        until = now_seconds if self.until_seconds is None else min(self.until_seconds, now_seconds)
        start = int(since // seconds) * seconds
        while start < until:
            end = min(float(start + seconds), until)
            for saving in ledger.savings("workload", since_seconds=float(start), now_seconds=end):
                if self._keeps(saving):
                    yield _saving(saving, start, seconds)
            start += seconds

    def _keeps(self, saving: Saving) -> bool:
        namespace, workload = self.options.get("namespace"), self.options.get("workload")
        named = {saving.workload_name, f"{saving.workload_kind}/{saving.workload_name}"}
        return namespace in {None, saving.namespace} and (workload is None or workload in named)


def _saving(saving: Saving, start: int, seconds: int) -> Document:
    found = asdict(saving)
    # Of the end of a period in the past, which the sums do not keep.
    del found["running"], found["forgone_watts"]
    return {"period_start_seconds": start, "period_seconds": seconds, **found}


def records(ledger: Ledger, chosen: Filter) -> Iterator[Document]:
    """All records that a filter keeps, oldest first."""
    page: Callable[[str | None], tuple[tuple[RowRecord, ...], str | None]]
    page = _pages(ledger, chosen)
    cursor: str | None = None
    while True:
        found, cursor = page(cursor)
        yield from (record.document() for record in found)
        if cursor is None:
            return


def _pages(
    ledger: Ledger, chosen: Filter
) -> Callable[[str | None], tuple[tuple[RowRecord, ...], str | None]]:
    def page(cursor: str | None) -> tuple[tuple[RowRecord, ...], str | None]:
        options: Any = {"limit": PAGE_MAX, "cursor": cursor, "oldest_first": True}
        if isinstance(chosen, DecisionFilter):
            decisions = ledger.decisions(chosen, **options)
            return decisions.decisions, decisions.cursor
        if isinstance(chosen, PredictionFilter):
            predictions = ledger.predictions(chosen, servers_max=SERVERS_MAX, **options)
            return predictions.predictions, predictions.cursor
        if isinstance(chosen, ActionFilter):
            actions = ledger.actions(chosen, **options)
            return actions.actions, actions.cursor
        if isinstance(chosen, ForecastErrorFilter):
            errors = ledger.forecast_errors(chosen, **options)
            return errors.forecast_errors, errors.cursor
        raise TypeError(chosen)

    return page


def write(documents: Iterable[Document], stream: TextIO, form: str) -> int:
    """Write documents as lines; return how many."""
    return _write_csv(documents, stream) if form == CSV else _write_json(documents, stream)


def _write_json(documents: Iterable[Document], stream: TextIO) -> int:
    count = 0
    for count, document in enumerate(documents, start=1):  # noqa: B007 - the last is the number
        stream.write(json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n")
    return count


def _write_csv(documents: Iterable[Document], stream: TextIO) -> int:
    """A cell that holds a list or an object is JSON; one that is unknown is empty."""
    count = 0
    for count, document in enumerate(documents, start=1):
        if count == 1:
            stream.write(_line(document))
        stream.write(_line(map(_cell, document.values())))
    return count


def _line(cells: Iterable[object]) -> str:
    text = io.StringIO(newline="")
    # Only signs of its line's end are what Python before 3.13 quotes: both must be.
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().removesuffix("\r\n") + "\n"


def _cell(value: object) -> object:
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return cell(value)


def export(ledger: Ledger, wanted: Wanted, form: str, file: Path | None, now_seconds: float) -> int:
    """Write what is wanted to a file, whole or not at all, or to stdout; return how many."""
    if wanted.what == SAVINGS:
        documents, total = wanted.savings(ledger, now_seconds), None
    else:
        chosen = wanted.chosen()
        total = ledger.count(chosen) if sys.stderr.isatty() else None
        documents = records(ledger, chosen)
    with _shown(documents, total) as shown:
        if file is None:
            return write(shown, sys.stdout, form)
        with writing_whole(file) as stream:
            return write(shown, stream, form)


@contextmanager
def _shown(documents: Iterable[Document], total: int | None) -> Iterator[Iterable[Document]]:
    """A bar on a terminal's stderr."""
    columns = (TextColumn("records"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=stderr(), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("records", total=total)

        def told() -> Iterator[Document]:
            for count, document in enumerate(documents, start=1):
                if count % PAGE_MAX == 0:
                    bar.update(task, completed=count)
                yield document

        yield told()
