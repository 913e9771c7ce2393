"""The choosers behind the policies: rules of `pricing` and kube-scheduler's own, in the loop."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from typing_extensions import override

from cluster.model import Pod
from cluster.scheduling.feasibility import feasible
from cluster.scheduling.profile import SchedulerProfile
from cluster.scheduling.scheduler import schedule_one
from cluster.scheduling.table import NodeTable
from cluster.scheduling.tie import TieRule, TieState
from pricing.queue_pricing import QueueOptions, QueuePricing
from pricing.rules import FleetPower, Rule, packed_choice
from simulator.chooser import NOWHERE, Chooser


class RuleChooser(Chooser):
    """A rule of `pricing` in the loop: cheapest feasible node, packed among equals."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule

    @override
    def choose(self, table: NodeTable, pod: Pod, now_seconds: float) -> int:
        """Index of the chosen node, or `NOWHERE`."""
        return packed_choice(table, pod, feasible(table, pod), self._rule.costs(table, pod))


class RandomChooser(Chooser):
    """Any feasible node, each as likely."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    @override
    def choose(self, table: NodeTable, pod: Pod, now_seconds: float) -> int:
        """Index of the chosen node, or `NOWHERE`."""
        candidates = np.flatnonzero(feasible(table, pod))
        return int(self._rng.choice(candidates)) if len(candidates) else NOWHERE


class RoundRobinChooser(Chooser):
    """The next feasible node in the order of the fleet."""

    def __init__(self) -> None:
        self._next = 0

    @override
    def choose(self, table: NodeTable, pod: Pod, now_seconds: float) -> int:
        """Index of the chosen node, or `NOWHERE`."""
        candidates = np.flatnonzero(feasible(table, pod))
        if not len(candidates):
            return NOWHERE
        later = candidates[candidates >= self._next]
        chosen = int(later[0] if len(later) else candidates[0])
        self._next = chosen + 1
        return chosen


class SchedulerChooser(Chooser):
    """kube-scheduler's own rules in the loop, its ties as without an extender."""

    def __init__(self, profile: SchedulerProfile) -> None:
        self._profile = profile
        self._ties = TieState(rule=TieRule.IN_TREE)

    @override
    def choose(self, table: NodeTable, pod: Pod, now_seconds: float) -> int:
        """Index of the chosen node, or `NOWHERE`."""
        placement = schedule_one(table, pod, self._profile, self._ties)
        return NOWHERE if placement is None else placement.index


class QueueChooser(Chooser):
    """A queue of enough pods by its own prices, every other pod by a rule."""

    def __init__(
        self, fleet: FleetPower, rule: Rule, *, queue_pods_min: int, options: QueueOptions
    ) -> None:
        self._fleet, self._rule = fleet, rule
        self._queue_pods_min, self._options = queue_pods_min, options
        self._pricing: QueuePricing | None = None

    @override
    def queued(self, table: NodeTable, pods: Sequence[Pod], now_seconds: float) -> None:
        """Price the queue, or forget the last one."""
        self._pricing = None
        if len(pods) >= self._queue_pods_min:
            self._pricing = QueuePricing(self._fleet, table, pods, now_seconds, self._options)

    @override
    def choose(self, table: NodeTable, pod: Pod, now_seconds: float) -> int:
        """Index of the chosen node, or `NOWHERE`."""
        fits = feasible(table, pod)
        if self._pricing is None:
            return packed_choice(table, pod, fits, self._rule.costs(table, pod))
        self._pricing.refresh(table, now_seconds)
        node = packed_choice(table, pod, fits, self._pricing.rule.costs(table, pod))
        self._pricing.placed(pod, node)
        return node
