"""Decisions per second on one core: our rules beside kube-scheduler's scores.

    .venv/bin/python bench/placement_rate.py [--json]

Each policy fills a fleet of real servers to 60 % of its scarcer resource through the simulator's
loop. Timed is the policy's choice alone, and in brackets the whole loop (choice, assignment,
record). The bar of the project is for `fill-cost`: 20,000 decisions a second at 100 nodes, 2,000
at 5,000 nodes. Ratios are to `default`, measured in the same run; as kube-scheduler comes, it looks
at only 500 of 5,000 nodes, `default, all nodes` looks at every one as our rules do.
"""

from __future__ import annotations

import json
import statistics
import sys
import time

import numpy as np
from rich.console import Console
from rich.table import Table

from cluster.scheduling.profile import SchedulerProfile
from energy.catalogue import Catalogue
from simulator.choosers import SchedulerChooser
from simulator.engine import run
from simulator.fleet import FLEETS, Fleet, fleet_of_servers
from simulator.pod_file import pod_of
from simulator.policies import POLICIES, Policy
from simulator.policy import Setting
from simulator.stream import PodStream, burst

SIZES = (100, 5000)
ALL_NODES = "default, all nodes"
FILL_RATIO = 0.6
PODS = {100: 4000, 5000: 10000}
ROUNDS = 3
BARS = {100: 20_000, 5000: 2_000}


def fleet_of(nodes: int) -> Fleet:
    """The mixed fleet, as many nodes of each kind as its shares give."""
    shares = FLEETS["mixed"]
    total = sum(shares.values())
    counts = {slug: round(nodes * count / total) for slug, count in shares.items()}
    first = next(iter(counts))
    counts[first] += nodes - sum(counts.values())
    return fleet_of_servers(f"{nodes} nodes", counts, Catalogue.shipped())


def pods_for(fleet: Fleet, count: int) -> PodStream:
    """A burst of mixed shapes that fills the fleet to the stated ratio."""
    rng = np.random.default_rng(1)
    cpu = rng.choice([1, 2, 4, 8], size=count, p=[0.4, 0.3, 0.2, 0.1]).astype(float)
    memory = cpu * rng.choice([1.0, 2.0, 4.0], size=count)
    scale = FILL_RATIO / max(
        cpu.sum() / fleet.cpu_cores.sum(), memory.sum() * 2**30 / fleet.memory_bytes.sum()
    )
    return burst(
        [
            pod_of(f"p{number}", max(1, int(1000 * c * scale)), max(1, int(1024 * m * scale)))
            for number, (c, m) in enumerate(zip(cpu, memory, strict=True))
        ]
    )


def contenders() -> dict[str, Policy]:
    """Every policy, and kube-scheduler made to look at all nodes."""
    thorough = SchedulerProfile.default(percentage_of_nodes_to_score=100)
    every = Policy(name=ALL_NODES, build=lambda _fleet, _setting, _seed: SchedulerChooser(thorough))
    placing = {name: policy for name, policy in POLICIES.items() if policy.mover is None}
    return {**placing, ALL_NODES: every}


def rates(nodes: int) -> dict[str, tuple[float, float]]:
    """The median rates of each policy over interleaved rounds: its choice, and the whole loop."""
    fleet = fleet_of(nodes)
    tiered = fleet.with_tiers().nodes
    stream = pods_for(fleet, PODS[nodes])
    setting = Setting(usage_ratio=0.6, nodes_may_sleep=True)
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders()}
    for _ in range(ROUNDS):
        for name, policy in contenders().items():
            chooser = policy.build(fleet, setting, 1)
            started = time.perf_counter()
            record = run(tiered, stream, chooser, end_seconds=0.0, clock=time.perf_counter)
            whole = record.decisions / (time.perf_counter() - started)
            measured[name].append((record.decisions_per_second, whole))
    return {
        name: (statistics.median(v[0] for v in values), statistics.median(v[1] for v in values))
        for name, values in measured.items()
    }


def main() -> None:
    """Print the table, or JSON."""
    result = {nodes: rates(nodes) for nodes in SIZES}
    if "--json" in sys.argv:
        document = {
            str(nodes): {
                name: {"choice": choice, "loop": loop} for name, (choice, loop) in table.items()
            }
            for nodes, table in result.items()
        }
        print(json.dumps({"decisions_per_second": document, "bars_fill_cost": BARS}, indent=2))
        return
    table = Table(title="decisions per second, one core: choice (loop), choice to default")
    for heading in ("policy", *(f"{nodes} nodes" for nodes in SIZES)):
        table.add_column(heading, justify="left" if heading == "policy" else "right")
    for name in contenders():
        cells = [
            f"{result[nodes][name][0]:,.0f} ({result[nodes][name][1]:,.0f}) "
            f"{result[nodes][name][0] / result[nodes]['default'][0]:.2f}×"
            for nodes in SIZES
        ]
        table.add_row(name, *cells)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
