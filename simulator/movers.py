"""Moves of running pods in the loop: the production planner under a budget of evictions."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.model import Pod
from cluster.scheduling.table import NodeTable
from pricing.moves.budget import EvictionBudget
from pricing.moves.move import Move
from pricing.moves.plan import plan_moves
from pricing.moves.saving import MoveTerms
from pricing.rules import FleetPower
from simulator.chooser import Chooser

# A drain is not urgent: ten minutes later it saves a hundredth of a day less.
INTERVAL_SECONDS = 600.0


class BudgetedMover:
    """Empties nodes by a policy's own rule, with so many evictions per running pod and day."""

    interval_seconds = INTERVAL_SECONDS
    at_once = False

    def __init__(self, fleet: FleetPower, chooser: Chooser, evictions_per_pod_day: float) -> None:
        self._fleet, self._chooser = fleet, chooser
        self._budget = EvictionBudget(evictions_per_pod_day)

    def moves(
        self,
        table: NodeTable,
        pods_of_node: Sequence[Sequence[Pod]],
        now_seconds: float,  # noqa: ARG002 - a Mover; the budget counts intervals
    ) -> Sequence[Move]:
        """What the budget allows now."""
        self._budget.accrue(int(table.pod_count.sum()), self.interval_seconds)
        rule = self._chooser.rule
        if rule is None or not self._budget.evictions:
            return ()
        planned = plan_moves(
            table,
            pods_of_node,
            self._fleet,
            rule,
            moves_max=self._budget.evictions,
            terms=MoveTerms(ownerless_may_move=True),
        )
        self._budget.spend(len(planned))
        return planned
