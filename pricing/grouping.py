"""Fewer classes and fewer shapes, and by how many watts that can be wrong at most.

A group has two stand-ins. Its *lower* one is at least as good as each member in every way: the most
cores and memory, the fewest watts at every load. What can be placed on the members can be placed
on it for no more, so the program's value over lower stand-ins stays a lower bound, whatever the
state. Its *upper* one is no better than any member. What an empty fleet of upper stand-ins can
carry, the members can for no more, each taking its share of the nodes' number. So the value over
the members lies between the two, and `value_range` measures how far they are apart. Likewise the
lower stand-in of shapes requests the least of each resource, the upper one the most.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from energy.errors import InputError
from energy.power_curve import LOAD_LEVELS, PowerCurve
from pricing.agglomeration import group_labels
from pricing.fleet_state import FleetState
from pricing.linear_model import Floats
from pricing.node_class import NodeClass, NodeClasses
from pricing.price_program import PriceProgram, PriceSolution, Unsolved
from pricing.terms import Shapes


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeGroups:
    """Grouped classes: their stand-ins, and the group that each class went to.

    ``lower`` and ``upper`` know the group of each node, ``group_of_class`` that of each class.
    """

    lower: NodeClasses
    upper: NodeClasses
    group_of_class: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeGroups:
    """Grouped shapes: their stand-ins, and the group that each shape went to."""

    lower: Shapes
    upper: Shapes
    group_of_shape: NDArray[np.int64]

    def counts(self, counts: ArrayLike) -> Floats:
        """Pods of each group, from pods of each shape."""
        pods = np.asarray(counts, dtype=np.float64)
        return np.bincount(self.group_of_shape, pods, len(self.lower)).astype(np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueRange:
    """Watts between which the program's value over the members lies."""

    lower_watts: float
    upper_watts: float

    @property
    def error_watts(self) -> float:
        """By how much the lower stand-ins' value can be too low at most."""
        return self.upper_watts - self.lower_watts


def group_nodes(
    nodes: NodeClasses, most: int, *, kinds: Sequence[Hashable] | None = None
) -> NodeGroups:
    """At most so many classes, those merged first that differ by the fewest watts.

    Classes differ by what their nodes draw at each load level, asleep, and by cores, memory and
    extended resources at what such a unit costs on the mean node. ``kinds`` has one entry per
    class; classes of different kinds (other labels, other terms) stay apart.
    """
    classes = nodes.classes
    labels = group_labels(
        _node_features(classes),
        np.array([group.count for group in classes], dtype=np.float64),
        kinds or [None] * len(classes),
        most,
    )
    members = [
        [classes[index] for index in np.flatnonzero(labels == label)]
        for label in range(int(labels.max()) + 1)
    ]
    group_of_node = labels[nodes.class_of_node]
    lower, upper = (
        NodeClasses(
            classes=tuple(_stand_in(group, lower=is_lower) for group in members),
            class_of_node=group_of_node,
        )
        for is_lower in (True, False)
    )
    return NodeGroups(lower=lower, upper=upper, group_of_class=labels)


def group_shapes(
    shapes: Shapes, counts: ArrayLike, most: int, *, allowed: NDArray[np.bool_] | None = None
) -> ShapeGroups:
    """At most so many shapes, those merged first whose pods differ least in all they request.

    Cores, memory and extended resources count by their share of the whole demand. Shapes that
    may go to different classes, or differ in which extended resources they need, stay apart.
    """
    sizes = np.column_stack([shapes.cpu_cores, shapes.memory_bytes, *shapes.extended.values()])
    pods = np.asarray(counts, dtype=np.float64)
    totals = pods @ sizes
    kinds = [
        (tuple(row[2:] > 0), None if allowed is None else allowed[index].tobytes())
        for index, row in enumerate(sizes)
    ]
    labels = group_labels(sizes / np.where(totals > 0, totals, 1.0), pods, kinds, most)
    groups = [sizes[labels == label] for label in range(int(labels.max(initial=-1)) + 1)]
    names = tuple(shapes.extended)
    lower, upper = (
        _shapes(
            np.array([pick(group, axis=0) for group in groups]).reshape(-1, 2 + len(names)), names
        )
        for pick in (np.min, np.max)
    )
    return ShapeGroups(lower=lower, upper=upper, group_of_shape=labels)


def value_range(
    nodes: NodeGroups,
    shapes: ShapeGroups,
    counts: ArrayLike,
    *,
    usage_ratio: float = 1.0,
    nodes_may_sleep: bool = True,
) -> ValueRange:
    """Solve for both kinds of stand-ins on the empty fleet; ``counts`` are those of the shapes.

    Where not all pods fit the upper stand-ins there is no upper value: it is infinite.

    Raises:
        InputError: a count is no number, or the solver fails.
    """
    values: list[PriceSolution] = []
    for classes, sizes in ((nodes.lower, shapes.lower), (nodes.upper, shapes.upper)):
        program = PriceProgram(
            classes.classes, sizes, usage_ratio=usage_ratio, nodes_may_sleep=nodes_may_sleep
        )
        found = program.solve(FleetState.empty(classes.classes), shapes.counts(counts))
        if isinstance(found, Unsolved):
            raise InputError(f"the stand-ins have no value: {found.reason}")
        values.append(found)
    lower, upper = values
    return ValueRange(
        lower_watts=lower.watts + lower.penalty_watts,
        upper_watts=math.inf if upper.penalty_watts else upper.watts,
    )


def _node_features(classes: Sequence[NodeClass]) -> Floats:
    """What nodes of each class differ by, in watts, shape (classes, features)."""
    levels = np.array([group.curve.watts_at_each(LOAD_LEVELS) for group in classes])
    asleep = np.array([[group.profile.sleep_watts] for group in classes])
    names = sorted({name for group in classes for name in group.extended})
    sizes = np.array(
        [
            [group.cpu_cores, group.memory_bytes, *(group.extended.get(name, 0) for name in names)]
            for group in classes
        ],
        dtype=np.float64,
    )
    means = sizes.mean(axis=0)
    mean_watts = levels[:, -1].mean()
    return np.column_stack(
        [levels / len(LOAD_LEVELS), asleep, sizes / np.where(means > 0, means, 1.0) * mean_watts]
    )


def _stand_in(group: Sequence[NodeClass], *, lower: bool) -> NodeClass:
    """A class as good as the best member in every way, or as bad as the worst."""
    if len(group) == 1:
        return group[0]
    best, worst = (max, min) if lower else (min, max)
    cores = best(member.cpu_cores for member in group)
    name = f"{group[0].name} and {len(group) - 1} like it"
    names = {name for member in group for name in member.extended}
    extended = {name: best(member.extended.get(name, 0) for member in group) for name in names}
    watts = worst(member.profile.sleep_watts for member in group)
    # The curve first: a profile never draws more asleep than idle.
    profile = group[0].profile.with_curve(_curve(group, cores, lower=lower))
    return NodeClass(
        name=name,
        cpu_cores=cores,
        memory_bytes=best(member.memory_bytes for member in group),
        profile=replace(profile, name=name, sleep_watts=watts),
        count=sum(member.count for member in group),
        extended={name: amount for name, amount in extended.items() if amount},
    )


def _curve(group: Sequence[NodeClass], cores: float, *, lower: bool) -> PowerCurve:
    """The fewest (or most) watts that any member draws for so many busy cores.

    At every point where a member's curve bends; in between the fewest watts lie above the straight
    line (a minimum of lines is concave) and the most below it. A member of fewer cores than the
    stand-in counts by its peak beyond them, which makes the lower curve only lower.
    """
    bends = {
        min(1.0, ratio * member.cpu_cores / cores)
        for member in group
        for ratio in member.curve.utilisation_ratios
    }
    ratios = np.array(sorted({0.0, 1.0, *bends}))
    watts = np.array(
        [member.curve.watts_at_each(ratios * cores / member.cpu_cores) for member in group]
    )
    picked = watts.min(axis=0) if lower else watts.max(axis=0)
    return PowerCurve(utilisation_ratios=tuple(ratios.tolist()), watts=tuple(picked.tolist()))


def _shapes(sizes: Floats, names: Sequence[str]) -> Shapes:
    return Shapes(
        cpu_cores=sizes[:, 0],
        memory_bytes=sizes[:, 1],
        extended={name: sizes[:, 2 + place] for place, name in enumerate(names)},
    )
