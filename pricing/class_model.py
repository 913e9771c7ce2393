"""Classes of nodes and shapes of pods as a linear model: what the programs here have in common.

Rows: one per shape (its demand), then per class its nodes, and one per resource that the class
has. Columns: per class its awake nodes by load point, its sleeping nodes, the pods that it takes
by shape. What a caller adds afterwards (pods that fit nowhere) comes last.
"""

from __future__ import annotations

from collections.abc import Sequence

import highspy
import numpy as np

from pricing.linear_model import Columns, Floats, Indices
from pricing.node_class import NodeClass
from pricing.resource_rows import ResourceRow, ResourceRows
from pricing.terms import (
    BYTES_PER_GIBIBYTE,
    CORES,
    MEMORY,
    Shapes,
    Terms,
    capacity_of,
    fits_empty,
    load_points,
)

# An extended resource enters in units of which a node has no more than this many.
LARGEST_CAPACITY = 1000.0


class ClassModel:
    """Classes, shapes and terms as a linear model; ``convex`` where it is solved in fractions.

    Attributes:
        columns: the model as far as it goes; callers may add to it before they load it.
        nodes_rows: per class the row that counts its nodes.
        resources: the rows of all classes' resources.
        awake_columns: columns that count awake nodes, and ``class_of_awake`` of each its class.
        asleep_columns: per class the column of sleeping nodes, -1 where they never sleep.
        placed_columns: columns of pods, with ``shape_of_placed`` and ``class_of_placed``.
    """

    def __init__(
        self, classes: Sequence[NodeClass], shapes: Shapes, terms: Terms, *, convex: bool
    ) -> None:
        self.columns = Columns(rows=len(shapes))
        self.nodes_rows: list[int] = []
        resource_rows: list[ResourceRow] = []
        asleep, awake, placed, taken = [], [], [], []
        resources = _resources(classes, shapes)
        self._convex = convex
        for number, group in enumerate(classes):
            self.nodes_rows.append(self.columns.row(float(group.count), float(group.count)))
            full_share = terms.full_share(number)
            mine = [
                ResourceRow(
                    name=name,
                    number=number,
                    row=self.columns.row(0.0, highspy.kHighsInf),
                    unit=unit,
                    capacity=capacity_of(group, name) / unit * (full_share if name == CORES else 1),
                    requests=requests,
                )
                for name, unit, requests in resources
                if capacity_of(group, name)
            ]
            resource_rows += mine
            points = load_points(group, terms, number, convex=convex)
            shares = points / terms.full_utilisation_ratio(number)
            awake.append(self._add_awake(group, points, shares, mine))
            asleep.append(self._add_asleep(group) if terms.may_sleep[number] else -1)
            fits = fits_empty(group, shapes, full_share) & terms.allowed[:, number]
            taken.append(np.flatnonzero(fits))
            placed.append(self._add_placed(taken[-1], mine))
        self.resources = ResourceRows(resource_rows)
        self.asleep_columns = np.array(asleep)
        self.awake_columns, self.class_of_awake = _joined(awake)
        self.placed_columns, self.class_of_placed = _joined(placed)
        self.shape_of_placed, _ = _joined(taken)

    def _add_awake(
        self, group: NodeClass, points: Floats, shares: Floats, resources: Sequence[ResourceRow]
    ) -> Indices:
        """Add the awake nodes of a class, one column per load point."""
        rows = [self.nodes_rows[-1], *(resource.row for resource in resources)]
        values = np.ones((len(points), len(rows)))
        for place, resource in enumerate(resources, start=1):
            values[:, place] = resource.capacity * (shares if resource.name == CORES else 1.0)
        # In fractions the row of the nodes says it all; for whole ones each bound tightens.
        most = highspy.kHighsInf if self._convex else float(group.count)
        return self.columns.add(group.curve.watts_at_each(points), most, rows, values)

    def _add_asleep(self, group: NodeClass) -> int:
        watts = [group.profile.sleep_watts]
        return int(self.columns.add(watts, float(group.count), [self.nodes_rows[-1]], [[1.0]])[0])

    def _add_placed(self, fitting: Indices, resources: Sequence[ResourceRow]) -> Indices:
        """Add the pods of the shapes that a class can take."""
        rows = np.empty((len(fitting), 1 + len(resources)), dtype=np.int64)
        values = np.ones(rows.shape)
        rows[:, 0] = fitting
        for place, resource in enumerate(resources, start=1):
            rows[:, place] = resource.row
            values[:, place] = -resource.requests[fitting]
        return self.columns.add(np.zeros(len(fitting)), highspy.kHighsInf, rows, values)


def _resources(classes: Sequence[NodeClass], shapes: Shapes) -> list[tuple[str, float, Floats]]:
    """Name, unit and requests by shape of each resource that enters the model."""
    resources = [
        (CORES, 1.0, shapes.cpu_cores),
        (MEMORY, 1.0, shapes.memory_bytes / BYTES_PER_GIBIBYTE),
    ]
    for name, requests in shapes.extended.items():
        largest = max((capacity_of(group, name) for group in classes), default=0.0)
        unit = max(1.0, largest / LARGEST_CAPACITY)
        resources.append((name, unit, requests / unit))
    return resources


def _joined(blocks: Sequence[Indices]) -> tuple[Indices, Indices]:
    """All entries of some blocks, and the number of the block that each is of."""
    numbers = np.repeat(np.arange(len(blocks)), [len(block) for block in blocks])
    return np.concatenate(blocks), numbers
