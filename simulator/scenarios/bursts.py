"""A batch of pods that arrive at once, as one visible queue, and stay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from simulator.churn import PODS_AT_FORTY_PERCENT, ShapeTable
from simulator.fleet import Fleet
from simulator.stream import PodStream, burst


def batch(
    table: ShapeTable, fleet: Fleet, pods: int, arrival_seconds: float, rng: np.random.Generator
) -> PodStream:
    """``pods`` pods of openb's shapes; 600 of them request 40 % of the fleet's scarcer resource."""
    shape_of_pod = rng.choice(len(table.weights), size=pods, p=table.weights)
    load_ratio = 0.4 * pods / PODS_AT_FORTY_PERCENT
    scale = load_ratio / table.load_ratio(shape_of_pod, np.ones(pods), fleet)
    stream = burst(table.pods("batch", shape_of_pod, scale, owner="batch"))
    return replace(stream, arrival_seconds=np.full(pods, arrival_seconds))
