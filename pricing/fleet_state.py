"""What is placed on a fleet already, summed by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cluster.scheduling.table import NodeTable
from energy.errors import InputError
from pricing.node_class import CPU_MILLICORES_PER_CORE, NodeClass, NodeClasses
from pricing.terms import Floats

# Sums of requests may exceed their whole by their rounding.
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetState:
    """Nodes and what they carry; every array has one entry per class.

    ``nodes`` can take pods or sleep, ``awake_nodes`` of them cannot sleep because they carry pods.
    ``placed_extended`` is in each resource's own units.
    """

    nodes: Floats
    awake_nodes: Floats
    placed_cpu_cores: Floats
    placed_memory_bytes: Floats
    placed_extended: Mapping[str, Floats] = field(default_factory=dict)

    @classmethod
    def empty(cls, classes: Sequence[NodeClass]) -> FleetState:
        """All nodes of the classes, without a pod."""
        nothing = np.zeros(len(classes))
        return cls(
            nodes=np.array([float(group.count) for group in classes]),
            awake_nodes=nothing,
            placed_cpu_cores=nothing,
            placed_memory_bytes=nothing,
        )

    @classmethod
    def of_table(cls, table: NodeTable, classes: NodeClasses) -> FleetState:
        """The state of a table whose rows are the nodes that were classified.

        Cordoned nodes take no pods whatever the price: they and their pods are left out.
        """
        open_rows = np.flatnonzero(~table.unschedulable)
        class_of_row = classes.class_of_node[open_rows]

        def total(column: NDArray[np.int64] | NDArray[np.bool_]) -> Floats:
            summed = np.bincount(
                class_of_row, weights=column[open_rows], minlength=len(classes.classes)
            )
            return summed.astype(np.float64)

        return cls(
            nodes=total(np.ones(len(table), dtype=np.int64)),
            awake_nodes=total(table.pod_count > 0),
            placed_cpu_cores=total(table.requested_cpu_millicores) / CPU_MILLICORES_PER_CORE,
            placed_memory_bytes=total(table.requested_memory_bytes),
            placed_extended={
                name: total(column) for name, column in table.requested_extended.items()
            },
        )

    def placed(self, resource: str) -> Floats:
        """What is placed of an extended resource, one entry per class."""
        found = self.placed_extended.get(resource)
        return np.zeros(len(self.nodes)) if found is None else found

    def require(self, classes: Sequence[NodeClass]) -> None:
        """Refuse a state that no fleet of these classes can be in.

        Raises:
            InputError: an array is negative, holds no number, has the wrong length, or more nodes
                are awake than there are.
        """
        amounts = {
            "nodes": self.nodes,
            "awake nodes": self.awake_nodes,
            "placed cores": self.placed_cpu_cores,
            "placed memory": self.placed_memory_bytes,
            **{f"placed {name}": amount for name, amount in self.placed_extended.items()},
        }
        for what, values in amounts.items():
            if values.shape != (len(classes),):
                raise InputError(f"{what} of {values.size} classes where there are {len(classes)}")
            if not np.all(np.isfinite(values) & (values >= 0.0)):
                raise InputError(
                    f"{what} of a class are negative or no number", mend="give 0 or more"
                )
        if np.any(self.awake_nodes > self.nodes + ROUNDING):
            raise InputError("more nodes of a class are awake than there are")
