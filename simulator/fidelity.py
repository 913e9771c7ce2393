"""How faithfully our scheduling model follows a real kube-scheduler on the same pods.

Two questions. Left to itself, does the model end with the same watts on as many nodes? And pod by
pod, with the real placements before it forced into the model, is the real choice one of the
model's best? The second hides no error behind another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cluster.model import Node, Pod
from cluster.scheduling.feasibility import feasible
from cluster.scheduling.profile import SchedulerProfile
from cluster.scheduling.scheduler import Extender, schedule_one, total_scores
from cluster.scheduling.table import NodeTable
from cluster.scheduling.tie import TieState
from simulator.chooser import NOWHERE


def simulated_placement(
    nodes: Sequence[Node],
    pods: Sequence[Pod],
    profile: SchedulerProfile,
    ties: TieState,
    extender: Extender | None = None,
) -> NDArray[np.int64]:
    """Row of the node that the model gives each pod, in order; `NOWHERE` where none fits."""
    table = NodeTable.of(nodes)
    node_of_pod = np.full(len(pods), NOWHERE, dtype=np.int64)
    for number, pod in enumerate(pods):
        placement = schedule_one(table, pod, profile, ties, extender)
        if placement is not None:
            table.assign(pod, placement.index)
            node_of_pod[number] = placement.index
    return node_of_pod


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """A pod that went where our model would not have let it: its number, and the two nodes.

    `points` is how far below the model's best total the real choice lies there, None where the
    model calls it infeasible. `NOWHERE` stands for no node.
    """

    pod: int
    chosen: int
    expected: int
    points: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A real run against the model, decision by decision."""

    decisions: int
    disagreements: tuple[Disagreement, ...]

    @property
    def agreement_ratio(self) -> float:
        """Part of the pods whose real node is one of the model's best."""
        return 1.0 - len(self.disagreements) / self.decisions if self.decisions else 1.0


def replay(
    nodes: Sequence[Node],
    pods: Sequence[Pod],
    node_of_pod: NDArray[np.int64],
    profile: SchedulerProfile,
    extender: Extender | None = None,
) -> Replay:
    """Ask the model about each pod in the order in which the real scheduler took them.

    That is the order of the queue, the one in which the pods were created. The scheduler's cache
    holds every earlier choice, bound or not, so the table does too. All nodes are scored
    (fewer than 100 nodes, or percentageOfNodesToScore 100).
    """
    table = NodeTable.of(nodes)
    found = []
    for number, (pod, chosen) in enumerate(zip(pods, node_of_pod.tolist(), strict=True)):
        disagreement = _disagreement(table, pod, number, chosen, profile, extender)
        if disagreement is not None:
            found.append(disagreement)
        if chosen != NOWHERE:
            table.assign(pod, chosen)
    return Replay(decisions=len(pods), disagreements=tuple(found))


def _disagreement(
    table: NodeTable,
    pod: Pod,
    number: int,
    chosen: int,
    profile: SchedulerProfile,
    extender: Extender | None,
) -> Disagreement | None:
    added = profile.added_affinity
    rows = np.flatnonzero(feasible(table, pod, added.required if added else None))
    if not len(rows):
        expected, points = NOWHERE, None
        agreed = chosen == NOWHERE
    else:
        totals = total_scores(table, pod, profile, rows, len(rows))
        if extender is not None:
            totals = totals + extender(table, pod, rows)
        best = int(totals.max())
        expected = int(rows[totals.argmax()])
        place = np.flatnonzero(rows == chosen)
        points = best - int(totals[place[0]]) if len(place) else None
        agreed = points == 0
    if agreed:
        return None
    return Disagreement(pod=number, chosen=chosen, expected=expected, points=points)
