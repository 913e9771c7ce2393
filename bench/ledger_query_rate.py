"""How long the ledger's questions take where it holds ten million decisions.

    .venv/bin/python bench/ledger_query_rate.py [--rows N] [--asked N] [--keep FOLDER]
                                                [--output table|json|markdown]

Starts a PostgreSQL of its own (`filled_postgresql`), fills it with 30 days of decisions of 50
namespaces, 2,000 workloads and 1,000 nodes (some 1.5 GB a million rows, indices included), and asks
every question `--asked` times, each time with other parameters. A *page* is 100 records; *deep* is
one from a random moment on, as the cursor of a page there would ask for it; *rare* means that few
rows match. *Savings* are sums by group: a *day* and a *month* (30 days) that begin at midnight UTC
come from the sums by day, the *last 24 hours* before a random moment from those by hour. Times are
those of the caller in milliseconds, making records of the rows included: median, 95th percentile,
worst. The project's bar: 200 ms (95th percentile).

With `--keep` the data stay in a folder and are taken up again.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from math import isclose
from pathlib import Path

from filled_postgresql import (
    DAYS,
    END,
    NAMESPACES,
    NODES,
    START,
    WORKLOADS_EACH,
    facts,
    fill,
    joules_of_rows,
    server,
)
from rich.console import Console
from rich.table import Table

from ledger.filters import DecisionFilter
from ledger.rollup import DAY_SECONDS
from ledger.store import Ledger

BAR_MILLISECONDS = 200.0
PAGE = 100
SEED = 1
Question = Callable[[Ledger, random.Random], object]


@dataclass(frozen=True)
class Figure:
    """One row of the table, in milliseconds."""

    question: str
    median_milliseconds: float
    p95_milliseconds: float
    worst_milliseconds: float


def namespace(rng: random.Random) -> str:
    """Some namespace, the frequent ones more often."""
    return f"team-{int(NAMESPACES * rng.random() ** 3)}"


def node(rng: random.Random) -> str:
    """Some node, the frequent ones more often."""
    return f"worker-{int(NODES * rng.random() ** 1.5):04}"


def both(rng: random.Random) -> dict[str, str]:
    """Some workload with its namespace."""
    team, number = namespace(rng), int(WORKLOADS_EACH * rng.random() ** 2)
    name = f"web-{number}" if number < 4 else f"app-{team.removeprefix('team-')}-{number}"  # noqa: PLR2004 - names of all namespaces
    return {"namespace": team, "workload": f"Deployment/{name}"}


def day(rng: random.Random) -> dict[str, float]:
    """Some whole day."""
    since = START + DAY_SECONDS * rng.randrange(DAYS)
    return {"since_seconds": float(since), "until_seconds": float(since + DAY_SECONDS)}


FILTERS: dict[str, Callable[[random.Random], dict[str, object]]] = {
    "all": lambda _: {},
    "a day": day,
    "namespace": lambda rng: {"namespace": namespace(rng)},
    "namespace, a day": lambda rng: {"namespace": namespace(rng), **day(rng)},
    "workload": both,
    "workload of any namespace": lambda rng: {"workload": f"web-{rng.randrange(4)}"},
    "node": lambda rng: {"node": node(rng)},
    "namespace and node": lambda rng: {"namespace": namespace(rng), "node": node(rng)},
    "reason": lambda rng: {"reason_kind": rng.choice(["preferred", "dearer", "cheaper"])},
    "reason, rare": lambda _: {"reason_kind": "no-preference"},
    "namespace and reason": lambda rng: {"namespace": namespace(rng), "reason_kind": "dearer"},
    "namespace and reason, rare": lambda rng: {
        "namespace": namespace(rng),
        "reason_kind": "no-preference",
    },
    "rule": lambda _: {"rule": "negawatt"},
    "rule, rare": lambda _: {"rule": "fill-cost"},
    "node that there is none": lambda rng: {"node": f"gone-{rng.randrange(1000)}"},
    "rule that there is none": lambda rng: {"rule": f"gone-{rng.randrange(1000)}"},
}


def first_page(make: Callable[[random.Random], dict[str, object]]) -> Question:
    """Ask for the newest decisions that a filter keeps."""
    return lambda ledger, rng: ledger.decisions(DecisionFilter(**make(rng)), limit=PAGE)


def deep_page(make: Callable[[random.Random], dict[str, object]]) -> Question:
    """Ask for those before a random moment."""

    def ask(ledger: Ledger, rng: random.Random) -> object:
        cursor = f"{rng.uniform(START, END).hex()}_{2**62}"
        return ledger.decisions(DecisionFilter(**make(rng)), limit=PAGE, cursor=cursor)

    return ask


def latest(ledger: Ledger, rng: random.Random) -> object:
    """Ask for one pod of a page's."""
    page = ledger.decisions(limit=1, cursor=f"{rng.uniform(START, END).hex()}_{2**62}")
    return ledger.latest(page.decisions[0].namespace, page.decisions[0].pod)


def savings(group: str, seconds: int, *, midnight: bool) -> Question:
    """Ask for sums over a time, from midnight or up to a random moment."""

    def ask(ledger: Ledger, rng: random.Random) -> object:
        if midnight:
            since = START + DAY_SECONDS * rng.randrange(DAYS - seconds // DAY_SECONDS + 1)
        else:
            since = rng.uniform(START, END - seconds)
        return ledger.savings(group, since_seconds=since, now_seconds=float(since + seconds))

    return ask


def questions() -> dict[str, Question]:
    """All that is asked."""
    asked: dict[str, Question] = {}
    for name, make in FILTERS.items():
        asked[f"page, {name}"] = first_page(make)
        if "day" not in name and "none" not in name:
            asked[f"deep page, {name}"] = deep_page(make)
    asked["latest of a pod (and a page of 1)"] = latest
    for group in ("namespace", "workload"):
        month = DAYS * DAY_SECONDS
        asked[f"savings by {group}, a day"] = savings(group, DAY_SECONDS, midnight=True)
        asked[f"savings by {group}, last 24 hours"] = savings(group, DAY_SECONDS, midnight=False)
        asked[f"savings by {group}, a month"] = savings(group, month, midnight=True)
    return asked


def measured(ledger: Ledger, asked: int) -> list[Figure]:
    """Ask every question, in turns, so that what disturbs one time disturbs all."""
    rng, all_questions = random.Random(SEED), questions()  # noqa: S311 - varies parameters
    took: dict[str, list[float]] = {name: [] for name in all_questions}
    for _ in range(asked):
        for name, ask in all_questions.items():
            started = time.perf_counter()
            ask(ledger, rng)
            took[name].append(1000 * (time.perf_counter() - started))
    return [
        Figure(name, statistics.median(each), _p95(each), max(each)) for name, each in took.items()
    ]


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


def require_same_sums(ledger: Ledger, expected: float) -> None:
    """End where sums and rows disagree: the figures would be of something else."""
    found = sum(
        row.forgone_joules for row in ledger.savings("workload", since_seconds=0, now_seconds=END)
    )
    if not isclose(found, expected, rel_tol=1e-9):
        raise SystemExit(f"savings say {found} J, the rows {expected} J")


def show(figures: list[Figure], about: dict[str, object], output: str) -> None:
    """Print."""
    if output == "json":
        print(
            json.dumps({"ledger": about, "figures": [asdict(each) for each in figures]}, indent=2)
        )
        return
    head = ("question", "median, ms", "95 %, ms", "worst, ms", "bar")
    rows = [
        (
            each.question,
            f"{each.median_milliseconds:.1f}",
            f"{each.p95_milliseconds:.1f}",
            f"{each.worst_milliseconds:.1f}",
            "kept" if each.p95_milliseconds <= BAR_MILLISECONDS else "MISSED",
        )
        for each in figures
    ]
    if output == "markdown":
        for row in (head, ("---", "---:", "---:", "---:", "---"), *rows):
            print(f"| {' | '.join(row)} |")
        print("\n" + ", ".join(f"{name} {value}" for name, value in about.items()))
        return
    table = Table(*head, caption=", ".join(f"{name} {value}" for name, value in about.items()))
    for row in rows:
        table.add_row(*row)
    Console(width=120).print(table)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        yield keep.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="negawatt-", dir="/var/tmp") as made:
        yield Path(made)


def main() -> None:
    """Fill, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--asked", type=int, default=40, help="times that each question is asked")
    parser.add_argument("--keep", type=Path, help="folder whose data stay")
    parser.add_argument("--output", choices=("table", "json", "markdown"), default="table")
    chosen = parser.parse_args()
    with _folder(chosen.keep) as folder, server(folder) as url:
        engine = fill(url, chosen.rows)
        about = facts(engine)
        with Ledger.open(url) as ledger:
            require_same_sums(ledger, joules_of_rows(engine))
            figures = measured(ledger, chosen.asked)
        engine.dispose()
    show(figures, about, chosen.output)


if __name__ == "__main__":
    main()
