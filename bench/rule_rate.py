"""Microseconds of one placement decision by each rule, at 100 and 5,000 nodes, on one core.

    .venv/bin/python bench/rule_rate.py [--json]

A decision is what stands in the way of a pod: which nodes can take it, what it costs on each, and
the choice among equals. Prices and expected lifetimes are found beforehand, as they are in service.
The fleet is the mixed one, half full. The bar of the project is 50 microseconds at 100 nodes for
every rule; beside each figure stands its ratio to `fill-cost`, measured in the same run.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
from placement_rate import fleet_of, pods_for
from rich.console import Console
from rich.table import Table

from cluster.model import Pod
from cluster.scheduling.feasibility import feasible
from cluster.scheduling.table import NodeTable
from pricing.envelope import Envelope
from pricing.lifetime_history import LifetimeHistory
from pricing.lifetime_packing import DepartureTable, choose_by_lifetime
from pricing.queue_pricing import QueueOptions, QueuePricing
from pricing.rules import (
    EfficiencyOrder,
    FillCost,
    FleetPower,
    Marginal,
    MarginalIdle,
    Rule,
    packed_choice,
)
from simulator.policy import Setting, fleet_power

SIZES = (100, 5000)
BAR_MICROSECONDS = 50.0
DECISIONS = {100: 2000, 5000: 300}
ROUNDS = 5

Decide = Callable[[Pod], int]


def half_full(nodes: int) -> tuple[NodeTable, FleetPower, list[Pod]]:
    """A table in which every other pod of a burst runs, and the pods that are left."""
    fleet = fleet_of(nodes)
    power = fleet_power(fleet, Setting(usage_ratio=0.6, nodes_may_sleep=True))
    table = NodeTable.of(fleet.nodes)
    rule, pods = FillCost(power), pods_for(fleet, 40 * nodes).pods
    for pod in pods[::2]:
        node = packed_choice(table, pod, feasible(table, pod), rule.costs(table, pod))
        table.assign(pod, node)
    return table, power, list(pods[1::2])


def deciders(table: NodeTable, power: FleetPower, pods: list[Pod]) -> dict[str, Decide]:
    """A decision of each rule, as a function of the pod."""
    prices = np.linspace(0.1, 0.8, len(power.classes.classes))
    queue = pods[:600]
    rules: dict[str, Rule] = {
        "fill-cost": FillCost(power),
        "efficiency-order": EfficiencyOrder(power),
        "marginal": Marginal(power),
        "marginal-idle": MarginalIdle(power),
        "envelope": Envelope(power),
        "envelope, memory priced": Envelope(power, prices),
        "bid-price": QueuePricing(power, table, queue, 0.0, QueueOptions(booked=False)).rule,
        "booking-limit": QueuePricing(power, table, queue, 0.0).rule,
    }
    found = {name: _decider(table, rule) for name, rule in rules.items()}
    envelope, departures = rules["envelope"], DepartureTable(len(table), LifetimeHistory().model(0))

    def by_lifetime(pod: Pod) -> int:
        costs = np.where(feasible(table, pod), envelope.costs(table, pod), np.inf)
        equals = np.flatnonzero(costs == costs.min())
        return choose_by_lifetime(table, departures, pod, equals, 0.0).node

    found["envelope, ties by lifetime"] = by_lifetime
    return found


def _decider(table: NodeTable, rule: Rule) -> Decide:
    return lambda pod: packed_choice(table, pod, feasible(table, pod), rule.costs(table, pod))


def microseconds(nodes: int) -> dict[str, float]:
    """The median over interleaved rounds of the mean time of a decision."""
    table, power, pods = half_full(nodes)
    subjects = [pods[number % min(600, len(pods))] for number in range(DECISIONS[nodes])]
    every = deciders(table, power, pods)
    measured: dict[str, list[float]] = {name: [] for name in every}
    for _ in range(ROUNDS):
        for name, decide in every.items():
            started = time.perf_counter()
            for pod in subjects:
                decide(pod)
            measured[name].append((time.perf_counter() - started) / len(subjects) * 1e6)
    return {name: statistics.median(values) for name, values in measured.items()}


def main() -> None:
    """Print the table, or JSON."""
    result = {nodes: microseconds(nodes) for nodes in SIZES}
    if "--json" in sys.argv:
        document = {str(nodes): values for nodes, values in result.items()}
        print(
            json.dumps({"microseconds": document, "bar_at_100_nodes": BAR_MICROSECONDS}, indent=2)
        )
        return
    table = Table(title="microseconds of a decision, one core (ratio to fill-cost)")
    for heading in ("rule", *(f"{nodes} nodes" for nodes in SIZES)):
        table.add_column(heading, justify="left" if heading == "rule" else "right")
    for name in result[SIZES[0]]:
        cells = [
            f"{values[name]:.1f} ({values[name] / values['fill-cost']:.2f})"
            for values in result.values()
        ]
        table.add_row(name, *cells)
    console = Console()
    console.print(table)
    console.print(f"bar: {BAR_MICROSECONDS:g} microseconds at 100 nodes")


if __name__ == "__main__":
    main()
