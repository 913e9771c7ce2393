"""Run a stream of pods against a fleet under one policy: arrivals and departures in order of time.

A pod that fits nowhere waits; whenever a pod leaves, the waiting ones are tried again in their
order on what became free, as kube-scheduler's queue does. Its lifetime starts when it is placed,
so every policy does the same work unless pods are still pending at the end.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cluster.model import Node, Pod
from cluster.scheduling.table import NodeTable
from simulator.stream import PodStream

NOWHERE = -1


class Chooser(Protocol):
    """A policy in the loop: which node takes the pod now."""

    def choose(self, table: NodeTable, pod: Pod) -> int:
        """Index of the chosen node, or ``NOWHERE`` when the pod fits no node."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What happened: every change of a node, and where every pod ended.

    The four ``change_…`` arrays have one entry per placement or departure, in order of time:
    when, on which node, and what the node then carries. ``node_of_pod`` has one entry per pod,
    ``NOWHERE`` for those still pending at the end (or not arrived by then), and
    ``placed_seconds`` when, NaN likewise. ``arrived_pods`` counts those that came before the end.
    """

    change_seconds: NDArray[np.float64]
    change_node: NDArray[np.int64]
    change_cpu_millicores: NDArray[np.int64]
    change_pods: NDArray[np.int64]
    node_of_pod: NDArray[np.int64]
    placed_seconds: NDArray[np.float64]
    arrived_pods: int
    end_seconds: float
    decisions: int
    decision_seconds: float
    waited_pod_seconds: float

    @property
    def pending_pods(self) -> int:
        """Pods that had not been placed when the run ended."""
        return self.arrived_pods - int((self.node_of_pod != NOWHERE).sum())

    @property
    def decisions_per_second(self) -> float:
        """Placement decisions per second of the policy's own time."""
        return self.decisions / self.decision_seconds if self.decision_seconds > 0 else 0.0


def run(
    nodes: Sequence[Node],
    stream: PodStream,
    chooser: Chooser,
    *,
    end_seconds: float,
    clock: Callable[[], float],
    advance: Callable[[int], None] = lambda _: None,
) -> Run:
    """Place the stream's pods until ``end_seconds``.

    Args:
        nodes: the fleet, empty at the start.
        stream: the pods; those that arrive after the end are left out of the run.
        chooser: the policy.
        end_seconds: when the run ends.
        clock: monotonic seconds, to time the decisions (wall time, not simulated time).
        advance: told how many pods arrived, for a progress bar.
    """
    loop = _Loop(NodeTable.of(nodes), stream, chooser, clock)
    arrivals = stream.arrival_seconds.tolist()
    for pod, arrival in enumerate(arrivals):
        if arrival > end_seconds:
            break
        loop.depart_until(arrival)
        loop.arrive(pod, arrival)
        advance(1)
    loop.depart_until(end_seconds)
    return loop.finish(end_seconds)


class _Loop:
    """The state of a run: the table, the departures to come, the pods that wait."""

    def __init__(
        self, table: NodeTable, stream: PodStream, chooser: Chooser, clock: Callable[[], float]
    ) -> None:
        self._table, self._stream, self._chooser, self._clock = table, stream, chooser, clock
        self._lifetimes = stream.lifetime_seconds.tolist()
        self._cpu_of_pod = np.array([pod.requests.cpu_millicores for pod in stream.pods])
        self._memory_of_pod = np.array([pod.requests.memory_bytes for pod in stream.pods])
        self._departures: list[tuple[float, int, int]] = []
        self._waiting = np.zeros(0, dtype=np.int64)
        self._since = np.full(len(stream), np.nan)
        self._placed = np.full(len(stream), np.nan)
        self._arrived = 0
        self._node_of_pod = np.full(len(stream), NOWHERE, dtype=np.int64)
        self._seconds, self._node = array("d"), array("q")
        self._cpu, self._pods = array("q"), array("q")
        self._decisions, self._decision_seconds, self._waited = 0, 0.0, 0.0

    def arrive(self, pod: int, now_seconds: float) -> None:
        """Place a pod or let it wait."""
        self._arrived += 1
        if not self._place(pod, now_seconds):
            self._since[pod] = now_seconds
            self._waiting = np.append(self._waiting, pod)

    def depart_until(self, now_seconds: float) -> None:
        """Let every pod leave whose time has come, and retry those that wait."""
        while self._departures and self._departures[0][0] <= now_seconds:
            when, pod, node = heapq.heappop(self._departures)
            self._table.release(self._stream.pods[pod], node)
            self._note(when, node)
            if len(self._waiting):
                self._retry(when, node)

    def finish(self, end_seconds: float) -> Run:
        """The record of the run."""
        self._waited += float((end_seconds - self._since[self._waiting]).sum())
        return Run(
            change_seconds=np.array(self._seconds, dtype=np.float64),
            change_node=np.array(self._node, dtype=np.int64),
            change_cpu_millicores=np.array(self._cpu, dtype=np.int64),
            change_pods=np.array(self._pods, dtype=np.int64),
            node_of_pod=self._node_of_pod,
            placed_seconds=self._placed,
            arrived_pods=self._arrived,
            end_seconds=end_seconds,
            decisions=self._decisions,
            decision_seconds=self._decision_seconds,
            waited_pod_seconds=self._waited,
        )

    def _place(self, pod: int, now_seconds: float) -> bool:
        subject = self._stream.pods[pod]
        started = self._clock()
        node = self._chooser.choose(self._table, subject)
        self._decision_seconds += self._clock() - started
        self._decisions += 1
        if node == NOWHERE:
            return False
        self._table.assign(subject, node)
        self._node_of_pod[pod] = node
        self._placed[pod] = now_seconds
        self._note(now_seconds, node)
        departure = now_seconds + self._lifetimes[pod]
        if departure != float("inf"):
            heapq.heappush(self._departures, (departure, pod, node))
        return True

    def _retry(self, now_seconds: float, node: int) -> None:
        """Try the waiting pods that the node which just gained room could take."""
        table, placed = self._table, []
        fits = (self._cpu_of_pod[self._waiting] <= table.free_cpu_millicores[node]) & (
            self._memory_of_pod[self._waiting] <= table.free_memory_bytes[node]
        )
        for pod in self._waiting[fits].tolist():
            # An earlier one may have taken the room; then the policy need not be asked.
            room = (
                self._cpu_of_pod[pod] <= table.free_cpu_millicores[node]
                and self._memory_of_pod[pod] <= table.free_memory_bytes[node]
            )
            if room and self._place(pod, now_seconds):
                self._waited += now_seconds - self._since[pod]
                placed.append(pod)
        if placed:
            self._waiting = self._waiting[~np.isin(self._waiting, placed)]

    def _note(self, now_seconds: float, node: int) -> None:
        self._seconds.append(now_seconds)
        self._node.append(node)
        self._cpu.append(int(self._table.requested_cpu_millicores[node]))
        self._pods.append(int(self._table.pod_count[node]))
