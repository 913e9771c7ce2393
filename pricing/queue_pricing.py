"""Prices for a queue that can be seen: solved when it forms, and again as it is worked off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cluster.model import Pod
from cluster.scheduling.table import NodeTable
from pricing.bid_price import BidPrice, BookingLimit, Bookings
from pricing.demand import ExpectedDemand, admitting, of_queue, together
from pricing.fleet_state import FleetState
from pricing.price_program import PriceProgram
from pricing.prices import BidPrices, Pricer
from pricing.rules import FleetPower

# Shorter queues are placed like single pods (docs/decisions/0007-which-rule-ships.md).
QUEUE_PODS_MIN = 10
# Placements between two solves: with booking limits more solves hardly help.
SOLVE_EVERY_PODS = 20
# A burst is solved once cold; re-solving is a hundred times faster.
DEADLINE_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueOptions:
    """How a queue is priced; the defaults are what ships, the others are for comparisons.

    ``demand_ratio`` is what part of the queue is believed in, ``memory_priced`` whether memory is
    seen at all, ``booked`` whether booking limits are followed or bid prices alone.
    """

    solve_every_pods: int = SOLVE_EVERY_PODS
    booked: bool = True
    memory_priced: bool = True
    demand_ratio: float = 1.0
    deadline_seconds: float = DEADLINE_SECONDS


class QueuePricing:
    """The rule for the pods of one queue; told of every placement, it prices the rest anew."""

    def __init__(  # noqa: PLR0913 - the last three have defaults
        self,
        fleet: FleetPower,
        table: NodeTable,
        pods: Sequence[Pod],
        now_seconds: float,
        options: QueueOptions = QueueOptions(),
        *,
        demand: ExpectedDemand | None = None,
        beyond: ExpectedDemand | None = None,
    ) -> None:
        """Solve for a queue.

        ``demand`` is priced in its stead where it is given; ``beyond`` is expected to come after
        it, so that the queue leaves room for that.
        """
        self._fleet, self._options = fleet, options
        admits = admitting(table, fleet.classes) if _restricted(table, pods) else None
        self._is_queue = demand is None
        self._shape_of_pod: dict[tuple[str, str], int] = {}
        if demand is None:
            demand, shapes = of_queue(pods, admits)
            keys = [(pod.namespace, pod.name) for pod in pods]
            self._shape_of_pod = dict(zip(keys, shapes.tolist(), strict=True))
            if beyond is not None:
                demand = together(demand, beyond, len(fleet.classes.classes))
        self._left = demand.counts * options.demand_ratio
        shapes_priced = demand.shapes
        if not options.memory_priced:
            shapes_priced = replace(shapes_priced, memory_bytes=np.zeros(len(shapes_priced)))
        program = PriceProgram(
            fleet.classes.classes,
            shapes_priced,
            usage_ratio=fleet.usage_ratio,
            nodes_may_sleep=fleet.nodes_may_sleep,
            allowed=demand.allowed,
        )
        self._pricer = Pricer(program, deadline_seconds=options.deadline_seconds)
        self._since = 0
        self._solve(table, now_seconds)

    @property
    def prices(self) -> BidPrices:
        """The prices in force, with their source."""
        return self._prices

    @property
    def rule(self) -> BidPrice:
        """The rule at the prices in force."""
        return self._rule

    @property
    def bookings(self) -> Bookings:
        """What is left of the optimum behind the prices."""
        return self._bookings

    def refresh(self, table: NodeTable, now_seconds: float) -> None:
        """Price the rest of the queue anew if enough of it has been placed."""
        if self._since >= self._options.solve_every_pods:
            self._solve(table, now_seconds)

    def placed(self, pod: Pod, node: int) -> None:
        """Count a pod of the queue that was placed, or given up (a node below 0)."""
        self._since += 1
        shape = self._shape_of_pod.get((pod.namespace, pod.name))
        if shape is not None:
            self._left[shape] = max(0.0, self._left[shape] - self._options.demand_ratio)
        elif not self._is_queue:
            self._left *= max(0.0, 1.0 - 1.0 / max(1.0, self._left.sum()))
        if node >= 0:
            self._bookings.take(pod, int(self._fleet.classes.class_of_node[node]))

    def _solve(self, table: NodeTable, now_seconds: float) -> None:
        classes = self._fleet.classes
        state = FleetState.of_table(table, classes)
        if not self._options.memory_priced:
            state = replace(state, placed_memory_bytes=np.zeros(len(classes.classes)))
        self._prices = self._pricer.update(state, self._left, now_seconds)
        counts = self._prices.placed_counts
        if counts is None:
            counts = np.zeros((len(self._left), len(classes.classes)))
        self._bookings = Bookings(counts, self._shape_of_pod)
        self._rule = (
            BookingLimit(classes, self._prices, self._bookings)
            if self._options.booked
            else BidPrice(classes, self._prices)
        )
        self._since = 0


def _restricted(table: NodeTable, pods: Sequence[Pod]) -> bool:
    """Whether labels or taints keep any of the pods from any class."""
    return table.tainted or any(pod.constrained for pod in pods)
