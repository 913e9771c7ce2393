"""Re-packing a whole fleet every few hours: what moves bring by a simple rule, if they are free.

A reference, not a policy to ship: it evicts as many pods as it likes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment
from typing_extensions import override

from cluster.constraints import HOSTNAME_LABEL
from cluster.model import Node, Pod
from cluster.scheduling.feasibility import feasible
from cluster.scheduling.profile import ENERGY_TIER_LABEL, ENERGY_TIERS
from cluster.scheduling.table import NodeTable
from energy.units import SECONDS_PER_HOUR
from pricing.moves.move import Move
from simulator.chooser import Mover

REPACK = "repack"
INTERVAL_SECONDS = 3 * SECONDS_PER_HOUR
REASON = "re-packed by tier, first fit decreasing"


class Repacking(Mover):
    """All running pods anew: the largest first, each on the first node of the best tier."""

    @property
    @override
    def interval_seconds(self) -> float:
        """Three hours."""
        return INTERVAL_SECONDS

    @property
    @override
    def at_once(self) -> bool:
        """All pods step out before the first lands: this is a reference."""
        return True

    @override
    def moves(
        self, table: NodeTable, pods_of_node: Sequence[Sequence[Pod]], now_seconds: float
    ) -> Sequence[Move]:
        """Moves in an order in which each pod may land when its turn comes; none if not all fit."""
        placed = [(pod, node) for node, pods in enumerate(pods_of_node) for pod in pods]
        targets = first_fit_decreasing(table, [pod for pod, _ in placed])
        if targets is None:
            return ()
        where = _least_moving(table, placed, targets)
        stay, wanted = [], []
        for (pod, node), target in zip(placed, targets, strict=True):
            if node == where[target]:
                stay.append((pod, node))
            else:
                move = Move(pod=pod, source=node, target=where[target], reason=REASON)
                wanted.append(move)
        return _landing_order(_filled(table, stay), wanted)


def first_fit_decreasing(table: NodeTable, pods: Sequence[Pod]) -> list[int] | None:
    """A node for each pod on an otherwise empty fleet; None where one fits nowhere any more.

    Pods with constraints come first, then the larger ones by cores.
    """
    scratch = _filled(table, ())
    order = np.argsort([_tier(node) for node in table.nodes], kind="stable")
    targets = [0] * len(pods)
    largest_first = sorted(
        range(len(pods)),
        key=lambda index: (not pods[index].constrained, -pods[index].requests.cpu_millicores),
    )
    for index in largest_first:
        fits = feasible(scratch, pods[index])[order]
        first = int(fits.argmax())
        if not fits[first]:
            return None
        targets[index] = int(order[first])
        scratch.assign(pods[index], targets[index])
    return targets


def _least_moving(
    table: NodeTable, placed: Sequence[tuple[Pod, int]], targets: Sequence[int]
) -> dict[int, int]:
    """Which node stands for each target, swapped among equal nodes so that most cores stay."""
    stays = np.zeros((len(table), len(table)))
    for (pod, source), target in zip(placed, targets, strict=True):
        stays[target, source] += pod.requests.cpu_millicores
    groups: dict[object, list[int]] = {}
    for index, node in enumerate(table.nodes):
        if not table.unschedulable[index]:
            groups.setdefault(_kind(node), []).append(index)
    where: dict[int, int] = {}
    for group in groups.values():
        members = np.array(group, dtype=np.int64)
        rows, columns = linear_sum_assignment(stays[np.ix_(members, members)], maximize=True)
        where.update(zip(members[rows].tolist(), members[columns].tolist(), strict=True))
    return where


def _landing_order(table: NodeTable, wanted: Sequence[Move]) -> list[Move]:
    """The moves so that pods which must spread over zones land in turn; the others come first.

    Wherever the end state keeps to the skew some next pod does, so all find their turn.
    """
    ordered: list[Move] = []
    pending = sorted(wanted, key=lambda move: bool(move.pod.topology_spread))
    while pending:
        blocked = []
        for move in pending:
            spreads = bool(move.pod.topology_spread)
            if spreads and not feasible(table, move.pod)[move.target]:
                blocked.append(move)
            else:
                table.assign(move.pod, move.target)
                ordered.append(move)
        if len(blocked) == len(pending):
            return []
        pending = blocked
    return ordered


def _filled(table: NodeTable, placed: Sequence[tuple[Pod, int]]) -> NodeTable:
    """A table of the same nodes with the same cordons, and only the given pods."""
    other = NodeTable.of(table.nodes, table.namespace_labels)
    for node in np.flatnonzero(table.unschedulable).tolist():
        other.cordon(node)
    for pod, node in placed:
        other.assign(pod, node)
    return other


def _kind(node: Node) -> object:
    """What must be equal for two nodes to change places: all but their names."""
    labels = {key: value for key, value in node.labels.items() if key != HOSTNAME_LABEL}
    return node.allocatable, node.pods_max, tuple(sorted(labels.items())), node.taints


def _tier(node: Node) -> int:
    """A node's energy tier; one without a label comes last."""
    return int(node.labels.get(ENERGY_TIER_LABEL, ENERGY_TIERS))
