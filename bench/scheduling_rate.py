"""Decisions per second of cluster.scheduling on one core: filter, score, choose and assign.

    .venv/bin/python bench/scheduling_rate.py [--output table|json]

Every rule fills a fleet of mixed sizes to half of its CPU, again and again, in interleaved rounds;
printed is the median over rounds, beside the ratio to `default` of the same run. All nodes are
scored (percentageOfNodesToScore 100), but for `default, sampled`, which does as kube-scheduler
does by itself. `argmin` is the least that any scorer must do: feasibility, then the cheapest of a
column of costs per node. `default, constrained` places pods with node affinity, anti-affinity,
spreading and a toleration. The bar is for our scorers: 20,000 a second at 100 nodes, 2,000 at
5,000 nodes.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from statistics import median

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from cluster.constraints import (
    Affinity,
    NodeAffinity,
    NodeSelectorTerm,
    PodAffinity,
    PodAffinityTerm,
    PreferredNodeTerm,
    Taint,
    Toleration,
    TopologySpreadConstraint,
    WeightedPodAffinityTerm,
    WhenUnsatisfiable,
)
from cluster.model import Node, Pod, Resources
from cluster.scheduling.feasibility import feasible
from cluster.scheduling.profile import ENERGY_TIER_LABEL, SchedulerProfile
from cluster.scheduling.scheduler import schedule_one
from cluster.scheduling.table import NodeTable
from cluster.scheduling.tie import TieState
from cluster.selectors import LabelSelector, Operator, Requirement

SIZES = (100, 5000)
BARS = {100: 20_000, 5000: 2_000}
DECISIONS = {100: 4000, 5000: 2000}
ROUNDS = 5
FILL_RATIO = 0.5

Choose = Callable[[Pod], int | None]


def nodes_of(count: int, *, tainted: bool) -> list[Node]:
    """Give nodes of three generations in five zones."""
    rng = np.random.default_rng(3)
    sizes = [(16, 24), (56, 192), (128, 256)]
    return [
        Node(
            name=f"node-{i}",
            allocatable=Resources(cpu_millicores=1000 * cores, memory_bytes=gibibytes * 2**30),
            labels={
                "kubernetes.io/hostname": f"node-{i}",
                "topology.kubernetes.io/zone": f"zone-{i % 5}",
                ENERGY_TIER_LABEL: str(generation),
            },
            taints=(Taint("dedicated", "batch"),) if tainted and i % 10 == 0 else (),
        )
        for i, generation in enumerate(rng.integers(0, 3, count))
        for cores, gibibytes in [sizes[generation]]
    ]


def pods_of(nodes: list[Node], count: int, **fields: object) -> list[Pod]:
    """Give pods of mixed shapes that fill the nodes' CPU to the stated ratio."""
    rng = np.random.default_rng(1)
    cores = rng.choice([1, 2, 4, 8], size=count, p=[0.4, 0.3, 0.2, 0.1])
    total = sum(node.allocatable.cpu_millicores for node in nodes)
    scale = FILL_RATIO * total / cores.sum()
    return [
        Pod(
            namespace="default",
            name=f"pod-{i}",
            requests=Resources(
                cpu_millicores=max(10, int(scale * size)),
                memory_bytes=max(2**24, int(scale * size * 2**20)),
            ),
            labels={"app": f"app-{i % 20}"},
            **{name: of(i) if callable(of) else of for name, of in fields.items()},  # type: ignore[arg-type]  # each is a field of Pod
        )
        for i, size in enumerate(cores)
    ]


def constraints() -> dict[str, object]:
    """Give what a demanding pod asks for; its own app is what it avoids and spreads."""

    def own(i: int) -> LabelSelector:
        return LabelSelector.of({"app": f"app-{i % 20}"})

    def affinity(i: int) -> Affinity:
        zones = Requirement("topology.kubernetes.io/zone", Operator.NOT_IN, ("zone-4",))
        tiers = Requirement(ENERGY_TIER_LABEL, Operator.IN, ("0",))
        avoided = PodAffinityTerm(topology_key="kubernetes.io/hostname", label_selector=own(i))
        return Affinity(
            node=NodeAffinity(
                required=(NodeSelectorTerm(match_expressions=(zones,)),),
                preferred=(
                    PreferredNodeTerm(weight=50, term=NodeSelectorTerm(match_expressions=(tiers,))),
                ),
            ),
            pod_anti=PodAffinity(preferred=(WeightedPodAffinityTerm(weight=100, term=avoided),)),
        )

    def spread(i: int) -> tuple[TopologySpreadConstraint, ...]:
        zone = "topology.kubernetes.io/zone"
        soft = WhenUnsatisfiable.SCHEDULE_ANYWAY
        return (
            TopologySpreadConstraint(topology_key=zone, max_skew=50, label_selector=own(i)),
            TopologySpreadConstraint(
                topology_key="kubernetes.io/hostname",
                label_selector=own(i),
                when_unsatisfiable=soft,
            ),
        )

    toleration = (Toleration("dedicated", value="batch"),)
    return {"affinity": affinity, "topology_spread": spread, "tolerations": toleration}


def by_profile(table: NodeTable, profile: SchedulerProfile) -> Choose:
    """Choose as kube-scheduler does under a profile."""
    state = TieState()

    def choose(pod: Pod) -> int | None:
        placement = schedule_one(table, pod, profile, state)
        return placement.index if placement else None

    return choose


def by_argmin(table: NodeTable) -> Choose:
    """Choose the cheapest feasible node by a column of costs that a pod's CPU multiplies."""
    costs = np.random.default_rng(2).random(len(table))

    def choose(pod: Pod) -> int | None:
        cost = costs * pod.requests.cpu_millicores
        cost[~feasible(table, pod)] = np.inf
        row = int(cost.argmin())
        return row if cost[row] < np.inf else None

    return choose


def rate(table: NodeTable, choose: Choose, pods: list[Pod]) -> float:
    """Place all pods, and give the decisions per second; then take them away again."""
    placed = []
    begin = time.perf_counter()
    for pod in pods:
        row = choose(pod)
        if row is not None:
            table.assign(pod, row)
            placed.append((pod, row))
    seconds = time.perf_counter() - begin
    for pod, row in placed:
        table.release(pod, row)
    return len(pods) / seconds


def rates(count: int) -> dict[str, float]:
    """Give the median rate of each rule at `count` nodes."""
    plain, tainted = nodes_of(count, tainted=False), nodes_of(count, tainted=True)
    pods = pods_of(plain, DECISIONS[count])
    demanding = pods_of(tainted, DECISIONS[count], **constraints())
    profiles = {
        "default": SchedulerProfile.default(percentage_of_nodes_to_score=100),
        "default, sampled": SchedulerProfile.default(),
        "most-allocated": SchedulerProfile.most_allocated(percentage_of_nodes_to_score=100),
        "energy-tiers": SchedulerProfile.energy_tiers(percentage_of_nodes_to_score=100),
    }
    rules: dict[str, tuple[NodeTable, Choose, list[Pod]]] = {}
    for name, profile in profiles.items():
        table = NodeTable.of(plain)
        rules[name] = (table, by_profile(table, profile), pods)
    table = NodeTable.of(tainted)
    rules["default, constrained"] = (table, by_profile(table, profiles["default"]), demanding)
    table = NodeTable.of(plain)
    rules["argmin"] = (table, by_argmin(table), pods)
    measured: dict[str, list[float]] = {name: [] for name in rules}
    console = Console(stderr=True)
    for _ in track(range(ROUNDS), f"{count} nodes", console=console, transient=True):
        for name, rule in rules.items():
            measured[name].append(rate(*rule))
    return {name: median(values) for name, values in measured.items()}


def main() -> None:
    """Print the table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--output", choices=("table", "json"), default="table")
    options = parser.parse_args()
    result = {nodes: rates(nodes) for nodes in SIZES}
    if options.output == "json":
        print(json.dumps({"decisions_per_second": result, "bars": BARS}, indent=2))
        return
    shown = Table(title="decisions per second, one core (ratio to default)")
    for heading in ("rule", *(f"{nodes} nodes" for nodes in SIZES)):
        shown.add_column(heading, justify="left" if heading == "rule" else "right")
    for name in result[SIZES[0]]:
        ratios = {nodes: result[nodes][name] / result[nodes]["default"] for nodes in SIZES}
        shown.add_row(name, *(f"{result[n][name]:,.0f} ({ratios[n]:.2f}x)" for n in SIZES))
    Console(width=80).print(shown)


if __name__ == "__main__":
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    main()
