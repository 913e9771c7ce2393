"""NodeResourcesBalancedAllocation: does the pod bring a node's CPU and memory closer together?

Source: k8s.io/kubernetes v1.36 framework/plugins/noderesources/balanced_allocation.go. Since
1.35 the score compares the balance with and without the pod: 75 means no change. Actual
requests count, without the assumed minimum; pods that request nothing are not scored.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cluster.model import Pod
from cluster.scheduling.profile import MAX_NODE_SCORE
from cluster.scheduling.scores.normalise import Rows, picked
from cluster.scheduling.table import Int64s, NodeTable

_PAIR = 2
_HALF = MAX_NODE_SCORE // 2


def balanced_allocation(
    table: NodeTable, pod: Pod, rows: Rows, resources: Sequence[str] = ("cpu", "memory")
) -> Int64s | None:
    """Scores 50 to 100, or None if the pod requests none of `resources`."""
    wanted = [amount_of(pod, name) for name in resources]
    if not any(wanted):
        return None
    if table.every_node_sized and tuple(resources) == ("cpu", "memory"):
        with_pod, without_pod = _two_resources(table, pod, rows)
    else:
        with_pod, without_pod = _any_resources(table, wanted, rows, resources)
    with_pod -= without_pod
    with_pod += _HALF
    with_pod //= 2
    with_pod += _HALF
    return with_pod


def amount_of(pod: Pod, name: str) -> int:
    """What the pod requests of a resource, in its own unit."""
    if name == "cpu":
        return pod.requests.cpu_millicores
    if name == "memory":
        return pod.requests.memory_bytes
    return pod.requests.extended.get(name, 0)


def _two_resources(table: NodeTable, pod: Pod, rows: Rows) -> tuple[Int64s, Int64s]:
    """The common case in few steps; in exact halves, so that the last bits are the original's."""
    allocatable, requested = picked(table.allocatable, rows), picked(table.requested, rows)
    fractions = np.empty((2, *allocatable.shape))
    fractions[1] = requested
    wanted = ((pod.requests.cpu_millicores,), (pod.requests.memory_bytes,))
    np.add(requested, wanted, out=fractions[0])
    fractions /= allocatable
    np.minimum(fractions, 1.0, out=fractions)
    gaps = fractions[:, 0] - fractions[:, 1]
    np.abs(gaps, out=gaps)
    gaps *= -0.5
    gaps += 1
    gaps *= MAX_NODE_SCORE
    with_pod, without_pod = gaps.astype(np.int64)
    return with_pod, without_pod


def _any_resources(
    table: NodeTable, wanted: Sequence[int], rows: Rows, resources: Sequence[str]
) -> tuple[Int64s, Int64s]:
    counted = [
        (amount, table.requested_of(name)[rows], table.allocatable_of(name)[rows])
        for amount, name in zip(wanted, resources, strict=True)
        # An extended resource that the pod does not request is passed over.
        if amount or name in {"cpu", "memory", "ephemeral-storage"}
    ]
    with_pod = _balance([(taken + amount, offered) for amount, taken, offered in counted])
    return with_pod, _balance([(taken, offered) for _, taken, offered in counted])


def _balance(amounts: Sequence[tuple[Int64s, Int64s]]) -> Int64s:
    """100 x (1 - standard deviation of the requested fractions), resource by resource.

    A node that offers nothing of a resource leaves it out. Two fractions use half their
    distance, as the original does, because the last bits of the two formulas differ.
    """
    fractions = np.stack([np.minimum(r / np.maximum(a, 1), 1.0) for r, a in amounts])
    present = np.stack([offered > 0 for _, offered in amounts])
    fractions = np.where(present, fractions, 0.0)
    count = present.sum(axis=0)
    total, squares = np.zeros(len(count)), np.zeros(len(count))
    for fraction in fractions:
        total = total + fraction
    mean = total / np.maximum(count, 1)
    for fraction, there in zip(fractions, present, strict=True):
        squares = squares + np.where(there, (fraction - mean) * (fraction - mean), 0.0)
    deviation = np.sqrt(squares / np.maximum(count, 1))
    pair = np.abs(_signed_sum(fractions, present) / 2)
    deviation = np.where(count == _PAIR, pair, np.where(count > _PAIR, deviation, 0.0))
    return ((1 - deviation) * MAX_NODE_SCORE).astype(np.int64)


def _signed_sum(fractions: NDArray[np.float64], present: NDArray[np.bool_]) -> NDArray[np.float64]:
    """First present fraction minus the second, where exactly two are present."""
    position = present.cumsum(axis=0)
    first = np.where(present & (position == 1), fractions, 0.0).sum(axis=0)
    second = np.where(present & (position == _PAIR), fractions, 0.0).sum(axis=0)
    return np.asarray(first - second)
