"""How many decisions a second the ledger takes, and what offering one costs who decides.

    .venv/bin/python bench/ledger_rate.py [--json] [--folder DIR]

*Written* is `Ledger.write` in batches of 500 into a new SQLite file; *through the writer* is the
time from the first `offer` to the last commit, the offering thread included, on one queue that is
long enough for all. Both with 3 and with 16 candidates a decision. *Offer* is one call while the
writer's thread writes, in microseconds, timed one by one (the clock's own cost included), and on a
full queue, where each call is counted as dropped. Medians of five rounds, and in brackets the worst
round. The project's bars: 5,000 decisions a second, 5 microseconds an offer (median).
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ledger.decision import Candidate, PlacementDecision
from ledger.store import Ledger
from ledger.writer import LedgerWriter

DECISIONS = 20_000
BATCH = 500
ROUNDS = 5
CANDIDATES = (3, 16)
BAR_PER_SECOND = 5000
BAR_MICROSECONDS = 5.0
_NUMBERS = count()


@dataclass(frozen=True)
class Figure:
    """One row of the table."""

    what: str
    unit: str
    median: float
    worst: float
    bar: float


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


def written_per_second(ledger: Ledger, decisions: list[PlacementDecision]) -> float:
    """Return the rate of writing in batches."""
    started = time.perf_counter()
    for start in range(0, len(decisions), BATCH):
        ledger.write(decisions[start : start + BATCH])
    return len(decisions) / (time.perf_counter() - started)


def offered_per_second(ledger: Ledger, decisions: list[PlacementDecision]) -> float:
    """Return the rate from the first offer to the last commit."""
    started = time.perf_counter()
    with LedgerWriter(ledger, capacity=DECISIONS, batch=BATCH, flush_seconds=600) as writer:
        for decision in decisions:
            writer.offer(decision)
    seconds = time.perf_counter() - started
    if writer.written != len(decisions):
        raise SystemExit(f"{writer.dropped} were dropped: the rate would mean nothing")
    return len(decisions) / seconds


def offer_microseconds(ledger: Ledger, decisions: list[PlacementDecision]) -> float:
    """Return the median cost of an offer while the thread writes."""
    with LedgerWriter(ledger, capacity=DECISIONS, batch=BATCH, flush_seconds=600) as writer:
        return _median_microseconds(writer, decisions)


def full_queue_microseconds(ledger: Ledger, decisions: list[PlacementDecision]) -> float:
    """Return the median cost of an offer that finds no room."""
    with LedgerWriter(ledger, capacity=0) as writer:
        return _median_microseconds(writer, decisions)


def _median_microseconds(writer: LedgerWriter, decisions: list[PlacementDecision]) -> float:
    clock, took = time.perf_counter_ns, []
    for decision in decisions:
        started = clock()
        writer.offer(decision)
        took.append(clock() - started)
    return statistics.median(took) / 1000


def rounds(
    measure: Callable[[Ledger, list[PlacementDecision]], float], candidates: int, folder: str | None
) -> list[float]:
    """Return each round's figure, on a new file each."""
    figures = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(dir=folder) as made_folder:
            decisions = made(candidates)
            with Ledger.open(f"sqlite:///{Path(made_folder) / 'ledger.db'}") as ledger:
                figures.append(measure(ledger, decisions))
    return figures


def measured(folder: str | None) -> list[Figure]:
    """Measure everything."""
    figures = []
    for candidates in CANDIDATES:
        for name, measure in (
            ("written", written_per_second),
            ("through the writer", offered_per_second),
        ):
            found = rounds(measure, candidates, folder)
            what = f"{name}, {candidates} candidates each"
            median, worst = statistics.median(found), min(found)
            figures.append(Figure(what, "decisions/s", median, worst, BAR_PER_SECOND))
    for what, measure in (
        ("offer while it is written", offer_microseconds),
        ("offer on a full queue", full_queue_microseconds),
    ):
        found = rounds(measure, CANDIDATES[-1], folder)
        median, worst = statistics.median(found), max(found)
        figures.append(Figure(what, "us", median, worst, BAR_MICROSECONDS))
    return figures


def main() -> None:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--folder", help="where the files lie (default: the system's for such)")
    asked = parser.parse_args()
    figures = measured(asked.folder)
    if asked.json:
        print(json.dumps([vars(figure) for figure in figures], indent=2))
        return
    table = Table(title=f"{DECISIONS} decisions a round, median (worst) of {ROUNDS} rounds")
    for heading in ("what", "unit", "median", "worst", "bar"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for figure in figures:
        cells = (f"{each:,.1f}" for each in (figure.median, figure.worst, figure.bar))
        table.add_row(figure.what, figure.unit, *cells)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
