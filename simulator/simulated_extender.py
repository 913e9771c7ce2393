"""Our extender without its process: its own core, asked and told by a simulated scheduler.

What differs from the process: a pod is bound at once, and programs are solved at once instead of
beside the requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cluster.model import Pod
from cluster.scheduling.profile import SchedulerProfile
from cluster.scheduling.scheduler import schedule_one
from cluster.scheduling.table import Int64s, NodeTable
from cluster.scheduling.tie import Indices, TieState
from energy.catalogue import Catalogue
from extender.core import Core
from extender.options import CoreOptions
from simulator.chooser import NOWHERE
from simulator.extender_chooser import POINTS_PER_SCORE
from simulator.fleet import Fleet

DECISION_SECONDS = 0.003


class SimulatedExtender:
    """A core that follows a simulated cluster; `points` is a `cluster.scheduling` extender."""

    def __init__(
        self, fleet: Fleet, catalogue: Catalogue, options: CoreOptions, weight: int
    ) -> None:
        """Follow a fleet whose nodes carry what `catalogue` finds their profiles by."""
        self._weight, self._seconds = weight, 0.0
        self._scheduler_name = options.scheduler_names[0]
        self._core = Core(options, now=lambda: self._seconds, catalogue=catalogue)
        for node in fleet.nodes:
            self._core.node_changed(None, node)
        self._core.went_live()

    def queued(self, pods: Sequence[Pod]) -> None:
        """These pods wait for the scheduler."""
        for pod in pods:
            self._core.pod_changed(_key(pod), self._waiting(pod))
        self._solve()

    def points(self, table: NodeTable, pod: Pod, rows: Indices) -> Int64s:
        """What kube-scheduler adds for each candidate row."""
        self._seconds += DECISION_SECONDS
        named = {"namespace": pod.namespace, "name": pod.name, "uid": _key(pod)}
        names = [table.nodes[row].name for row in rows.tolist()]
        scores = self._core.prioritize({"metadata": named}, names)
        return np.array(scores, dtype=np.int64) * (self._weight * POINTS_PER_SCORE)

    def bound(self, pod: Pod, node_name: str) -> None:
        """The scheduler has bound a pod."""
        self._core.pod_changed(_key(pod), replace(self._waiting(pod), node_name=node_name))
        self._solve()

    def _waiting(self, pod: Pod) -> Pod:
        return replace(pod, uid=_key(pod), scheduler_name=self._scheduler_name)

    def _solve(self) -> None:
        self._core.refresh()
        job = self._core.job()
        if job is not None:
            self._core.solved(job.solve(lambda: 0.0))


def extended_placement(
    fleet: Fleet,
    pods: Sequence[Pod],
    profile: SchedulerProfile,
    ties: TieState,
    extender: SimulatedExtender,
) -> NDArray[np.int64]:
    """Row of the node that a scheduler with this extender gives each pod of a queue, in order."""
    table = NodeTable.of(fleet.nodes)
    node_of_pod = np.full(len(pods), NOWHERE, dtype=np.int64)
    extender.queued(pods)
    for number, pod in enumerate(pods):
        placement = schedule_one(table, pod, profile, ties, extender.points)
        if placement is not None:
            table.assign(pod, placement.index)
            extender.bound(pod, placement.node_name)
            node_of_pod[number] = placement.index
    return node_of_pod


def _key(pod: Pod) -> str:
    return f"{pod.namespace}/{pod.name}"
