"""Which few evictions save the most: nodes that can be emptied onto the others, best value first.

A node is worth emptying if all of its pods land elsewhere at once, by the same rule that places new
pods, and if what the fleet saves within a horizon pays for starting the pods again, for shutting
the node down and for waking others. Of all nodes the one that saves the most per eviction goes
first, then the next on the state it leaves, until the budget or the savings end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cluster.model import Pod
from cluster.scheduling.feasibility import feasible
from cluster.scheduling.table import NodeTable
from energy.units import SECONDS_PER_HOUR, kilowatt_hours
from pricing.moves.move import Move
from pricing.moves.saving import MoveTerms, Savings
from pricing.rules import FleetPower, Rule, packed_choice

# Pods of these owners belong to their node: they leave with it, and need not be moved.
NODE_BOUND_KINDS = frozenset({"DaemonSet", "Node"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drain:
    """Emptying one node: the moves in order, and what each saves."""

    moves: tuple[Move, ...]
    joules_per_move: float


def plan_moves(
    table: NodeTable,
    pods_of_node: Sequence[Sequence[Pod]],
    fleet: FleetPower,
    rule: Rule,
    *,
    moves_max: int,
    terms: MoveTerms | None = None,
) -> list[Move]:
    """The moves to make now, in an order in which each lands while the later ones wait.

    Args:
        table: the state; it is changed while planning, and left as it was.
        pods_of_node: the pods of each row of the table.
        fleet: the power of the table's nodes.
        rule: where a moved pod goes.
        moves_max: how many evictions there are.
        terms: when a move is worth it.
    """
    planner = _Planner(table, [list(pods) for pods in pods_of_node], fleet, rule, terms)
    planned: list[Move] = []
    while len(planned) < moves_max:
        best = planner.best(moves_max - len(planned))
        if best is None:
            break
        planner.carry_out(best.moves)
        planned.extend(best.moves)
    planner.undo(planned)
    return planned


class _Planner:
    def __init__(
        self,
        table: NodeTable,
        pods_of_node: list[list[Pod]],
        fleet: FleetPower,
        rule: Rule,
        terms: MoveTerms | None,
    ) -> None:
        self._table, self._pods_of_node, self._rule = table, pods_of_node, rule
        self._terms = terms or MoveTerms()
        self._savings = Savings(fleet)
        self._node_bound_pods = np.array([sum(map(_node_bound, pods)) for pods in pods_of_node])
        # What these carry has just been moved: to move it again would be one eviction too many.
        self._receivers = np.zeros(len(table), dtype=np.bool_)

    def best(self, moves_max: int) -> _Drain | None:
        """The node to empty that saves the most per eviction; None if none is worth it."""
        watts = self._savings.node_watts(self._table, self._node_bound_pods)
        counts = np.array([len(self._movable(pods)) for pods in self._pods_of_node])
        candidates = np.flatnonzero((counts > 0) & (counts <= moves_max) & ~self._receivers)
        most = self._savings.most_joules(watts, self._terms.horizon_seconds)[candidates]
        most /= counts[candidates]
        best: _Drain | None = None
        least = self._terms.saving_joules_min
        # In the order of what each could save at most, so that the rest need not be tried.
        for place in np.argsort(-most, kind="stable"):
            if most[place] <= least:
                break
            drain = self._drain(int(candidates[place]), watts)
            if drain is not None and drain.joules_per_move > least:
                best, least = drain, drain.joules_per_move
        return best

    def carry_out(self, moves: Sequence[Move]) -> None:
        """Make moves on the table, so that the next drain is planned on what they leave."""
        for move in moves:
            self._shift(move.pod, move.source, move.target)
            self._pods_of_node[move.source].remove(move.pod)
            self._pods_of_node[move.target].append(move.pod)
            self._receivers[move.target] = True

    def undo(self, moves: Sequence[Move]) -> None:
        """Take moves back on the table, last first."""
        for move in reversed(moves):
            self._shift(move.pod, move.target, move.source)

    def _drain(self, node: int, watts: NDArray[np.float64]) -> _Drain | None:
        """Empty a node by the rule, largest pods first; None if a pod finds no place."""
        asleep = self._table.pod_count == 0
        landed: list[tuple[Pod, int]] = []
        pods = sorted(
            self._movable(self._pods_of_node[node]), key=lambda pod: -pod.requests.cpu_millicores
        )
        for pod in pods:
            target = self._target(pod, node)
            if target < 0:
                break
            landed.append((pod, target))
        after = self._savings.node_watts(self._table, self._node_bound_pods)
        for pod, target in reversed(landed):
            self._shift(pod, target, node)
        if len(landed) < len(pods):
            return None
        saved_watts = float((watts - after).sum())
        reason = self._reason(node, saved_watts, len(pods))
        moves = tuple(
            Move(pod=pod, source=node, target=target, reason=reason) for pod, target in landed
        )
        woken = sorted({target for _, target in landed if asleep[target]})
        cost_joules = self._savings.cost_joules(moves, node, woken)
        net_joules = saved_watts * self._terms.horizon_seconds - cost_joules
        return _Drain(moves=moves, joules_per_move=net_joules / len(moves))

    def _movable(self, pods: Sequence[Pod]) -> list[Pod]:
        """The pods that must be moved; none if one of them cannot be, since its node stays on."""
        movable = [pod for pod in pods if not _node_bound(pod)]
        if not self._terms.ownerless_may_move and any(pod.owner is None for pod in movable):
            return []
        return movable

    def _target(self, pod: Pod, source: int) -> int:
        """Move a pod off its node by the rule and say where to; -1 and unmoved if nowhere."""
        self._table.release(pod, source)
        fits = feasible(self._table, pod)
        fits[source] = False
        target = packed_choice(self._table, pod, fits, self._rule.costs(self._table, pod))
        self._table.assign(pod, target if target >= 0 else source)
        return target

    def _shift(self, pod: Pod, source: int, target: int) -> None:
        self._table.release(pod, source)
        self._table.assign(pod, target)

    def _reason(self, node: int, saved_watts: float, moves: int) -> str:
        hours = self._terms.horizon_seconds / SECONDS_PER_HOUR
        saved = kilowatt_hours(saved_watts * self._terms.horizon_seconds)
        evictions = "1 eviction" if moves == 1 else f"{moves} evictions"
        return (
            f"empties {self._table.nodes[node].name} with {evictions}: {saved_watts:.0f} W "
            f"less, {saved:.2f} kWh within {hours:g} h"
        )


def _node_bound(pod: Pod) -> bool:
    return pod.owner is not None and pod.owner.kind in NODE_BOUND_KINDS
