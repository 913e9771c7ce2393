"""The choosers behind the policies: rules of `pricing` and kube-scheduler's own, in the loop."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from cluster.model import Pod
from cluster.scheduling.feasibility import feasible
from cluster.scheduling.profile import SchedulerProfile
from cluster.scheduling.scheduler import schedule_one
from cluster.scheduling.table import NodeTable
from cluster.scheduling.tie import TieRule, TieState
from pricing.demand import ExpectedDemand, of_queue
from pricing.envelope import Envelope
from pricing.mix_pricing import MixPricing
from pricing.prices import BidPrices
from pricing.queue_pricing import QueueOptions, QueuePricing
from pricing.rules import FleetPower, Rule, packed_choice
from simulator.chooser import NOWHERE, Chooser, PriceMoment

MIX_SECONDS = 3600.0
NEVER = sys.maxsize
DemandOf: TypeAlias = Callable[[Sequence[Pod]], ExpectedDemand]


class RuleChooser(Chooser):
    """A rule of `pricing` in the loop: cheapest feasible node, packed among equals."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule

    @property
    @override
    def rule(self) -> Rule:
        """The rule."""
        return self._rule

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

    def __init__(self, profile: SchedulerProfile, rule: Rule | None = None) -> None:
        """Follow the profile; ``rule`` says the same of a pod that is moved."""
        self._profile, self._rule = profile, rule
        self._ties = TieState(rule=TieRule.IN_TREE)

    @property
    @override
    def rule(self) -> Rule | None:
        """The rule that was given."""
        return self._rule

    @override
    def choose(self, table: NodeTable, pod: Pod, now_seconds: float) -> int:
        """Index of the chosen node, or `NOWHERE`."""
        placement = schedule_one(table, pod, self._profile, self._ties)
        return NOWHERE if placement is None else placement.index


class PricedChooser(Chooser):
    """A queue of enough pods by its own prices, every other pod by the envelope rule.

    The envelope has the memory prices of the running mix, or none (``mix`` is None).
    """

    def __init__(
        self,
        fleet: FleetPower,
        *,
        queue_pods_min: int,
        options: QueueOptions,
        mix: MixPricing | None,
        demand_of: DemandOf | None = None,
    ) -> None:
        """Follow the options; ``demand_of`` is what is expected in a queue's stead."""
        self._fleet, self._mix, self._demand_of = fleet, mix, demand_of
        self._plain = Envelope(fleet)
        self._queue_pods_min, self._options = queue_pods_min, options
        self._pricing: QueuePricing | None = None
        self._noted: BidPrices | None = None
        self._price_moments: list[PriceMoment] = []

    @property
    @override
    def rule(self) -> Rule:
        """Where a pod goes that is in no queue."""
        return self._plain if self._mix is None else self._mix.rule

    @property
    @override
    def price_moments(self) -> Sequence[PriceMoment]:
        """Every solve of the running mix."""
        return self._price_moments

    @override
    def queued(self, table: NodeTable, pods: Sequence[Pod], now_seconds: float) -> None:
        """Price the queue, or forget the last one."""
        self._pricing = None
        if len(pods) >= self._queue_pods_min:
            demand = None if self._demand_of is None else self._demand_of(pods)
            self._pricing = QueuePricing(
                self._fleet, table, pods, now_seconds, self._options, demand=demand
            )
        elif self._mix is not None:
            self._mix.refresh(table, now_seconds)
            self._note(self._mix.prices, now_seconds)

    @override
    def placed(self, pod: Pod, node: int, now_seconds: float) -> None:
        """Count a pod of the mix."""
        if self._mix is not None:
            self._mix.placed(pod)

    @override
    def left(self, pod: Pod, node: int, now_seconds: float) -> None:
        """Count it no more."""
        if self._mix is not None:
            self._mix.left(pod)

    @override
    def choose(self, table: NodeTable, pod: Pod, now_seconds: float) -> int:
        """Index of the chosen node, or `NOWHERE`."""
        fits = feasible(table, pod)
        if self._pricing is None:
            return self.single(table, pod, fits, now_seconds)
        self._pricing.refresh(table, now_seconds)
        node = packed_choice(table, pod, fits, self._pricing.rule.costs(table, pod))
        self._pricing.placed(pod, node)
        return node

    def _note(self, prices: BidPrices | None, now_seconds: float) -> None:
        """Remember prices that are new, without the optimum behind them."""
        if prices is None or prices is self._noted:
            return
        self._noted = prices
        self._price_moments.append(
            PriceMoment(
                seconds=now_seconds,
                watts_per_core=prices.watts_per_core,
                watts_per_gibibyte=prices.watts_per_gibibyte,
                source=prices.source,
            )
        )

    def single(
        self,
        table: NodeTable,
        pod: Pod,
        fits: NDArray[np.bool_],
        now_seconds: float,  # noqa: ARG002 - for those that heed it
    ) -> int:
        """Where a pod goes that is in no queue."""
        return packed_choice(table, pod, fits, self.rule.costs(table, pod))


class MixChooser(Chooser):
    """Every pod by bid prices of what stands plus as many arrivals as the last hour saw."""

    def __init__(
        self, fleet: FleetPower, *, horizon_seconds: float = MIX_SECONDS, options: QueueOptions
    ) -> None:
        self._fleet, self._options = fleet, options
        self._horizon_seconds = horizon_seconds
        self._recent: deque[tuple[float, Pod]] = deque()
        self._pricing: QueuePricing | None = None
        self._since = 0

    @override
    def queued(self, table: NodeTable, pods: Sequence[Pod], now_seconds: float) -> None:
        """Count what arrives, and forget what came before the horizon."""
        self._recent.extend((now_seconds, pod) for pod in pods)
        # An empty node that fails makes an empty queue.
        while self._recent and self._recent[0][0] < now_seconds - self._horizon_seconds:
            self._recent.popleft()

    @override
    def choose(self, table: NodeTable, pod: Pod, now_seconds: float) -> int:
        """Index of the chosen node, or `NOWHERE`."""
        if self._pricing is None or self._since >= self._options.solve_every_pods:
            demand, _ = of_queue([recent for _, recent in self._recent])
            self._pricing = QueuePricing(
                self._fleet, table, (), now_seconds, self._options, demand=demand
            )
            self._since = 0
        self._since += 1
        costs = self._pricing.rule.costs(table, pod)
        return packed_choice(table, pod, feasible(table, pod), costs)
