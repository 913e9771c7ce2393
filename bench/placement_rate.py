"""Decisions per second of whole placement runs, one core: our rules beside kube-scheduler's scores.

    .venv/bin/python bench/placement_rate.py [--json]

Each policy fills a fleet of real servers to 60 % of its scarcer resource through the simulator's
loop; what is timed is the policy alone. The bar of the project is for `fill-cost`: 20,000
decisions a second at 100 nodes, 2,000 at 5,000 nodes. The ratio is to `default`, measured in the
same run. (`bench/scheduling_rate.py` times single scores.)
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
from rich.console import Console
from rich.table import Table

from energy.catalogue import Catalogue
from simulator.engine import run
from simulator.fleet import FLEETS, Fleet, fleet_of_servers
from simulator.pod_file import pod_of
from simulator.policies import POLICIES, Setting
from simulator.stream import PodStream, burst

SIZES = (100, 5000)
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


def rates(nodes: int) -> dict[str, float]:
    """The median rate of each policy over interleaved rounds."""
    fleet = fleet_of(nodes)
    tiered = fleet.with_tiers().nodes
    stream = pods_for(fleet, PODS[nodes])
    setting = Setting(usage_ratio=0.6, nodes_may_sleep=True)
    measured: dict[str, list[float]] = {name: [] for name in POLICIES}
    for _ in range(ROUNDS):
        for name, policy in POLICIES.items():
            record = run(
                tiered,
                stream,
                policy.build(fleet, setting, 1),
                end_seconds=0.0,
                clock=time.perf_counter,
            )
            measured[name].append(record.decisions_per_second)
    return {name: float(np.median(values)) for name, values in measured.items()}


def main() -> None:
    """Print the table, or JSON."""
    result = {nodes: rates(nodes) for nodes in SIZES}
    if "--json" in sys.argv:
        print(json.dumps({"decisions_per_second": result, "bars_fill_cost": BARS}, indent=2))
        return
    table = Table(title="decisions per second, one core")
    for heading in ("policy", *(f"{nodes} nodes" for nodes in SIZES)):
        table.add_column(heading, justify="left" if heading == "policy" else "right")
    for name in POLICIES:
        cells = [
            f"{result[nodes][name]:,.0f} ({result[nodes][name] / result[nodes]['default']:.2f}×)"
            for nodes in SIZES
        ]
        table.add_row(name, *cells)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
