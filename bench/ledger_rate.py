"""How many decisions a second the ledger takes, and what offering one costs who decides.

    .venv/bin/python bench/ledger_rate.py [--databases sqlite,mariadb,postgresql] [--rounds 5]
        [--folder DIR] [--output table|json]

Each round writes 20,000 decisions of 3 (or 16) candidates into an empty ledger: a new SQLite file,
or a new database of a MariaDB and a PostgreSQL that are started for it on loopback with their own
settings, which write every commit to the disk (`innodb_flush_log_at_trx_commit = 1`, `fsync = on`);
SQLite as the ledger opens it, WAL with `synchronous = NORMAL`, leaves that to checkpoints.

*Through the writer* is the time from the first `offer` to the last commit, the offering thread
included, on one queue that is long enough for all, in batches of 500 (the writer's own) to 2,000;
beside it the CPU that this process, not the server, spends on a decision. *Offer* is one call while
the writer's thread writes, timed one by one (the clock's own cost included), and on a full queue,
where each call is counted as dropped. Medians of the rounds, and the worst. The project's bars:
5,000 decisions a second on SQLite and on MariaDB, 5 microseconds an offer (median).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ledger.decision import Candidate, PlacementDecision
from ledger.store import Ledger
from ledger.writer import LedgerWriter

SUPPORT = Path(__file__).parents[1] / "tests" / "support"
DATABASES = ("sqlite", "mariadb", "postgresql")
DECISIONS = 20_000
BATCH = 500
#: Candidates of a decision and size of a batch.
LOADS = ((3, BATCH), (3, 1000), (3, 2000), (16, BATCH))
BAR_PER_SECOND = {"sqlite": 5000.0, "mariadb": 5000.0}
BAR_MICROSECONDS = 5.0
_NUMBERS = count()

#: Gives a block in which the URL of an empty database is good.
EmptyDatabase = Callable[[], AbstractContextManager[str]]
Measure = Callable[[Ledger, list[PlacementDecision]], tuple[float, float]]


@dataclass(frozen=True)
class Figure:
    """One row of the table; `cpu_microseconds` are this process's for a decision."""

    database: str
    what: str
    unit: str
    median: float
    worst: float
    bar: float | None
    cpu_microseconds: float | None = None


def made(candidates: int) -> list[PlacementDecision]:
    """Return decisions of new pods, as an observing extender makes them."""
    listed = tuple(
        Candidate(
            node=f"worker-{rank:04}.example.internal",
            rank=rank,
            cost=3.0 + rank / 7,
            watts=3.0 + rank / 7,
            source="prometheus",
            age_seconds=7.5,
        )
        for rank in range(candidates)
    )
    return [
        PlacementDecision(
            decided_at_seconds=1_790_000_000.0 + number / 100,
            mode="observe",
            namespace=f"team-{number % 20}",
            pod=f"web-{number % 50}-7d9f8b6c5-{number}",
            uid=f"00000000-0000-4000-8000-{number:012}",
            workload_kind="Deployment",
            workload_name=f"web-{number % 50}",
            scheduler_name="default-scheduler",
            node_chosen=listed[-1].node,
            node_preferred=listed[0].node,
            chosen_watts=listed[-1].watts,
            preferred_watts=listed[0].watts,
            rule="negawatt",
            reason="class r750 costs least for this pod: 3.0 W against 3.1 W of class r640",
            candidate_count=500,
            runner_up_node=listed[1].node,
            runner_up_watts=listed[1].watts,
            load_source="prometheus",
            load_age_seconds=7.5,
            cpu_millicores=500,
            memory_bytes=2**30,
            needs_source="requests",
            candidates=listed,
        )
        for number in (next(_NUMBERS) for _ in range(DECISIONS))
    ]


def written(
    ledger: Ledger, decisions: list[PlacementDecision], *, batch: int
) -> tuple[float, float]:
    """Return the rate from the first offer to the last commit, and the CPU microseconds of each."""
    started, spent = time.perf_counter(), time.process_time()
    with LedgerWriter(ledger, capacity=DECISIONS, batch=batch, flush_seconds=600) as writer:
        for decision in decisions:
            writer.offer(decision)
    seconds, spent = time.perf_counter() - started, time.process_time() - spent
    if writer.written != len(decisions):
        raise SystemExit(f"{writer.dropped} were dropped: the rate would mean nothing")
    return len(decisions) / seconds, 1e6 * spent / len(decisions)


def offered(ledger: Ledger, decisions: list[PlacementDecision]) -> tuple[float, float]:
    """Return the median microseconds of an offer while the thread writes."""
    with LedgerWriter(ledger, capacity=DECISIONS, batch=BATCH, flush_seconds=600) as writer:
        return _median_microseconds(writer, decisions), 0.0


def refused(ledger: Ledger, decisions: list[PlacementDecision]) -> tuple[float, float]:
    """Return the median microseconds of an offer that finds no room."""
    with LedgerWriter(ledger, capacity=0) as writer:
        return _median_microseconds(writer, decisions), 0.0


def _median_microseconds(writer: LedgerWriter, decisions: list[PlacementDecision]) -> float:
    clock, took = time.perf_counter_ns, []
    for decision in decisions:
        started = clock()
        writer.offer(decision)
        took.append(clock() - started)
    return statistics.median(took) / 1000


@contextmanager
def server_of(database: str) -> Iterator[EmptyDatabase]:
    """Give what gives the URLs of empty databases; the server, if any, ends with the block."""
    if database == "sqlite":
        yield _sqlite_file
        return
    sys.path.insert(0, str(SUPPORT))
    import database_servers

    start = {"mariadb": database_servers.mariadb, "postgresql": database_servers.postgresql}
    with start[database](durable=True) as server:

        @contextmanager
        def empty() -> Iterator[str]:
            with server.database() as name:
                yield server.url(name)

        yield empty


@contextmanager
def _sqlite_file() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        yield f"sqlite:///{Path(folder) / 'ledger.db'}"


def rounds(
    measure: Measure, empty: EmptyDatabase, candidates: int, number: int
) -> tuple[list[float], float]:
    """Return each round's figure, each in an empty ledger, and the median CPU microseconds."""
    found = []
    for _ in range(number):
        decisions = made(candidates)
        with empty() as url, Ledger.open(url) as ledger:
            found.append(measure(ledger, decisions))
    return [figure for figure, _ in found], statistics.median(spent for _, spent in found)


def measured(database: str, number: int) -> list[Figure]:
    """Measure everything on one kind of database."""
    figures = []
    with server_of(database) as empty:
        for candidates, batch in LOADS:
            found, spent = rounds(partial(written, batch=batch), empty, candidates, number)
            what = f"through the writer, {candidates} candidates, batches of {batch:,}"
            median, worst = statistics.median(found), min(found)
            bar = BAR_PER_SECOND.get(database)
            figures.append(Figure(database, what, "decisions/s", median, worst, bar, spent))
        for what, measure in (
            ("offer while it is written", offered),
            ("offer on a full queue", refused),
        ):
            found, _ = rounds(measure, empty, 3, number)
            median, worst = statistics.median(found), max(found)
            figures.append(Figure(database, what, "us", median, worst, BAR_MICROSECONDS))
    return figures


def table_of(figures: list[Figure], number: int) -> Table:
    """Return the figures for people."""
    table = Table(title=f"{DECISIONS:,} decisions a round, {number} rounds")
    for heading in ("database", "what", "unit", "median", "worst", "bar", "CPU us"):
        justify = "left" if heading in {"database", "what", "unit"} else "right"
        table.add_column(heading, justify=justify)
    for each in figures:
        numbers = (each.median, each.worst, each.bar, each.cpu_microseconds)
        cells = ("" if number is None else f"{number:,.1f}" for number in numbers)
        table.add_row(each.database, each.what, each.unit, *cells)
    return table


def main() -> None:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--databases", default=",".join(DATABASES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", help="where the files lie (default: the system's for such)")
    parser.add_argument("--output", choices=("table", "json"), default="table")
    asked = parser.parse_args()
    tempfile.tempdir = asked.folder
    chosen = asked.databases.split(",")
    if not set(chosen) <= set(DATABASES):
        parser.error(f"databases are {', '.join(DATABASES)}")
    figures = [figure for database in chosen for figure in measured(database, asked.rounds)]
    if asked.output == "json":
        print(json.dumps([vars(figure) for figure in figures], indent=2))
        return
    Console(width=140).print(table_of(figures, asked.rounds))


if __name__ == "__main__":
    main()
