"""Run a stream of pods against a fleet under one policy: arrivals and departures in order of time.

A pod that fits nowhere waits; whenever a pod leaves, the waiting ones are tried again in their
order on what became free, as kube-scheduler's queue does. Its lifetime starts when it is placed,
so every policy does the same work unless pods are still pending at the end.

Pods that arrive in the same second are one queue that the policy sees before it places them. Nodes
may fail, be drained and return; a mover may evict pods. A pod that must leave its node keeps the
rest of its lifetime.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from cluster.model import Node, Pod
from cluster.scheduling.feasibility import feasible
from cluster.scheduling.table import NodeTable
from energy.errors import InputError
from pricing.moves.move import Move
from simulator.chooser import NOWHERE, Chooser, Mover, NodeEvent, NodeEventKind, PriceMoment
from simulator.stream import PodStream


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What happened: every change of a node, and where every pod ended.

    The four ``change_…`` arrays have one entry per placement or departure, in order of time:
    when, on which node, and what the node then carries. ``node_of_pod`` has one entry per pod,
    ``NOWHERE`` for those still pending at the end (or not arrived by then), and
    ``placed_seconds`` when first, NaN likewise. The ``move_…`` arrays have one entry per eviction
    that the mover asked for: when, to which node, how much. ``arrived_pods`` counts those that
    came before the end, ``pending_pods`` those of them that waited for a node when it ended,
    ``displaced_pods`` how often a failed or drained node lost one. ``price_moments`` are the prices
    that the policy went by, where it has any.
    """

    change_seconds: NDArray[np.float64]
    change_node: NDArray[np.int64]
    change_cpu_millicores: NDArray[np.int64]
    change_pods: NDArray[np.int64]
    node_of_pod: NDArray[np.int64]
    placed_seconds: NDArray[np.float64]
    move_seconds: NDArray[np.float64]
    move_target: NDArray[np.int64]
    move_cpu_millicores: NDArray[np.int64]
    arrived_pods: int
    displaced_pods: int
    pending_pods: int
    end_seconds: float
    decisions: int
    decision_seconds: float
    waited_pod_seconds: float
    price_moments: tuple[PriceMoment, ...]

    @property
    def decisions_per_second(self) -> float:
        """Placement decisions per second of the policy's own time."""
        return self.decisions / self.decision_seconds if self.decision_seconds > 0 else 0.0


def run(  # noqa: PLR0913 - what happens besides the stream has defaults
    nodes: Sequence[Node],
    stream: PodStream,
    chooser: Chooser,
    *,
    end_seconds: float,
    clock: Callable[[], float],
    advance: Callable[[int], None] = lambda _: None,
    events: Sequence[NodeEvent] = (),
    mover: Mover | None = None,
) -> Run:
    """Place the stream's pods until ``end_seconds``.

    Args:
        nodes: the fleet, empty at the start.
        stream: the pods; those that arrive after the end are left out of the run.
        chooser: the policy.
        end_seconds: when the run ends.
        clock: monotonic seconds, to time the decisions (wall time, not simulated time).
        advance: told how many pods arrived, for a progress bar.
        events: what happens to nodes.
        mover: asked for moves at its interval, from the first interval on.

    Raises:
        InputError: there is a mover, and two pods have the same name.
    """
    loop = _Loop(NodeTable.of(nodes), stream, chooser, clock)
    for (seconds, kind), group in groupby(sorted(events, key=_moment), key=_moment):
        nodes_changed = tuple(dict.fromkeys(event.node for event in group))
        loop.expect(seconds, _NodeChange(kind, nodes_changed))
    if mover is not None:
        loop.expect(mover.interval_seconds, _Tick(mover))
    for pods, arrival in _batches(stream):
        if arrival > end_seconds:
            break
        loop.proceed_until(arrival)
        loop.arrive(pods, arrival)
        advance(len(pods))
    loop.proceed_until(end_seconds)
    return loop.finish(end_seconds)


def _batches(stream: PodStream) -> Iterator[tuple[list[int], float]]:
    """Pods that arrive together, and when."""
    seconds = stream.arrival_seconds
    if not len(seconds):
        return
    starts = np.flatnonzero(np.append(True, np.diff(seconds) > 0.0)).tolist()
    for start, stop in zip(starts, [*starts[1:], len(seconds)], strict=True):
        yield list(range(start, stop)), float(seconds[start])


@dataclass(frozen=True, slots=True)
class _Departure:
    pod: int


@dataclass(frozen=True, slots=True)
class _NodeChange:
    kind: NodeEventKind
    nodes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Tick:
    mover: Mover


class _Loop:
    """The state of a run: the table, what is to come, the pods that wait."""

    def __init__(
        self, table: NodeTable, stream: PodStream, chooser: Chooser, clock: Callable[[], float]
    ) -> None:
        self._table, self._pods, self._chooser, self._clock = table, stream.pods, chooser, clock
        self._remaining = stream.lifetime_seconds.tolist()
        self._departs = [float("inf")] * len(stream)
        self._cpu_of_pod = np.array([pod.requests.cpu_millicores for pod in stream.pods])
        self._memory_of_pod = np.array([pod.requests.memory_bytes for pod in stream.pods])
        self._constrained = np.array([pod.constrained for pod in stream.pods], dtype=np.bool_)
        self._future: list[tuple[float, int, _Departure | _NodeChange | _Tick]] = []
        self._expected = 0
        self._waiting = np.zeros(0, dtype=np.int64)
        self._since = np.full(len(stream), np.nan)
        self._placed = np.full(len(stream), np.nan)
        self._node_of_pod = np.full(len(stream), NOWHERE, dtype=np.int64)
        # Dictionaries as ordered sets: a node's pods in the order in which they came.
        self._pods_of_node: list[dict[int, None]] = [{} for _ in range(len(table))]
        self._number_of: dict[tuple[str, str], int] = {}
        self._record = _Record()
        self._arrived, self._displaced = 0, 0
        self._decisions, self._decision_seconds, self._waited = 0, 0.0, 0.0

    def expect(self, when: float, what: _Departure | _NodeChange | _Tick) -> None:
        """Let something happen at a time; what was expected first happens first."""
        self._expected += 1
        heapq.heappush(self._future, (when, self._expected, what))

    def arrive(self, pods: Sequence[int], now_seconds: float) -> None:
        """Place pods that come together, or let them wait."""
        self._arrived += len(pods)
        self._place_queue(pods, now_seconds)

    def proceed_until(self, now_seconds: float) -> None:
        """Let everything happen whose time has come."""
        while self._future and self._future[0][0] <= now_seconds:
            when, _, what = heapq.heappop(self._future)
            if isinstance(what, _Departure):
                # A pod that was displaced meanwhile leaves later than was expected.
                if self._departs[what.pod] == when and self._node_of_pod[what.pod] != NOWHERE:
                    self._depart(what.pod, when)
            elif isinstance(what, _NodeChange):
                self._change_nodes(what, when)
            else:
                self._move(what.mover, when)
                self.expect(when + what.mover.interval_seconds, what)

    def finish(self, end_seconds: float) -> Run:
        """The record of the run."""
        self._waited += float((end_seconds - self._since[self._waiting]).sum())
        record = self._record
        return Run(
            change_seconds=np.array(record.seconds, dtype=np.float64),
            change_node=np.array(record.node, dtype=np.int64),
            change_cpu_millicores=np.array(record.cpu_millicores, dtype=np.int64),
            change_pods=np.array(record.pods, dtype=np.int64),
            node_of_pod=self._node_of_pod,
            placed_seconds=self._placed,
            move_seconds=np.array(record.move_seconds, dtype=np.float64),
            move_target=np.array(record.move_target, dtype=np.int64),
            move_cpu_millicores=np.array(record.move_cpu_millicores, dtype=np.int64),
            arrived_pods=self._arrived,
            displaced_pods=self._displaced,
            pending_pods=len(self._waiting),
            end_seconds=end_seconds,
            decisions=self._decisions,
            decision_seconds=self._decision_seconds,
            waited_pod_seconds=self._waited,
            price_moments=tuple(self._chooser.price_moments),
        )

    def _place_queue(self, pods: Sequence[int], now_seconds: float) -> None:
        started = self._clock()
        self._chooser.queued(self._table, [self._pods[pod] for pod in pods], now_seconds)
        self._decision_seconds += self._clock() - started
        for pod in pods:
            if not self._place(pod, now_seconds):
                self._since[pod] = now_seconds
                self._waiting = np.append(self._waiting, pod)

    def _place(self, pod: int, now_seconds: float) -> bool:
        subject = self._pods[pod]
        started = self._clock()
        node = self._chooser.choose(self._table, subject, now_seconds)
        self._decision_seconds += self._clock() - started
        self._decisions += 1
        if node == NOWHERE:
            return False
        if np.isnan(self._placed[pod]):
            self._placed[pod] = now_seconds
        self._put(pod, node, now_seconds)
        departure = now_seconds + self._remaining[pod]
        self._departs[pod] = departure
        if departure != float("inf"):
            self.expect(departure, _Departure(pod))
        return True

    def _put(self, pod: int, node: int, now_seconds: float) -> None:
        self._table.assign(self._pods[pod], node)
        self._node_of_pod[pod] = node
        self._pods_of_node[node][pod] = None
        self._record.change(now_seconds, node, self._table)
        self._chooser.placed(self._pods[pod], node, now_seconds)

    def _take(self, pod: int, now_seconds: float) -> int:
        """Remove a pod from its node, and say which that was."""
        node = int(self._node_of_pod[pod])
        self._table.release(self._pods[pod], node)
        del self._pods_of_node[node][pod]
        self._record.change(now_seconds, node, self._table)
        self._chooser.left(self._pods[pod], node, now_seconds)
        return node

    def _depart(self, pod: int, now_seconds: float) -> None:
        node = self._take(pod, now_seconds)
        self._departs[pod] = float("inf")
        self._retry(now_seconds, node)

    def _change_nodes(self, change: _NodeChange, now_seconds: float) -> None:
        """Nodes that fail together are cordoned before the pods of any are placed anew."""
        if change.kind is NodeEventKind.RETURN:
            for node in change.nodes:
                self._table.uncordon(node)
                self._retry(now_seconds, node)
            return
        for node in change.nodes:
            self._table.cordon(node)
        pods = [pod for node in change.nodes for pod in self._pods_of_node[node]]
        for pod in pods:
            self._take(pod, now_seconds)
            self._node_of_pod[pod] = NOWHERE
            self._remaining[pod] = self._departs[pod] - now_seconds
        self._displaced += len(pods)
        self._place_queue(pods, now_seconds)

    def _move(self, mover: Mover, now_seconds: float) -> None:
        if not self._number_of:
            self._number_of = _numbers(self._pods)
        residents = [[self._pods[pod] for pod in pods] for pods in self._pods_of_node]
        started = self._clock()
        wanted = mover.moves(self._table, residents, now_seconds)
        self._decision_seconds += self._clock() - started
        pods = [self._number_of[move.pod.namespace, move.pod.name] for move in wanted]
        for batch in [range(len(pods))] if mover.at_once else [[n] for n in range(len(pods))]:
            for number in batch:
                self._evict(wanted[number], pods[number], now_seconds)
            for number in batch:
                self._land(wanted[number], pods[number], now_seconds)
        for node in sorted({move.source for move in wanted}):
            self._retry(now_seconds, node)

    def _evict(self, move: Move, pod: int, now_seconds: float) -> None:
        if self._node_of_pod[pod] != move.source:
            raise InputError(f"pod {move.pod.name} is not on node {move.source}")
        self._take(pod, now_seconds)

    def _land(self, move: Move, pod: int, now_seconds: float) -> None:
        if not feasible(self._table, move.pod)[move.target]:
            raise InputError(f"pod {move.pod.name} cannot be moved to node {move.target}")
        self._put(pod, move.target, now_seconds)
        self._record.move(now_seconds, move.target, move.pod.requests.cpu_millicores)

    def _retry(self, now_seconds: float, node: int) -> None:
        """Try the waiting pods that the node which just gained room could take.

        A pod with constraints may fit elsewhere now, so it is tried in any case.
        """
        waiting = self._waiting
        if not len(waiting):
            return
        placed = []
        for pod in waiting[self._room(waiting, node) | self._constrained[waiting]].tolist():
            # An earlier one may have taken the room; then the policy need not be asked.
            may_fit = self._constrained[pod] or self._room(np.array([pod]), node)[0]
            if may_fit and self._place(pod, now_seconds):
                self._waited += now_seconds - self._since[pod]
                placed.append(pod)
        if placed:
            self._waiting = self._waiting[~np.isin(self._waiting, placed)]

    def _room(self, pods: NDArray[np.int64], node: int) -> NDArray[np.bool_]:
        cpu = self._cpu_of_pod[pods] <= self._table.free_cpu_millicores[node]
        fits: NDArray[np.bool_] = cpu & (
            self._memory_of_pod[pods] <= self._table.free_memory_bytes[node]
        )
        return fits


class _Record:
    """Columns of what happened, in order of time."""

    def __init__(self) -> None:
        self.seconds, self.node = array("d"), array("q")
        self.cpu_millicores, self.pods = array("q"), array("q")
        self.move_seconds, self.move_target = array("d"), array("q")
        self.move_cpu_millicores = array("q")

    def change(self, now_seconds: float, node: int, table: NodeTable) -> None:
        """Note what a node carries now."""
        self.seconds.append(now_seconds)
        self.node.append(node)
        self.cpu_millicores.append(int(table.requested_cpu_millicores[node]))
        self.pods.append(int(table.pod_count[node]))

    def move(self, now_seconds: float, target: int, cpu_millicores: int) -> None:
        """Note an eviction."""
        self.move_seconds.append(now_seconds)
        self.move_target.append(target)
        self.move_cpu_millicores.append(cpu_millicores)


def _moment(event: NodeEvent) -> tuple[float, NodeEventKind]:
    return event.seconds, event.kind


def _numbers(pods: Sequence[Pod]) -> dict[tuple[str, str], int]:
    numbers = {(pod.namespace, pod.name): number for number, pod in enumerate(pods)}
    if len(numbers) != len(pods):
        raise InputError("two pods of a stream have the same name, so they cannot be moved")
    return numbers
