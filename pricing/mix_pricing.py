"""The envelope rule at slow prices of memory: those of the mix of pods that runs now."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cluster.model import Pod
from cluster.scheduling.table import NodeTable
from pricing.demand import ExpectedDemand
from pricing.envelope import Envelope
from pricing.fleet_state import FleetState
from pricing.node_class import CPU_MILLICORES_PER_CORE
from pricing.price_program import PriceProgram
from pricing.prices import BidPrices, Pricer, PriceSource
from pricing.rules import FleetPower
from pricing.terms import Shapes

# The running mix changes slowly; so do its prices.
SOLVE_EVERY_SECONDS = 900.0
DEADLINE_SECONDS = 2.0
# Of each new price, the part that enters the smoothed one: an hour's memory at four solves an hour.
# Where many placements are equally good the program's prices jump between them from solve to solve;
# as long as the mix hardly changes a mean of them is a price of that optimum too.
NEW_PRICE_RATIO = 0.25
STALE_SECONDS = 4 * SOLVE_EVERY_SECONDS

_Size: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class MixRequest:
    """The mix that runs at a moment, to be priced on ``state``, the open nodes without a pod.

    ``afresh``: it is another mix, so that the prices of the last one are no part of its mean.
    """

    demand: ExpectedDemand
    state: FleetState
    pods: int
    afresh: bool
    now_seconds: float


class MixPricing:
    """Keeps the envelope rule at the memory prices of the running mix.

    The mix is priced on an empty fleet: what a gigabyte of each class would be worth if all pods
    could be placed anew. That hardly moves from hour to hour, so neither does the rule, and pods do
    not scatter over classes that change places. Told of every pod that comes and goes.
    """

    def __init__(
        self, fleet: FleetPower, *, solve_every_seconds: float = SOLVE_EVERY_SECONDS
    ) -> None:
        self._fleet, self._solve_every_seconds = fleet, solve_every_seconds
        self._running: Counter[_Size] = Counter()
        self._solved_seconds = -np.inf
        self._priced_pods = 0
        self._prices: BidPrices | None = None
        self._memory_prices: NDArray[np.float64] | None = None
        # Whether the prices in force came of a program, so that the next ones may be mixed in.
        self._smooths = False
        self._rule = Envelope(fleet)

    def over(self, fleet: FleetPower) -> MixPricing:
        """The same running pods, to be priced on another fleet."""
        other = MixPricing(fleet, solve_every_seconds=self._solve_every_seconds)
        other._running = self._running.copy()
        return other

    @property
    def prices(self) -> BidPrices | None:
        """The prices in force with their source; None before the first pods."""
        return self._prices

    @property
    def rule(self) -> Envelope:
        """The rule at the prices in force."""
        return self._rule

    def placed(self, pod: Pod) -> None:
        """A pod runs."""
        self._running[_size(pod)] += 1

    def left(self, pod: Pod) -> None:
        """A pod runs no more."""
        size = _size(pod)
        self._running[size] -= 1
        if not self._running[size]:
            del self._running[size]

    def refresh(self, table: NodeTable, now_seconds: float) -> None:
        """Price the mix anew if it is time, or if there are twice as many pods as were priced."""
        request = self.request(table, now_seconds)
        if request is not None:
            self.publish(request, self.solve(request))

    def request(self, table: NodeTable, now_seconds: float) -> MixRequest | None:
        """What there is to solve now, if anything; a value that another thread may solve."""
        pods = self._running.total()
        grown = pods >= 2 * self._priced_pods
        due = now_seconds >= self._solved_seconds + self._solve_every_seconds
        if not (pods and (due or grown)):
            return None
        classes = self._fleet.classes
        open_nodes = np.bincount(
            classes.class_of_node[~table.unschedulable], minlength=len(classes.classes)
        ).astype(np.float64)
        return MixRequest(
            demand=_demand(self._running),
            state=replace(FleetState.empty(classes.classes), nodes=open_nodes),
            pods=pods,
            afresh=grown,
            now_seconds=now_seconds,
        )

    def solve(self, request: MixRequest) -> BidPrices:
        """Prices for a request; they are in force once they are published."""
        program = PriceProgram(
            self._fleet.classes.classes,
            request.demand.shapes,
            usage_ratio=self._fleet.usage_ratio,
            nodes_may_sleep=self._fleet.nodes_may_sleep,
        )
        pricer = Pricer(
            program,
            deadline_seconds=DEADLINE_SECONDS,
            stale_seconds=STALE_SECONDS,
            last=self._prices,
        )
        return pricer.update(request.state, request.demand.counts, request.now_seconds)

    def publish(self, request: MixRequest, prices: BidPrices) -> None:
        """Go by prices from now on."""
        self._prices = prices
        self._memory_prices = self._smoothed(prices, afresh=request.afresh)
        self._rule = Envelope(self._fleet, self._memory_prices)
        self._solved_seconds = request.now_seconds
        self._priced_pods = request.pods

    def _smoothed(self, prices: BidPrices, *, afresh: bool) -> NDArray[np.float64]:
        """The memory prices to go by, after those that a solve found."""
        last, found = self._memory_prices, prices.watts_per_gibibyte
        if prices.source is PriceSource.FALLBACK:
            self._smooths = False
            return found
        solution = prices.solution
        overfull = solution is not None and bool(solution.unplaced_counts.any())
        if overfull or prices.source is PriceSource.KEPT:
            # More runs than the open nodes can carry: such prices say what is short, not dear.
            return np.zeros_like(found) if last is None else last
        if afresh or last is None or not self._smooths:
            self._smooths = True
            return found
        return last + NEW_PRICE_RATIO * (found - last)


def _demand(running: Counter[_Size]) -> ExpectedDemand:
    sizes = np.array(sorted(running), dtype=np.float64)
    shapes = Shapes(cpu_cores=sizes[:, 0] / CPU_MILLICORES_PER_CORE, memory_bytes=sizes[:, 1])
    counts = np.array([float(running[size]) for size in sorted(running)])
    return ExpectedDemand(shapes=shapes, counts=counts)


def _size(pod: Pod) -> _Size:
    return pod.requests.cpu_millicores, pod.requests.memory_bytes
