"""The shipped rule with lifetimes: among nodes of equal cost, pods that leave together."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from cluster.model import Pod
from cluster.scheduling.table import NodeTable
from pricing.lifetime_history import LifetimeHistory
from pricing.lifetime_packing import DepartureTable, choose_by_lifetime
from pricing.lifetimes import KnownLifetimes, LifetimeModel, ShuffledLifetimes
from pricing.mix_pricing import MixPricing
from pricing.queue_pricing import QueueOptions
from pricing.rules import FleetPower
from simulator.chooser import NOWHERE
from simulator.choosers import NEVER, PricedChooser
from simulator.stream import PodStream


class Knowledge(StrEnum):
    """What is known of lifetimes: the truth, what history says, or what it says of another pod."""

    KNOWN = "known"
    PREDICTED = "predicted"
    SHUFFLED = "shuffled"


class LifetimeChooser(PricedChooser):
    """`priced-envelope`, its ties broken by when pods are expected to leave."""

    def __init__(self, fleet: FleetPower, nodes: int, knowledge: Knowledge, seed: int) -> None:
        super().__init__(fleet, queue_pods_min=NEVER, options=QueueOptions(), mix=MixPricing(fleet))
        self._knowledge, self._seed = knowledge, seed
        self._history = LifetimeHistory()
        self._departures = DepartureTable(nodes, self._history.model(0.0))
        self._began_seconds: dict[tuple[str, str], float] = {}
        self._pods: tuple[Pod, ...] = ()
        self._known: KnownLifetimes | None = None
        self._fitted: LifetimeModel | None = None

    @override
    def foresee(self, stream: PodStream) -> None:
        """Learn the truth, for the control that knows it, and whose prediction is swapped."""
        self._pods = stream.pods
        if self._knowledge is Knowledge.KNOWN:
            lifetimes = zip(stream.pods, stream.lifetime_seconds.tolist(), strict=True)
            self._known = KnownLifetimes({(p.namespace, p.name): life for p, life in lifetimes})
            self._departures.model = self._known

    @override
    def single(
        self, table: NodeTable, pod: Pod, fits: NDArray[np.bool_], now_seconds: float
    ) -> int:
        """Among the feasible nodes of the least cost, the one that the pod keeps awake least."""
        self._refit(now_seconds)
        costs = np.where(fits, self.rule.costs(table, pod), np.inf)
        least = costs.min()
        if least == np.inf:
            return NOWHERE
        equals = np.flatnonzero(costs == least)
        return choose_by_lifetime(table, self._departures, pod, equals, now_seconds).node

    @override
    def placed(self, pod: Pod, node: int, now_seconds: float) -> None:
        """Note the pod, with its age if it was moved."""
        super().placed(pod, node, now_seconds)
        self._history.arrived(pod, now_seconds)
        began = self._began_seconds.setdefault((pod.namespace, pod.name), now_seconds)
        self._departures.placed(pod, node, now_seconds, age_seconds=now_seconds - began)

    @override
    def left(self, pod: Pod, node: int, now_seconds: float) -> None:
        """Note that the pod has left the node."""
        super().left(pod, node, now_seconds)
        self._history.left(pod, now_seconds)
        self._departures.left(pod, node)

    def _refit(self, now_seconds: float) -> None:
        if self._known is not None:
            return
        fitted = self._history.model(now_seconds)
        if fitted is self._fitted:
            return
        self._fitted = fitted
        self._departures.model = (
            ShuffledLifetimes(fitted, self._pods, self._seed)
            if self._knowledge is Knowledge.SHUFFLED
            else fitted
        )
