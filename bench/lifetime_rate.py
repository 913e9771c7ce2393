"""How long lifetimes take on one core: a fit, a look-up, and a decision among 100 nodes.

    .venv/bin/python bench/lifetime_rate.py [--json]

100 nodes of 15 pods, 200 owners with 25 pods each in the past, log-normal lifetimes. A *decision*
chooses among all 100 nodes as equals, the most there can be. Between decisions, 40 seconds apart, a
pod departs, another is placed, and stale nodes are asked about again (*refresh*, in the mean; what
a decision would take longer if it were left to it). All others are medians.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
from rich.console import Console
from rich.table import Table

from cluster.model import Node, Owner, Pod, Resources
from cluster.scheduling.table import NodeTable
from pricing.lifetime_packing import DepartureTable, choose_by_lifetime
from pricing.lifetime_survival import Stays
from pricing.lifetimes import OwnerLifetimes, owner_key

NODES, PODS_A_NODE, OWNERS, PAST, TURNS = 100, 15, 200, 5000, 3000
BAR_SECONDS = 50e-6
GIBIBYTE = 2**30


def pods_of(count: int) -> list[Pod]:
    """Pods of one core and gibibyte, owner after owner."""
    size = Resources(cpu_millicores=1000, memory_bytes=GIBIBYTE)
    return [
        Pod(
            namespace="bench",
            name=f"p{number}",
            requests=size,
            owner=Owner(kind="Job", name=f"o{number % OWNERS}"),
        )
        for number in range(count)
    ]


def fitted(rng: np.random.Generator) -> OwnerLifetimes:
    """A model of drawn lifetimes."""
    stays = Stays(np.zeros(PAST), rng.lognormal(8.0, 2.0, PAST), np.ones(PAST, dtype=np.bool_))
    return OwnerLifetimes.fit(stays, [owner_key(pod) for pod in pods_of(PAST)])


def seconds(call: Callable[[], object], times: int) -> float:
    """Median seconds of a call."""
    took = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        took.append(time.perf_counter() - started)
    return statistics.median(took)


def filled(model: OwnerLifetimes, pods: list[Pod]) -> tuple[NodeTable, DepartureTable]:
    """The nodes with their pods, one after the other."""
    size = Resources(cpu_millicores=64_000, memory_bytes=256 * GIBIBYTE)
    table = NodeTable.of([Node(name=f"n{n}", allocatable=size) for n in range(NODES)])
    departures = DepartureTable(NODES, model)
    for number, pod in enumerate(pods):
        table.assign(pod, number % NODES)
        departures.placed(pod, number % NODES, float(number))
    return table, departures


def measured() -> dict[str, float]:
    """Median seconds by what was measured."""
    rng = np.random.default_rng(1)
    model, pods = fitted(rng), pods_of(NODES * PODS_A_NODE)
    table, departures = filled(model, pods)
    everywhere, now = np.arange(NODES), float(len(pods))
    decisions, notes, refreshes = [], [], []
    for turn in range(TURNS):
        now += 40.0
        place = turn % len(pods)
        started = time.perf_counter()
        departures.left(pods[place], place % NODES)
        left = time.perf_counter()
        departures.refresh(everywhere, now)
        refreshed = time.perf_counter()
        choose_by_lifetime(table, departures, pods[place], everywhere, now)
        chosen = time.perf_counter()
        departures.placed(pods[place], place % NODES, now)
        notes.append(left - started + time.perf_counter() - chosen)
        refreshes.append(refreshed - left)
        decisions.append(chosen - refreshed)
    return {
        "fit_seconds": seconds(lambda: fitted(np.random.default_rng(1)), 5),
        "lookup_seconds": seconds(lambda: model.remaining_seconds(pods[7], 5000.0), 20_000),
        "decision_seconds": statistics.median(decisions),
        "note_seconds": statistics.median(notes),
        "refresh_seconds_mean": statistics.mean(refreshes),
        "decision_bar_seconds": BAR_SECONDS,
    }


def main() -> None:
    """Print the table, or JSON."""
    found = measured()
    if "--json" in sys.argv:
        print(json.dumps(found, indent=2))
        return
    table = Table(title="microseconds, one core")
    table.add_column("what")
    table.add_column("time", justify="right")
    for name, value in found.items():
        table.add_row(name.replace("_seconds", "").replace("_", " "), f"{1e6 * value:,.1f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
