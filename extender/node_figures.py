"""What is known of every node now: load and watts, each with its source."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cluster.scheduling.table import NodeTable
from extender.figures import NodeFigures
from extender.fleet import PoweredFleet
from extender.loads import Loads


def node_figures(
    table: NodeTable,
    fleet: PoweredFleet,
    loads: Loads,
    busy: NDArray[np.int64],
    *,
    nodes_may_sleep: bool,
    now_seconds: float,
) -> dict[str, NodeFigures]:
    """Load and predicted watts by node; an empty node that may sleep is predicted to do so."""
    ratios = loads.ratios(table)
    watts = fleet.power.watts_of(fleet.power.rows, ratios)
    if nodes_may_sleep:
        watts = np.where(busy == 0, fleet.power.sleep_watts, watts)
    found = {}
    for row, (node, profile) in enumerate(zip(table.nodes, fleet.profiles, strict=True)):
        source, age_seconds = loads.source_of(node.name, now_seconds)
        found[node.name] = NodeFigures(
            profile_source=str(profile.source),
            load_source=source,
            load_age_seconds=age_seconds,
            utilisation_ratio=float(ratios[row]),
            predicted_watts=float(watts[row]),
        )
    return found
