"""Where every pod stands: bound, or assumed to be about to be. One thread owns a board.

A pod that was scored and is not bound yet counts on the node that it will most likely get, so that
the pods after it do not all go there too. The scheduler's own choice replaces the assumption, and
an assumption that nothing came of is dropped after a while.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cluster.model import Node, Pod
from cluster.scheduling.table import NodeTable

UNKNOWN_ROW = -1
# A DaemonSet has a pod on every node; what a Node owns is a static pod.
COME_WITH_A_NODE = frozenset({"DaemonSet", "Node"})


@dataclass(slots=True)
class Standing:
    """A pod on a node; ``row`` is -1 while the node is not known."""

    pod: Pod
    node_name: str
    row: int
    ceiling_ratio: float | None
    assumed_until_seconds: float | None = None


def keeps_awake(pod: Pod) -> bool:
    """Whether a node with the pod must stay on; pods that come with a node go to sleep with it."""
    return pod.owner is None or pod.owner.kind not in COME_WITH_A_NODE


class Board:
    """A `NodeTable` with the pods that fill it, by `namespace/name`.

    Attributes:
        table: the nodes' state; None before any node is known.
        ceiling_ratio: per row the least utilisation ceiling of its pods, infinite without one.
        ceilings: how many pods carry a ceiling.
        assumed_cpu_millicores: per row what the pods that are assumed there request.
        busy: per row the pods that keep a node awake; one of a DaemonSet does not.
    """

    def __init__(self, ceiling_of: Callable[[Pod], float | None]) -> None:
        self._ceiling_of = ceiling_of
        self._standing: dict[str, Standing] = {}
        self._assumed: dict[str, Standing] = {}
        self._ceilings_of_row: dict[int, list[float]] = {}
        self.table: NodeTable | None = None
        self.ceiling_ratio: NDArray[np.float64] = np.zeros(0)
        self.ceilings = 0
        self.busy: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self.assumed_cpu_millicores: NDArray[np.int64] = np.zeros(0, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._standing)

    @property
    def assumed(self) -> int:
        """How many pods are assumed and not bound."""
        return len(self._assumed)

    def rebuild(
        self, nodes: Sequence[Node], namespace_labels: Mapping[str, Mapping[str, str]]
    ) -> None:
        """Take over another set of nodes; pods keep theirs by name."""
        before = self.table
        self._ceilings_of_row = {}
        self.ceilings = 0
        self.ceiling_ratio = np.full(len(nodes), math.inf)
        self.busy = np.zeros(len(nodes), dtype=np.int64)
        self.assumed_cpu_millicores = np.zeros(len(nodes), dtype=np.int64)
        if not nodes:
            self.table = None
        elif before is None:
            self.table = NodeTable.of(nodes, namespace_labels)
        else:
            self.table = before.with_nodes(nodes, namespace_labels)
        relabelled = before is None or before.namespace_labels != namespace_labels
        for standing in self._standing.values():
            if relabelled:  # a namespace may have a ceiling for its pods, and be told of after them
                standing.ceiling_ratio = self._ceiling_of(standing.pod)
            if standing.row < 0 or self.table is None:
                standing.row = UNKNOWN_ROW
                self._seat(standing)
            else:
                standing.row = self.table.index_of.get(standing.node_name, UNKNOWN_ROW)
                self._heed(standing)

    def replace_node(self, node: Node) -> None:
        """Let a known node have new labels, taints or another size."""
        if self.table is not None:
            self.table.replace_node(self.table.index_of[node.name], node)

    def get(self, key: str) -> Standing | None:
        """Where a pod stands."""
        return self._standing.get(key)

    def __iter__(self) -> Iterator[tuple[str, Standing]]:
        return iter(self._standing.items())

    def put(
        self, key: str, pod: Pod, node_name: str, *, assumed_until_seconds: float | None = None
    ) -> Standing:
        """Put a pod on a node, whatever stood there of it before."""
        self.remove(key)
        standing = Standing(
            pod=pod,
            node_name=node_name,
            row=UNKNOWN_ROW,
            ceiling_ratio=self._ceiling_of(pod),
            assumed_until_seconds=assumed_until_seconds,
        )
        self._seat(standing)
        self._standing[key] = standing
        if assumed_until_seconds is not None:
            self._assumed[key] = standing
        return standing

    def remove(self, key: str) -> Standing | None:
        """Take a pod off; None if it stood nowhere."""
        standing = self._standing.pop(key, None)
        if standing is None:
            return None
        self._assumed.pop(key, None)
        if standing.row >= 0 and self.table is not None:
            self.table.release(standing.pod, standing.row)
            self.busy[standing.row] -= keeps_awake(standing.pod)
            if standing.assumed_until_seconds is not None:
                requested = standing.pod.requests.cpu_millicores
                self.assumed_cpu_millicores[standing.row] -= requested
            if standing.ceiling_ratio is not None:
                self._lift(standing.row, standing.ceiling_ratio)
        return standing

    def heed_again(self, namespace: str) -> None:
        """The namespace's labels have changed, and with them perhaps its pods' ceilings."""
        for standing in self._standing.values():
            if standing.pod.namespace != namespace:
                continue
            ceiling_ratio = self._ceiling_of(standing.pod)
            if ceiling_ratio == standing.ceiling_ratio:
                continue
            if standing.ceiling_ratio is not None and standing.row >= 0:
                self._lift(standing.row, standing.ceiling_ratio)
            standing.ceiling_ratio = ceiling_ratio
            self._limit(standing)

    def expire(self, now_seconds: float) -> list[tuple[str, Standing]]:
        """Take off the pods that were assumed for too long."""
        # All of them: an explanation puts a pod back behind younger ones.
        late = [
            (key, standing)
            for key, standing in self._assumed.items()
            if (until := standing.assumed_until_seconds) is not None and until <= now_seconds
        ]
        for key, _ in late:
            self.remove(key)
        return late

    def _seat(self, standing: Standing) -> None:
        row = UNKNOWN_ROW if self.table is None else self.table.index_of.get(standing.node_name, -1)
        if row < 0 or self.table is None:
            return
        standing.row = row
        self.table.assign(standing.pod, row)
        self._heed(standing)

    def _heed(self, standing: Standing) -> None:
        """Count what the table does not: who keeps a node awake, who wants room left on it."""
        row = standing.row
        if row < 0:
            return
        self.busy[row] += keeps_awake(standing.pod)
        if standing.assumed_until_seconds is not None:
            self.assumed_cpu_millicores[row] += standing.pod.requests.cpu_millicores
        self._limit(standing)

    def _limit(self, standing: Standing) -> None:
        row, ceiling_ratio = standing.row, standing.ceiling_ratio
        if ceiling_ratio is not None and row >= 0:
            self._ceilings_of_row.setdefault(row, []).append(ceiling_ratio)
            self.ceiling_ratio[row] = min(self.ceiling_ratio[row], ceiling_ratio)
            self.ceilings += 1

    def _lift(self, row: int, ceiling_ratio: float) -> None:
        left = self._ceilings_of_row[row]
        left.remove(ceiling_ratio)
        self.ceiling_ratio[row] = min(left, default=math.inf)
        self.ceilings -= 1
