"""The demand that prices are asked for: what waits, what will come, what will have left by then.

By Little's law a flow of pods that arrive at a rate and stay for a mean lifetime keeps rate x
lifetime of them running. Within a horizon, with lifetimes that have no memory, the part
1 - exp(-horizon / lifetime) of those comes anew, and the part exp(-horizon / lifetime) of what
runs now is still there. A forecast of counts by shape is an `ExpectedDemand` as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cluster.model import Pod
from cluster.scheduling import node_affinity, taints
from cluster.scheduling.table import NodeTable
from energy.errors import InputError
from pricing.fleet_state import FleetState
from pricing.linear_model import Floats
from pricing.node_class import CPU_MILLICORES_PER_CORE, NodeClasses
from pricing.terms import Shapes

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedDemand:
    """Pods per shape, in fractions where they are expected rather than seen.

    ``counts`` has shape (shapes,); ``allowed`` (shapes, classes) says which classes admit a shape,
    None where all do.
    """

    shapes: Shapes
    counts: Floats
    allowed: Bools | None = None

    def __post_init__(self) -> None:
        if self.counts.shape != (len(self.shapes),):
            raise InputError(f"{self.counts.size} counts for {len(self.shapes)} shapes")
        if not np.all(np.isfinite(self.counts) & (self.counts >= 0.0)):
            raise InputError("a count of pods is negative or no number", mend="give 0 or more")


def of_queue(
    pods: Sequence[Pod], admits: Callable[[Pod], Bools] | None = None
) -> tuple[ExpectedDemand, NDArray[np.int64]]:
    """The pods that wait, counted by shape, and the index of each pod's shape.

    ``admits`` says which classes admit a pod (see `admitting`): pods of equal requests that may go
    to different classes are different shapes.
    """
    names = sorted({name for pod in pods for name in pod.requests.extended})
    rows = np.array(
        [
            (
                pod.requests.cpu_millicores / CPU_MILLICORES_PER_CORE,
                pod.requests.memory_bytes,
                *(pod.requests.extended.get(name, 0) for name in names),
                *(admits(pod) if admits else ()),
            )
            for pod in pods
        ],
        dtype=np.float64,
    )
    width = 2 + len(names)
    if not pods:
        rows = np.zeros((0, width))
    distinct, shape_of_pod = np.unique(rows, axis=0, return_inverse=True)
    shape_of_pod = shape_of_pod.reshape(-1).astype(np.int64)
    demand = ExpectedDemand(
        shapes=_shapes(distinct, names),
        counts=np.bincount(shape_of_pod, minlength=len(distinct)).astype(np.float64),
        allowed=distinct[:, width:].astype(bool) if admits and pods else None,
    )
    return demand, shape_of_pod


def together(first: ExpectedDemand, second: ExpectedDemand, classes: int) -> ExpectedDemand:
    """Both demands, the shapes of the first one before those of the second."""
    names = sorted({*first.shapes.extended, *second.shapes.extended})

    def joined(column: Callable[[Shapes], Floats]) -> Floats:
        return np.concatenate([column(first.shapes), column(second.shapes)])

    def amounts(name: str) -> Callable[[Shapes], Floats]:
        return lambda shapes: shapes.extended.get(name, np.zeros(len(shapes)))

    allowed = None
    if first.allowed is not None or second.allowed is not None:
        every = [
            np.ones((len(one.shapes), classes), dtype=bool) if one.allowed is None else one.allowed
            for one in (first, second)
        ]
        allowed = np.concatenate(every)
    return ExpectedDemand(
        shapes=Shapes(
            cpu_cores=joined(lambda shapes: shapes.cpu_cores),
            memory_bytes=joined(lambda shapes: shapes.memory_bytes),
            extended={name: joined(amounts(name)) for name in names},
        ),
        counts=np.concatenate([first.counts, second.counts]),
        allowed=allowed,
    )


def admitting(table: NodeTable, classes: NodeClasses) -> Callable[[Pod], Bools]:
    """Which classes have a node that admits a pod by its labels and taints, as a function of pods.

    Whether there is room, and what depends on where other pods run (spread, pod affinity), is left
    out: it changes with every placement, and without it the program's value is still a lower bound.
    ``table`` has one row per classified node.
    """

    def admits(pod: Pod) -> Bools:
        open_rows = taints.tolerated(table, pod.tolerations)
        required = node_affinity.required_by(table, pod)
        if required is not None:
            open_rows = open_rows & required
        found = np.zeros(len(classes.classes), dtype=bool)
        found[classes.class_of_node[open_rows]] = True
        return found

    return admits


def standing(
    shapes: Shapes, arrivals_per_second: ArrayLike, lifetime_seconds: ArrayLike
) -> ExpectedDemand:
    """The mix that runs at once in the long run, by Little's law, to be priced on an empty fleet.

    Both arrays have one entry per shape, or are one value for all; lifetimes are means.
    """
    counts = _amounts(arrivals_per_second, "arrival rate") * _amounts(lifetime_seconds, "lifetime")
    return ExpectedDemand(shapes=shapes, counts=np.broadcast_to(counts, (len(shapes),)).copy())


def arriving(
    shapes: Shapes,
    arrivals_per_second: ArrayLike,
    lifetime_seconds: ArrayLike,
    horizon_seconds: float,
) -> ExpectedDemand:
    """What will have come and still be there at the horizon, to be priced on `remaining_state`."""
    demand = standing(shapes, arrivals_per_second, lifetime_seconds)
    counts = demand.counts * (1.0 - stay_ratio(lifetime_seconds, horizon_seconds))
    return ExpectedDemand(shapes=shapes, counts=counts)


def stay_ratio(lifetime_seconds: ArrayLike, horizon_seconds: float) -> Floats:
    """Probability that a pod of this mean lifetime still runs at the horizon, without memory."""
    if not 0.0 <= horizon_seconds < np.inf:
        raise InputError(f"horizon of {horizon_seconds} s", mend="give a finite number from 0 up")
    lifetime = np.maximum(_amounts(lifetime_seconds, "lifetime"), np.finfo(float).tiny)
    return np.asarray(np.exp(-horizon_seconds / lifetime))


def remaining_state(
    table: NodeTable,
    classes: NodeClasses,
    pods: Sequence[Pod],
    node_of_pod: Sequence[int],
    stay_ratios: ArrayLike,
) -> FleetState:
    """What is expected to be left of the running pods, each with its probability to stay.

    A node is awake with the probability that any of its pods stays. Cordoned nodes are left out.
    Pods leave independently of each other.
    """
    rows = np.asarray(node_of_pod, dtype=np.int64)
    stays = np.broadcast_to(np.asarray(stay_ratios, dtype=np.float64), (len(pods),))
    if not np.all((stays >= 0.0) & (stays <= 1.0)):
        raise InputError("a probability to stay is outside 0-1")
    empties = np.ones(len(table))
    np.multiply.at(empties, rows, 1.0 - stays)
    is_open = ~table.unschedulable
    names = {name for pod in pods for name in pod.requests.extended}

    def by_class(amounts: Sequence[float]) -> Floats:
        weights = np.asarray(amounts, dtype=np.float64) * stays * is_open[rows]
        return _summed(classes, classes.class_of_node[rows], weights)

    return FleetState(
        nodes=_summed(classes, classes.class_of_node, is_open.astype(np.float64)),
        awake_nodes=_summed(classes, classes.class_of_node, (1.0 - empties) * is_open),
        placed_cpu_cores=by_class([p.requests.cpu_millicores for p in pods])
        / CPU_MILLICORES_PER_CORE,
        placed_memory_bytes=by_class([p.requests.memory_bytes for p in pods]),
        placed_extended={
            name: by_class([p.requests.extended.get(name, 0) for p in pods]) for name in names
        },
    )


def combined(*demands: ExpectedDemand) -> ExpectedDemand:
    """The sum of demands; equal shapes that may go to the same classes are counted together."""
    names = sorted({name for demand in demands for name in demand.shapes.extended})
    masks = [demand.allowed for demand in demands if demand.allowed is not None]
    classes = masks[0].shape[1] if masks else 0
    blocks = []
    for demand in demands:
        shapes, none = demand.shapes, np.zeros(len(demand.shapes))
        extended = [shapes.extended.get(name, none) for name in names]
        every = np.ones((len(shapes), classes), dtype=bool)
        mask = every if demand.allowed is None else demand.allowed
        blocks.append(np.column_stack([shapes.cpu_cores, shapes.memory_bytes, *extended, mask]))
    distinct, index = np.unique(np.concatenate(blocks), axis=0, return_inverse=True)
    counts = np.concatenate([demand.counts for demand in demands])
    return ExpectedDemand(
        shapes=_shapes(distinct, names),
        counts=np.bincount(index.reshape(-1), weights=counts, minlength=len(distinct)).astype(
            np.float64
        ),
        allowed=distinct[:, 2 + len(names) :].astype(bool) if masks else None,
    )


def _shapes(rows: Floats, names: Sequence[str]) -> Shapes:
    """Shapes from rows of cores, bytes, and one column per extended resource."""
    extended = {name: rows[:, 2 + place].copy() for place, name in enumerate(names)}
    return Shapes(cpu_cores=rows[:, 0].copy(), memory_bytes=rows[:, 1].copy(), extended=extended)


def _summed(classes: NodeClasses, numbers: NDArray[np.int64], weights: Floats) -> Floats:
    return np.bincount(numbers, weights=weights, minlength=len(classes.classes)).astype(np.float64)


def _amounts(given: ArrayLike, what: str) -> Floats:
    values = np.asarray(given, dtype=np.float64)
    if not np.all(np.isfinite(values) & (values >= 0.0)):
        raise InputError(f"a {what} is negative or no finite number", mend="give 0 or more")
    return values
