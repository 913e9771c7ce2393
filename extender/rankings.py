"""Which rule ranks the nodes now, and what there is to solve for the next one.

A queue that can be seen goes by its own prices and bookings; where the operator says what is still
to come, every pod goes by prices for that; all others by the envelope rule at the memory prices of
the running mix. Programs are solved elsewhere: `job` gives a value to solve, `publish`
takes the outcome over. Until then, and whenever a program fails, the last rule stands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cluster.model import Pod
from cluster.scheduling.table import NodeTable
from extender.still import Still
from pricing.demand import ExpectedDemand
from pricing.envelope import Envelope
from pricing.mix_pricing import MixPricing, MixRequest
from pricing.prices import BidPrices
from pricing.queue_pricing import QUEUE_PODS_MIN, SOLVE_EVERY_PODS, QueuePricing
from pricing.rules import EfficiencyOrder, FillCost, FleetPower, Marginal, MarginalIdle, Rule

SHIPPED: Final = "negawatt"
#: Rules without prices, by name.
PLAIN_RULES: Final[Mapping[str, Callable[[FleetPower], Rule]]] = {
    "envelope": Envelope,
    "fill-cost": FillCost,
    "efficiency-order": EfficiencyOrder,
    "marginal": Marginal,
    "marginal-idle": MarginalIdle,
}
RULES: Final = (SHIPPED, *PLAIN_RULES)
#: Solving may take at most this part of the time, so that the scheduler beside us is not starved.
BUSY_RATIO: Final = 0.1
#: A long queue is priced anew only when this part of it is placed: with bookings more solves hardly
#: help, and each takes as long as the queue has shapes.
PLACED_RATIO: Final = 0.25
#: Pods that came since may be so many of those that were priced, and for so long; they go by bid
#: price meanwhile.
FRESH_RATIO: Final = 0.05
FRESH_SECONDS: Final = 1.0
#: Prices for what is expected follow the state at least this often.
EXPECTED_SECONDS: Final = 60.0
#: How long to wait after a program that failed: twice as long each time, up to the second.
RETRY_SECONDS: Final = 1.0
RETRY_SECONDS_MAX: Final = 60.0


@dataclass(frozen=True, slots=True)
class Moment:
    """A table, and by row the pods that keep a node awake."""

    table: NodeTable
    busy: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """What came of a job."""

    job: Job
    seconds: float
    queue_pricing: QueuePricing | None = None
    mix_prices: BidPrices | None = None

    @property
    def source(self) -> str:
        """Whether a program was solved, or the last prices or a fallback stand in."""
        prices = self.mix_prices if self.queue_pricing is None else self.queue_pricing.prices
        return "" if prices is None else str(prices.source)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueJob:
    """A queue to price, and (``beyond``) what is expected to come after it."""

    still: Still
    fleet: FleetPower
    pods: tuple[Pod, ...]
    beyond: ExpectedDemand | None
    now_seconds: float
    generation: int

    def solve(self, clock: Callable[[], float]) -> Solved:
        """Price it; may run on any thread."""
        began = clock()
        pricing = QueuePricing(
            self.fleet,
            self.still.table(),
            self.pods,
            self.now_seconds,
            beyond=self.beyond,
        )
        return Solved(job=self, seconds=clock() - began, queue_pricing=pricing)


@dataclass(frozen=True, slots=True, kw_only=True)
class MixJob:
    """The running mix to price."""

    mix: MixPricing
    request: MixRequest
    now_seconds: float
    generation: int

    def solve(self, clock: Callable[[], float]) -> Solved:
        """Price it; may run on any thread."""
        began = clock()
        prices = self.mix.solve(self.request)
        return Solved(job=self, seconds=clock() - began, mix_prices=prices)


Job: TypeAlias = QueueJob | MixJob


class Rankings:
    """The rules in force over one fleet. One thread owns it."""

    def __init__(
        self, rule: str, expected: ExpectedDemand | None, *, queue_pods_min: int = QUEUE_PODS_MIN
    ) -> None:
        self._rule, self._expected, self._queue_pods_min = rule, expected, queue_pods_min
        self._fleet: FleetPower | None = None
        self._plain: Rule | None = None
        self._mix: MixPricing | None = None
        self._queue: QueuePricing | None = None
        self._queue_keys: set[str] = set()
        self._priced_pods = 0
        self._lasts = False
        self._came: dict[str, tuple[Pod, int]] = {}
        self._taken: dict[str, tuple[int, float]] = {}
        self._since = 0
        self._priced_seconds = -np.inf
        self._next_solve_seconds = -np.inf
        self._retry_seconds = RETRY_SECONDS
        self._busy = False
        self._outdated = False
        self._generation = 0
        self.solves: Counter[str] = Counter()
        self.solve_seconds = 0.0
        self.solved_at_seconds: float | None = None

    @property
    def queue_pods(self) -> int:
        """Pods of the priced queue that are not placed yet."""
        return len(self._queue_keys)

    def take_over(
        self, fleet: FleetPower, running: Iterable[Pod] = (), *, same_nodes: bool = False
    ) -> None:
        """Rank another fleet (or the same, told something else) from now on.

        ``running`` are the pods that run when the first fleet is taken over; from then on `placed`
        and `left` tell. With the ``same_nodes`` a queue keeps its rule until it is priced anew.
        """
        self._fleet = fleet
        self._came, self._outdated = {}, same_nodes
        if not same_nodes:
            self._queue, self._queue_keys, self._lasts = None, set(), False
            self._taken = {}
        self._generation += 1
        self._busy = False
        if self._rule == SHIPPED:
            if self._mix is None:
                self._mix = MixPricing(fleet)
                for pod in running:
                    self._mix.placed(pod)
            else:
                self._mix = self._mix.over(fleet)
        else:
            self._plain = PLAIN_RULES[self._rule](fleet)

    def rule(self) -> Rule | None:
        """The rule in force; None before there is a fleet."""
        if self._plain is not None:
            return self._plain
        if self._queue is not None:
            return self._queue.rule
        return None if self._mix is None else self._mix.rule

    def placed(self, key: str, pod: Pod, row: int, *, assumed: bool = False) -> None:
        """A pod was put on a row: bound, or assumed to be."""
        if self._mix is not None:
            self._mix.placed(pod)
        if self._fleet is None or row < 0:
            return
        self._since += not assumed
        if self._busy:
            self._came[key] = pod, row
        if self._queue is not None:
            node_class = int(self._fleet.classes.class_of_node[row])
            taken = self._queue.bookings.take(pod, node_class)
            if assumed:
                self._taken[key] = node_class, taken
        self._forget(key)

    def changed(self, before: Pod, after: Pod) -> None:
        """A pod takes something else of the node that it is on."""
        if self._mix is not None:
            self._mix.left(before)
            self._mix.placed(after)

    def left(self, pod: Pod) -> None:
        """A pod was taken off."""
        if self._mix is not None:
            self._mix.left(pod)

    def mistaken(self, key: str, pod: Pod) -> None:
        """A pod is no longer assumed to be where it was: it was bound, or never came."""
        self._came.pop(key, None)
        node_class, taken = self._taken.pop(key, (0, 0.0))
        if self._queue is not None and taken:
            self._queue.bookings.give_back(pod, node_class, taken)

    def gone(self, key: str) -> None:
        """A pod waits no more."""
        self._came.pop(key, None)
        self._forget(key)

    def job(
        self, moment: Moment, queue: Mapping[str, Pod], running: int, now_seconds: float
    ) -> Job | None:
        """What to solve now, if anything.

        ``queue`` are our pods that wait, ``running`` counts those that run.
        """
        if self._fleet is None or self._mix is None or self._busy:
            return None
        if now_seconds < self._next_solve_seconds:
            return None
        job = self._queue_job(moment, queue, running, now_seconds) or self._mix_job(
            moment, now_seconds
        )
        self._busy = job is not None
        if job is not None:
            self._came = {}
        return job

    def publish(self, solved: Solved, queue: Mapping[str, Pod]) -> None:
        """Go by what was solved, unless the fleet has changed meanwhile."""
        job = solved.job
        if job.generation != self._generation or self._fleet is None:
            return
        self._busy = False
        self._retry_seconds = RETRY_SECONDS
        self._next_solve_seconds = job.now_seconds + solved.seconds / BUSY_RATIO
        self.solves[solved.source] += 1
        self.solve_seconds += solved.seconds
        self.solved_at_seconds = job.now_seconds
        if isinstance(job, MixJob):
            if solved.mix_prices is not None:
                job.mix.publish(job.request, solved.mix_prices)
        elif solved.queue_pricing is not None:
            self._begin_queue(solved.queue_pricing, job, queue)
        self._came = {}

    def failed(self, job: Job, now_seconds: float) -> None:
        """A job ended in an error; try again after a while, a longer one each time."""
        if job.generation == self._generation:
            self._busy = False
            self._next_solve_seconds = now_seconds + self._retry_seconds
            self._retry_seconds = min(2.0 * self._retry_seconds, RETRY_SECONDS_MAX)
            self.solves["failed"] += 1

    def _begin_queue(self, pricing: QueuePricing, job: QueueJob, queue: Mapping[str, Pod]) -> None:
        if self._fleet is None:
            return
        # What was placed while the program was solved is booked already.
        for pod, row in self._came.values():
            pricing.bookings.take(pod, int(self._fleet.classes.class_of_node[row]))
        priced = {f"{pod.namespace}/{pod.name}" for pod in job.pods}
        self._queue_keys = priced & queue.keys()
        self._taken = {}
        self._outdated = False
        self._priced_pods = len(job.pods)
        self._lasts = job.beyond is not None
        self._queue = pricing if self._queue_keys or self._lasts else None
        self._priced_seconds = job.now_seconds

    def _forget(self, key: str) -> None:
        self._queue_keys.discard(key)
        if not (self._queue_keys or self._lasts):
            self._queue = None

    def _queue_job(
        self, moment: Moment, queue: Mapping[str, Pod], running: int, now_seconds: float
    ) -> QueueJob | None:
        beyond = self._still_to_come(running + len(queue))
        if self._lasts and beyond is None:
            self._lasts = False  # all that was expected has come
            if not self._queue_keys:
                self._queue = None
        if self._fleet is None or not self._is_due(queue, beyond, now_seconds):
            return None
        self._since = 0
        return QueueJob(
            still=Still.of(moment.table, moment.busy),
            fleet=self._fleet,
            pods=tuple(queue.values()),
            beyond=beyond,
            now_seconds=now_seconds,
            generation=self._generation,
        )

    def _still_to_come(self, seen: int) -> ExpectedDemand | None:
        """What the operator expects beyond the pods that are there, in the same mix."""
        if self._expected is None:
            return None
        total = float(self._expected.counts.sum())
        left = total - seen
        if left <= 0.0:
            return None
        return replace(self._expected, counts=self._expected.counts * (left / total))

    def _is_due(
        self, queue: Mapping[str, Pod], beyond: ExpectedDemand | None, now_seconds: float
    ) -> bool:
        """Whether there is a queue to price, and it or the state is another than was priced."""
        if beyond is None and len(queue) < self._queue_pods_min:
            return False
        worked_off = max(SOLVE_EVERY_PODS, PLACED_RATIO * self._priced_pods)
        if self._queue is None or self._outdated or self._since >= worked_off:
            return True
        fresh = sum(key not in self._queue_keys for key in queue)
        since_seconds = now_seconds - self._priced_seconds
        if fresh > FRESH_RATIO * self._priced_pods or (fresh and since_seconds >= FRESH_SECONDS):
            return True
        return beyond is not None and since_seconds >= EXPECTED_SECONDS

    def _mix_job(self, moment: Moment, now_seconds: float) -> MixJob | None:
        request = None if self._mix is None else self._mix.request(moment.table, now_seconds)
        if request is None or self._mix is None:
            return None
        return MixJob(
            mix=self._mix,
            request=request,
            now_seconds=now_seconds,
            generation=self._generation,
        )
