"""Pods for trials of any size, of the shapes that travel with the simulator."""

from __future__ import annotations

import numpy as np

from cluster.model import Pod
from simulator.churn import ShapeTable
from simulator.fleet import Fleet
from simulator.standard import CPU_LOAD_RATIO


def shipped_pods(
    fleet: Fleet, count: int, seed: int, load_ratio: float = CPU_LOAD_RATIO
) -> tuple[Pod, ...]:
    """So many of openb's pods, scaled to request that part of the fleet's cores, in drawn order."""
    table = ShapeTable.shipped()
    shapes, _ = table.draw(count, np.random.default_rng(seed))
    requested_cores = float(table.cpu_millicores[shapes].sum()) / 1000
    scale = load_ratio * float(fleet.cpu_cores.sum()) / requested_cores
    return tuple(table.pods("pod", shapes, scale))
