"""NodeResourcesFit's scores: LeastAllocated, MostAllocated, RequestedToCapacityRatio.

Source: k8s.io/kubernetes v1.36 framework/plugins/noderesources/{least_allocated,most_allocated,
requested_to_capacity_ratio,resource_allocation}.go. Requests count with 0.1 core and 200 MiB for
containers that state none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

import numpy as np

from cluster.model import Pod
from cluster.scheduling.profile import (
    MAX_NODE_SCORE,
    MAX_SHAPE_SCORE,
    ScoringStrategy,
    ScoringStrategyType,
    ShapePoint,
)
from cluster.scheduling.scores.normalise import Rows, picked
from cluster.scheduling.table import Int64s, NodeTable

_CPU_AND_MEMORY_ALIKE = (("cpu", 1), ("memory", 1))


def fit_score(table: NodeTable, pod: Pod, rows: Rows, strategy: ScoringStrategy) -> Int64s:
    """The weighted mean of the resources' scores, rounded down (ratio: to the nearest)."""
    if strategy.type is ScoringStrategyType.REQUESTED_TO_CAPACITY_RATIO:
        return _ratio_score(table, pod, rows, strategy)
    score_of = _least if strategy.type is ScoringStrategyType.LEAST_ALLOCATED else _most
    if table.every_node_sized and strategy.resources == _CPU_AND_MEMORY_ALIKE:
        return _two_resources(table, pod, rows, score_of)
    total: Int64s | int = 0
    weights: Int64s | int = 0
    for amounts in _amounts(table, pod, rows, strategy):
        score = score_of(amounts.requested, amounts.allocatable)
        score //= amounts.divisor
        weight = amounts.weight
        total = total + (score if weight == 1 else score * weight)
        weights = weights + (weight if amounts.everywhere else weight * (amounts.allocatable > 0))
    if isinstance(total, int):
        return np.zeros(len(table.pod_count[rows]), np.int64)
    total //= np.maximum(weights, 1)
    return total


def _two_resources(
    table: NodeTable, pod: Pod, rows: Rows, score_of: Callable[[Int64s, Int64s], Int64s]
) -> Int64s:
    """The common case in few steps."""
    allocatable = picked(table.allocatable, rows)
    wanted = ((pod.scored_cpu_millicores,), (pod.scored_memory_bytes,))
    scores = score_of(picked(table.nonzero_requested, rows) + np.array(wanted), allocatable)
    scores //= allocatable
    total: Int64s = scores[0] + scores[1]
    total >>= 1
    return total


def _least(requested: Int64s, allocatable: Int64s) -> Int64s:
    free: Int64s = allocatable - requested
    np.maximum(free, 0, out=free)
    free *= MAX_NODE_SCORE
    return free


def _most(requested: Int64s, allocatable: Int64s) -> Int64s:
    used: Int64s = np.minimum(requested, allocatable)
    used *= MAX_NODE_SCORE
    return used


def _ratio_score(table: NodeTable, pod: Pod, rows: Rows, strategy: ScoringStrategy) -> Int64s:
    """Where a resource scores 0, its weight does not count either."""
    score_at = _broken_line(strategy.shape)
    total = np.zeros(len(table.pod_count[rows]), np.int64)
    weights = np.zeros(len(total), np.int64)
    for amounts in _amounts(table, pod, rows, strategy):
        used_percent = np.minimum(amounts.requested, amounts.allocatable)
        used_percent *= MAX_NODE_SCORE
        used_percent //= amounts.divisor
        score = score_at[used_percent] * (amounts.allocatable > 0)
        total += score * amounts.weight
        weights += amounts.weight * (score > 0)
    return np.floor(total / np.maximum(weights, 1) + 0.5).astype(np.int64)


@cache
def _broken_line(shape: tuple[ShapePoint, ...]) -> Int64s:
    """Scores 0 to 100 at 0 to 100 percent; Go's division rounds towards zero, also downhill."""
    xs = [point.utilisation_percent for point in shape]
    ys = [point.score * (MAX_NODE_SCORE // MAX_SHAPE_SCORE) for point in shape]

    def score_at(percent: int) -> int:
        for i, x in enumerate(xs):
            if percent <= x:
                if i == 0:
                    return ys[0]
                rise = (ys[i] - ys[i - 1]) * (percent - xs[i - 1])
                steps = abs(rise) // (x - xs[i - 1])
                return ys[i - 1] + (steps if rise >= 0 else -steps)
        return ys[-1]

    return np.array([score_at(percent) for percent in range(MAX_NODE_SCORE + 1)], np.int64)


class _Amounts(NamedTuple):
    """One resource on the candidates, the pod included in `requested`."""

    requested: Int64s
    allocatable: Int64s
    divisor: Int64s
    """`allocatable`, with 1 for 0."""
    everywhere: bool
    """Whether every node is known to have some of it."""
    weight: int


def _amounts(
    table: NodeTable, pod: Pod, rows: Rows, strategy: ScoringStrategy
) -> Iterator[_Amounts]:
    """The resources that count: an extended resource only for a pod that requests it."""
    for name, weight in strategy.resources:
        if name == "cpu":
            requested = table.nonzero_requested_cpu_millicores[rows] + pod.scored_cpu_millicores
            allocatable = table.allocatable_cpu_millicores[rows]
        elif name == "memory":
            requested = table.nonzero_requested_memory_bytes[rows] + pod.scored_memory_bytes
            allocatable = table.allocatable_memory_bytes[rows]
        else:
            wanted = pod.requests.extended.get(name, 0)
            if not wanted and name != "ephemeral-storage":
                continue
            requested = table.requested_of(name)[rows] + wanted
            allocatable = table.allocatable_of(name)[rows]
        everywhere = table.every_node_sized and name in {"cpu", "memory"}
        divisor = allocatable if everywhere else np.maximum(allocatable, 1)
        yield _Amounts(requested, allocatable, divisor, everywhere, weight)
