"""An order for many moves at once, in which each pod fits its target when its turn comes."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from cluster.model import Pod
from cluster.scheduling.feasibility import feasible
from cluster.scheduling.table import NodeTable
from pricing.moves.move import Move

# A pod, where it is and where it should be.
Wish: TypeAlias = tuple[Pod, int, int]


def in_order(table: NodeTable, wanted: Sequence[Wish], reason: str) -> list[Move]:
    """The moves; ``table`` is left as it is after them.

    Where pods block each other a small one steps aside first, to a third node, which makes two
    moves of one. A pod that finds no such node stays.
    """
    return _Order(table, wanted, reason).moves()


class _Order:
    """The moves made so far, and for each node the pods that still want it."""

    def __init__(self, table: NodeTable, wanted: Sequence[Wish], reason: str) -> None:
        self._table, self._reason = table, reason
        self._made: list[Move] = []
        self._wishes: list[list[Wish]] = [[] for _ in range(len(table))]
        for wish in wanted:
            self._wishes[wish[2]].append(wish)
        self._freed: deque[int] = deque(range(len(table)))
        self._steps_left = len(wanted)

    def moves(self) -> list[Move]:
        """All moves that could be made."""
        while True:
            while self._freed:
                self._fill(self._freed.popleft())
            open_wishes = [wish for wishes in self._wishes for wish in wishes]
            if not open_wishes:
                return self._made
            self._step_aside(min(open_wishes, key=lambda wish: wish[0].requests.cpu_millicores))

    def _fill(self, node: int) -> None:
        """Make the moves to a node that are possible now."""
        blocked = []
        for wish in self._wishes[node]:
            if self._make(*wish):
                self._freed.append(wish[1])
            else:
                blocked.append(wish)
        self._wishes[node] = blocked

    def _step_aside(self, wish: Wish) -> None:
        pod, source, target = wish
        self._wishes[target].remove(wish)
        aside = self._aside(pod, source)
        self._steps_left -= 1
        if aside is None or self._steps_left < 0:
            return
        self._make(pod, source, aside)
        self._wishes[target].append((pod, aside, target))
        # The pod may have been in its own way, as one of a workload that must spread.
        self._freed.extend((source, target))

    def _make(self, pod: Pod, source: int, target: int) -> bool:
        """Make a move and note it, if the pod fits its target now."""
        table = self._table
        table.release(pod, source)
        if not _fits(table, pod, target):
            table.assign(pod, source)
            return False
        table.assign(pod, target)
        self._made.append(Move(pod=pod, source=source, target=target, reason=self._reason))
        return True

    def _aside(self, pod: Pod, source: int) -> int | None:
        """The node with the most free cores that can take the pod, an awake one if any can."""
        table = self._table
        table.release(pod, source)
        fits = feasible(table, pod)
        table.assign(pod, source)
        fits[source] = False
        awake = fits & (table.pod_count > 0)
        if not fits.any():
            return None
        allowed = awake if awake.any() else fits
        return int(np.where(allowed, table.free_cpu_millicores, -1).argmax())


def filled(table: NodeTable, placed: Sequence[tuple[Pod, int]]) -> NodeTable:
    """A table of the same nodes with the same cordons, and only the given pods."""
    other = NodeTable.of(table.nodes, table.namespace_labels)
    for node in np.flatnonzero(table.unschedulable).tolist():
        other.cordon(node)
    for pod, node in placed:
        other.assign(pod, node)
    return other


def _fits(table: NodeTable, pod: Pod, node: int) -> bool:
    """Whether a node takes the pod now, without asking all nodes where one comparison will do."""
    requests = pod.requests
    if (
        requests.cpu_millicores > table.free_cpu_millicores[node]
        or requests.memory_bytes > table.free_memory_bytes[node]
        or table.free_pods[node] < 1
    ):
        return False
    if not (pod.constrained or table.placed.any_terms or table.tainted):
        return not table.unschedulable[node]
    return bool(feasible(table, pod)[node])
