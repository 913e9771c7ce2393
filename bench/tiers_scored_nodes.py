"""What it costs in watts when kube-scheduler scores a part of the nodes only: tiers, simulated.

    .venv/bin/python bench/tiers_scored_nodes.py [--nodes 480] [--seed 11] [--output table|json]

Ten pods a node, 40 % of the CPU of the standard fleet's proportions, all at once, placed in process
by the profile that is written for tiers. Watts of the placement relative to scoring every node. 0
is kube-scheduler's own share (46 % of 480 nodes); it looks at nodes in turn, from where it stopped.
"by kind": each kind of server stands together in its list; "mixed": shuffled.
"""

from __future__ import annotations

import argparse
import json
import random

from rich.console import Console
from rich.progress import track
from rich.table import Table

from cluster.scheduling.tier_profile import tier_profile
from energy.catalogue import Catalogue
from extender.tiers.profile import efficient_fill_percent
from simulator.choosers import SchedulerChooser
from simulator.engine import run
from simulator.fleet import FLEETS, Fleet, fleet_of_servers
from simulator.policy import Setting
from simulator.sandbox.trial_grades import placement_watts
from simulator.sandbox.trial_pods import shipped_pods
from simulator.standard import COLUMNS
from simulator.stream import burst
from simulator.tier_labels import labelled

STANDARD = "20/30/10"
PERCENTS = (100, 0, 50, 40, 34, 20)
ORDERS = ("by kind", "mixed")


def fleet_of(nodes: int, order: str, seed: int) -> Fleet:
    """So many nodes in the proportions of the standard fleet."""
    whole = sum(FLEETS[STANDARD].values())
    counts = {slug: nodes * count // whole for slug, count in FLEETS[STANDARD].items()}
    fleet = fleet_of_servers(STANDARD, counts, Catalogue.shipped())
    rows = list(range(len(fleet.nodes)))
    if order == "mixed":
        random.Random(seed).shuffle(rows)  # noqa: S311 - simulation, not secrets
    nodes_in_order = tuple(fleet.nodes[row] for row in rows)
    return Fleet(STANDARD, nodes_in_order, tuple(fleet.profiles[row] for row in rows))


def watts(fleet: Fleet, setting: Setting, percent: int, seed: int) -> float:
    """Simulated watts of the placement."""
    pods = shipped_pods(fleet, 10 * len(fleet.nodes), seed)
    profile = tier_profile(
        fill_percent=efficient_fill_percent(setting.usage_ratio),
        percentage_of_nodes_to_score=percent,
    )
    nodes = labelled(fleet, setting).nodes
    record = run(nodes, burst(pods), SchedulerChooser(profile), end_seconds=0.0, clock=lambda: 0.0)
    return placement_watts(fleet, pods, record.node_of_pod, setting)


def main() -> None:
    """Place, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--nodes", type=int, default=480)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--output", choices=("table", "json"), default="table")
    options = parser.parse_args()
    cells = [(order, column) for order in ORDERS for column in COLUMNS]
    found = []
    for order, column in track(cells, "placing", console=Console(stderr=True), transient=True):
        fleet = fleet_of(options.nodes, order, options.seed)
        setting = Setting(usage_ratio=column.usage_ratio, nodes_may_sleep=column.nodes_may_sleep)
        drawn = [watts(fleet, setting, percent, options.seed) for percent in PERCENTS]
        ratios = {
            str(percent): one / drawn[0] for percent, one in zip(PERCENTS, drawn, strict=True)
        }
        found.append({"order": order, "column": column.name, "ratio_by_percent": ratios})
    if options.output == "json":
        print(json.dumps({"nodes": options.nodes, "seed": options.seed, "cells": found}))
        return
    title = f"watts against scoring all of {options.nodes} nodes; simulated"
    table = Table("nodes in the list", "column", *map(str, PERCENTS), title=title)
    for line in found:
        shown = [f"{ratio:.3f}" for ratio in line["ratio_by_percent"].values()]
        table.add_row(line["order"], line["column"], *shown)
    Console().print(table)


if __name__ == "__main__":
    main()
