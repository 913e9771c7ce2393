"""The state that a scheduling decision reads, as numpy columns over the nodes.

A `NodeTable` is the mutable counterpart of a snapshot: `assign` and `release` change it in a
microsecond or two, so that a simulation can run millions of placements on one table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cluster.constraints import TaintEffect
from cluster.model import ClusterSnapshot, Node, Pod
from cluster.scheduling.placed_pods import PlacedPods
from energy.errors import InputError

Int64s: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]


# Pods pinned one by one to nodes would otherwise fill the memory with one mask each.
_REMEMBERED_MAX = 4096


class NodeTable:
    """Columns over nodes, in kube-scheduler's node order (see `node_order`).

    All columns are int64 of shape (nodes,). Read them freely; write only through the methods,
    which keep the `free_*` columns equal to allocatable - requested. `free_*` may be negative.

    Attributes:
        nodes: the nodes, one per row.
        index_of: row of a node by name.
        allocatable_cpu_millicores: what pods may request, likewise `allocatable_memory_bytes`
            and `pods_max`.
        requested_cpu_millicores: sum of effective requests, likewise `requested_memory_bytes`
            and `pod_count`.
        nonzero_requested_cpu_millicores: the same with kube-scheduler's assumption for
            containers without a request, likewise `nonzero_requested_memory_bytes`.
        free_cpu_millicores: allocatable - requested, likewise `free_memory_bytes`, `free_pods`.
        allocatable: CPU and memory as the rows of one array of shape (2, nodes), likewise
            `requested` and `nonzero_requested`.
        allocatable_extended: per extended resource a column; likewise `requested_extended`.
        unschedulable: bool column; `cordon` and `uncordon` write it.
        tainted: whether any node has a taint; `softly_tainted`: one of PreferNoSchedule.
        every_node_sized: whether every node offers some CPU and some memory.
        version: grows whenever a node is replaced, so that caches over nodes can tell.
        placed: which kinds of pods run where, for affinity, spread and host ports.
        namespace_labels: labels of namespaces, for namespace selectors.
        static_cache: results that depend on the nodes alone; emptied by `replace_node`.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        namespace_labels: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        if not nodes:
            raise InputError("there are no nodes", mend="give at least one node")
        self.nodes: list[Node] = list(nodes)
        self.index_of = {node.name: row for row, node in enumerate(self.nodes)}
        if len(self.index_of) != len(self.nodes):
            raise InputError("two nodes have the same name")
        count = len(self.nodes)
        # CPU and memory lie in the two rows of one array, so that a score takes both at once;
        # the columns are views of it.
        self.allocatable = np.zeros((2, count), np.int64)
        self.requested = np.zeros((2, count), np.int64)
        self.nonzero_requested = np.zeros((2, count), np.int64)
        self.allocatable_cpu_millicores, self.allocatable_memory_bytes = self.allocatable
        self.requested_cpu_millicores, self.requested_memory_bytes = self.requested
        self.nonzero_requested_cpu_millicores = self.nonzero_requested[0]
        self.nonzero_requested_memory_bytes = self.nonzero_requested[1]
        self.allocatable_cpu_millicores[:] = _column(n.allocatable.cpu_millicores for n in nodes)
        self.allocatable_memory_bytes[:] = _column(n.allocatable.memory_bytes for n in nodes)
        self.pods_max = _column(n.pods_max for n in nodes)
        self.pod_count = np.zeros(count, np.int64)
        self._none = np.zeros(count, np.int64)
        self.free_cpu_millicores = self.allocatable_cpu_millicores.copy()
        self.free_memory_bytes = self.allocatable_memory_bytes.copy()
        self.free_pods = self.pods_max.copy()
        self.allocatable_extended: dict[str, Int64s] = {}
        self.requested_extended: dict[str, Int64s] = {}
        for name in {name for node in nodes for name in node.allocatable.extended}:
            self.allocatable_extended[name] = _column(
                n.allocatable.extended.get(name, 0) for n in nodes
            )
        self._note_nodes()
        self.unschedulable: Bools = np.fromiter((n.unschedulable for n in nodes), np.bool_, count)
        self.cordoned_count = int(self.unschedulable.sum())
        self.version = 0
        self.namespace_labels = dict(namespace_labels or {})
        self.placed = PlacedPods(count, self.namespace_labels)
        self.static_cache: dict[object, object] = {}

    @classmethod
    def of(
        cls,
        nodes: Sequence[Node],
        namespace_labels: Mapping[str, Mapping[str, str]] | None = None,
    ) -> NodeTable:
        """An empty table of `nodes`, row by row in the order given."""
        return cls(nodes, namespace_labels)

    @classmethod
    def of_snapshot(cls, snapshot: ClusterSnapshot) -> NodeTable:
        """A table with the snapshot's placed pods that still hold resources."""
        table = cls(snapshot.nodes, snapshot.namespace_labels)
        for pod in snapshot.pods:
            row = table.index_of.get(pod.node_name) if pod.node_name else None
            if row is not None and pod.phase not in {"Succeeded", "Failed"}:
                table.assign(pod, row)
        return table

    def __len__(self) -> int:
        return len(self.nodes)

    def assign(self, pod: Pod, index: int) -> None:
        """Put `pod` on row `index`, whether or not it fits (as a bound pod in a cluster does)."""
        self._add(pod, index, 1)
        self.placed.add(pod, index)

    def release(self, pod: Pod, index: int) -> None:
        """Undo `assign` exactly. Refuses to release what was not assigned."""
        self.placed.remove(pod, index)
        self._add(pod, index, -1)

    def _add(self, pod: Pod, index: int, sign: int) -> None:
        requests = pod.requests
        if cpu := sign * requests.cpu_millicores:
            self.requested_cpu_millicores[index] += cpu
            self.free_cpu_millicores[index] -= cpu
        if memory := sign * requests.memory_bytes:
            self.requested_memory_bytes[index] += memory
            self.free_memory_bytes[index] -= memory
        self.nonzero_requested_cpu_millicores[index] += sign * pod.nonzero_cpu_millicores
        self.nonzero_requested_memory_bytes[index] += sign * pod.nonzero_memory_bytes
        self.pod_count[index] += sign
        self.free_pods[index] -= sign
        for name, amount in requests.extended.items():
            column = self.requested_extended.get(name)
            if column is None:
                column = self.requested_extended[name] = np.zeros(len(self.nodes), np.int64)
            column[index] += sign * amount

    def cordon(self, index: int) -> None:
        """Make row `index` unschedulable; pods on it stay."""
        if not self.unschedulable[index]:
            self.unschedulable[index] = True
            self.cordoned_count += 1

    def uncordon(self, index: int) -> None:
        """Undo `cordon`."""
        if self.unschedulable[index]:
            self.unschedulable[index] = False
            self.cordoned_count -= 1

    def namespaces_changed(self, namespace_labels: Mapping[str, Mapping[str, str]]) -> None:
        """Take over other labels of namespaces; pods stay where they are."""
        # In place: what is placed holds the same mapping.
        self.namespace_labels.clear()
        self.namespace_labels.update(namespace_labels)
        self.placed.forget_answers()

    def replace_node(self, index: int, node: Node) -> None:
        """Let row `index` be `node` (same name: new labels, taints or size); its pods stay."""
        if node.name != self.nodes[index].name:
            raise InputError(
                f"row {index} is {self.nodes[index].name}, not {node.name}",
                mend="build a new table when nodes come or go",
            )
        self.nodes[index] = node
        sizes = node.allocatable
        self.allocatable_cpu_millicores[index] = sizes.cpu_millicores
        self.allocatable_memory_bytes[index] = sizes.memory_bytes
        self.pods_max[index] = node.pods_max
        free_cpu = sizes.cpu_millicores - self.requested_cpu_millicores[index]
        self.free_cpu_millicores[index] = free_cpu
        self.free_memory_bytes[index] = sizes.memory_bytes - self.requested_memory_bytes[index]
        self.free_pods[index] = node.pods_max - self.pod_count[index]
        for name in {*self.allocatable_extended, *sizes.extended}:
            column = self.allocatable_extended.setdefault(name, np.zeros(len(self), np.int64))
            column[index] = sizes.extended.get(name, 0)
        (self.cordon if node.unschedulable else self.uncordon)(index)
        self._note_nodes()
        self.version += 1
        self.static_cache.clear()

    def with_nodes(
        self,
        nodes: Sequence[Node],
        namespace_labels: Mapping[str, Mapping[str, str]] | None = None,
    ) -> NodeTable:
        """A table of other nodes; those of a name that is here keep their pods.

        Takes no longer for many pods than for few. Pods of nodes that are gone are gone too.
        Namespaces keep their labels unless others are given.
        """
        table = NodeTable(
            nodes, self.namespace_labels if namespace_labels is None else namespace_labels
        )
        pairs = [
            (row, self.index_of[node.name])
            for row, node in enumerate(table.nodes)
            if node.name in self.index_of
        ]
        new, old = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
        table.requested[:, new] = self.requested[:, old]
        table.nonzero_requested[:, new] = self.nonzero_requested[:, old]
        table.pod_count[new] = self.pod_count[old]
        for name, column in self.requested_extended.items():
            table.requested_extended[name] = np.zeros(len(table), np.int64)
            table.requested_extended[name][new] = column[old]
        table.free_cpu_millicores -= table.requested_cpu_millicores
        table.free_memory_bytes -= table.requested_memory_bytes
        table.free_pods -= table.pod_count
        row_of = dict(zip(old.tolist(), new.tolist(), strict=True))
        table.placed = self.placed.on_rows(row_of, table.placed)
        return table

    def _note_nodes(self) -> None:
        taints = [taint for node in self.nodes for taint in node.taints]
        self.tainted = bool(taints)
        self.softly_tainted = any(t.effect is TaintEffect.PREFER_NO_SCHEDULE for t in taints)
        sized = (self.allocatable_cpu_millicores > 0) & (self.allocatable_memory_bytes > 0)
        self.every_node_sized = bool(sized.all())

    def allocatable_of(self, name: str) -> Int64s:
        """Allocatable amounts of a resource by node, 0 where a node lacks it."""
        if name == "cpu":
            return self.allocatable_cpu_millicores
        if name == "memory":
            return self.allocatable_memory_bytes
        return self.allocatable_extended.get(name, self._none)

    def requested_of(self, name: str) -> Int64s:
        """Requested amounts of a resource by node."""
        if name == "cpu":
            return self.requested_cpu_millicores
        if name == "memory":
            return self.requested_memory_bytes
        return self.requested_extended.get(name, self._none)

    def free_extended(self, name: str) -> Int64s:
        """Free amounts of an extended resource by node; a node that lacks it has none."""
        return self.allocatable_of(name) - self.requested_of(name)

    def remember(self, key: object, value: object) -> None:
        """Keep a result that depends on the nodes alone, until a node is replaced."""
        if len(self.static_cache) >= _REMEMBERED_MAX:
            self.static_cache.clear()
        self.static_cache[key] = value


def _column(values: Iterable[int]) -> Int64s:
    try:
        return np.fromiter(values, np.int64)
    except OverflowError:
        raise InputError("a node offers more than 2^63 - 1 of a resource") from None
