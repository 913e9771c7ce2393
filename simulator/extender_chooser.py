"""kube-scheduler with our extender, in the loop: its own scores plus ours, ties at random.

The same ranks as the extender's (`extender.rankings`, `extender.scoring`) under the configuration
of deploy/scheduler. Programs are solved at once, where the extender solves them beside requests.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import numpy as np
from typing_extensions import override

from cluster.model import Pod
from cluster.scheduling.profile import (
    PluginWeights,
    SchedulerProfile,
    ScoringStrategy,
    ScoringStrategyType,
)
from cluster.scheduling.scheduler import schedule_one
from cluster.scheduling.table import Int64s, NodeTable
from cluster.scheduling.tie import Indices, TieRule, TieState
from extender.rankings import SHIPPED, Moment, Rankings
from extender.scoring import candidate_ranks, score_of_rank
from pricing.demand import ExpectedDemand
from pricing.rules import FleetPower, Rule
from simulator.chooser import NOWHERE, Chooser

#: deploy/scheduler/default-scheduler.yaml, compared with it by a test.
EXTENDER_WEIGHT: Final = 21
#: kube-scheduler multiplies an extender's 0 to 10 by this (MaxNodeScore / MaxExtenderPriority).
POINTS_PER_SCORE: Final = 10
PROFILE: Final = SchedulerProfile(
    weights=PluginWeights(
        taint_toleration=53,
        node_affinity=70,
        pod_topology_spread=1,
        inter_pod_affinity=35,
        node_resources_fit=1,
        balanced_allocation=0,
    ),
    strategy=ScoringStrategy(type=ScoringStrategyType.MOST_ALLOCATED),
    percentage_of_nodes_to_score=100,
)


class ExtenderChooser(Chooser):
    """What kube-scheduler chooses when the extender ranks."""

    def __init__(
        self, fleet: FleetPower, seed: int, expected: ExpectedDemand | None = None
    ) -> None:
        """Rank a fleet; ``expected`` is what the operator says is still to come."""
        self._nodes_may_sleep = fleet.nodes_may_sleep
        self._rankings = Rankings(SHIPPED, expected)
        self._rankings.take_over(fleet)
        self._ties = TieState(rule=TieRule.RANDOM, rng=np.random.default_rng([seed, 2]))
        self._queue: dict[str, Pod] = {}
        self._running = 0

    @property
    @override
    def rule(self) -> Rule | None:
        """The rule in force."""
        return self._rankings.rule()

    @override
    def queued(self, table: NodeTable, pods: Sequence[Pod], now_seconds: float) -> None:
        """These pods wait."""
        for pod in pods:
            self._queue[_key(pod)] = pod
        self._solve(table, now_seconds)

    @override
    def choose(self, table: NodeTable, pod: Pod, now_seconds: float) -> int:
        """Index of the chosen node, or ``NOWHERE``."""
        placement = schedule_one(table, pod, PROFILE, self._ties, self._extend)
        return NOWHERE if placement is None else placement.index

    @override
    def placed(self, pod: Pod, node: int, now_seconds: float) -> None:
        """A pod was bound."""
        self._queue.pop(_key(pod), None)
        self._running += 1
        self._rankings.placed(_key(pod), pod, node)

    @override
    def left(self, pod: Pod, node: int, now_seconds: float) -> None:
        """A pod has ended."""
        self._running -= 1
        self._rankings.left(pod)

    def _extend(self, table: NodeTable, pod: Pod, candidates: Indices) -> Int64s:
        rule = self._rankings.rule()
        if rule is None:
            return np.zeros(len(candidates), dtype=np.int64)
        rows = candidates.astype(np.int64)
        asleep = table.pod_count[rows] == 0 if self._nodes_may_sleep else None
        rank = candidate_ranks(rule, table, pod, rows, asleep=asleep)
        return score_of_rank(rank) * (EXTENDER_WEIGHT * POINTS_PER_SCORE)

    def _solve(self, table: NodeTable, now_seconds: float) -> None:
        job = self._rankings.job(
            Moment(table, table.pod_count), self._queue, self._running, now_seconds
        )
        if job is not None:
            self._rankings.publish(job.solve(time.perf_counter), self._queue)


def _key(pod: Pod) -> str:
    return f"{pod.namespace}/{pod.name}"
