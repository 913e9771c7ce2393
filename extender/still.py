"""A table's state as of a moment, for another thread to work on while the table goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cluster.model import Node
from cluster.scheduling.table import NodeTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Still:
    """Copies of a table's columns: a few arrays, whatever the number of pods."""

    nodes: tuple[Node, ...]
    requested: NDArray[np.int64]
    requested_extended: Mapping[str, NDArray[np.int64]]
    pod_count: NDArray[np.int64]

    @classmethod
    def of(cls, table: NodeTable, busy: NDArray[np.int64]) -> Still:
        """As the table is now; ``busy`` counts by row the pods that keep a node awake."""
        return cls(
            nodes=tuple(table.nodes),
            requested=table.requested.copy(),
            requested_extended={
                name: column.copy() for name, column in table.requested_extended.items()
            },
            pod_count=busy.copy(),
        )

    def table(self) -> NodeTable:
        """A table of its own, which knows sums and not which pods they are of."""
        table = NodeTable.of(self.nodes)
        table.requested[:] = self.requested
        table.pod_count[:] = self.pod_count
        table.requested_extended.update(self.requested_extended)
        table.free_cpu_millicores[:] = (
            table.allocatable_cpu_millicores - table.requested_cpu_millicores
        )
        table.free_memory_bytes[:] = table.allocatable_memory_bytes - table.requested_memory_bytes
        table.free_pods[:] = table.pods_max - table.pod_count
        return table
