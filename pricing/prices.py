"""What a core and a gigabyte of each class are worth now, and how they come to be known in time.

A pod's bid price on a class is what it takes there: its requests, each at the price of the class.
A rule multiplies; a `Pricer` solves beside it. Late or unsolved, the last prices are kept, and
after a while given up for the fill cost, which asks nobody; both say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cluster.model import Resources
from energy.cost import fill_cost_watts_per_core
from pricing.fleet_state import FleetState
from pricing.linear_model import Floats
from pricing.node_class import CPU_MILLICORES_PER_CORE, NodeClass
from pricing.price_program import PriceProgram, PriceSolution, Unsolved
from pricing.terms import BYTES_PER_GIBIBYTE, Terms

DEADLINE_SECONDS = 0.1
# Prices that old describe another cluster.
STALE_SECONDS = 300.0
# A class keeps its prices until one of them moves by more than this share.
HYSTERESIS_RATIO = 0.02
# A change below this is none, whatever share of a tiny price it is.
SMALLEST_CHANGE_WATTS = 0.01


class PriceSource(StrEnum):
    """Where prices come from: this moment's program, an earlier one's, or no program at all."""

    SOLVED = "solved"
    KEPT = "kept"
    FALLBACK = "fallback"


@dataclass(frozen=True, slots=True, kw_only=True)
class BidPrices:
    """Watts per requested core, GiB and extended unit, one entry per class.

    ``solution`` is the optimum behind the prices: None in a fallback, and of ``solved_seconds``
    where prices were kept. Its own prices may differ from these by the hysteresis.
    """

    watts_per_core: Floats
    watts_per_gibibyte: Floats
    watts_per_extended: Mapping[str, Floats] = field(default_factory=dict)
    source: PriceSource
    reason: str
    solution: PriceSolution | None = None
    solved_seconds: float | None = None

    @classmethod
    def fallback(
        cls,
        classes: Sequence[NodeClass],
        *,
        usage_ratio: ArrayLike = 1.0,
        nodes_may_sleep: ArrayLike = True,
        ceiling_ratio: ArrayLike = 1.0,
        reason: str,
    ) -> BidPrices:
        """Fill cost per requested core, nothing per GiB: the order of a careful label."""
        terms = Terms.of(
            0,
            len(classes),
            usage_ratio=usage_ratio,
            nodes_may_sleep=nodes_may_sleep,
            ceiling_ratio=ceiling_ratio,
        )
        return _fill_costs(classes, terms, reason)

    @property
    def awake_nodes(self) -> Floats | None:
        """Nodes of each class that are awake in the optimum; None where there is none."""
        return None if self.solution is None else self.solution.awake_nodes

    @property
    def placed_counts(self) -> Floats | None:
        """Pods of each shape on each class in the optimum, shape (shapes, classes)."""
        return None if self.solution is None else self.solution.placed_counts

    @property
    def watts(self) -> float | None:
        """Power of the fleet in the optimum, a lower bound where every pod fits."""
        return None if self.solution is None else self.solution.watts

    def pod_watts(self, requests: Resources) -> Floats:
        """Bid price of a pod on each class, one entry per class."""
        watts = (requests.cpu_millicores / CPU_MILLICORES_PER_CORE) * self.watts_per_core
        watts = watts + (requests.memory_bytes / BYTES_PER_GIBIBYTE) * self.watts_per_gibibyte
        for name, amount in requests.extended.items():
            if name in self.watts_per_extended:
                watts = watts + amount * self.watts_per_extended[name]
        return watts


class Pricer:
    """Keeps the prices of a fleet; each update starts from the last one's basis.

    Pure but for what it remembers: the moment is an argument, and it ends by the solver's own
    clock. A class's prices move together, and only when one of them has moved by more than
    ``hysteresis_ratio`` since they last did, so that classes of nearly the same price keep their
    order.
    """

    def __init__(
        self,
        program: PriceProgram,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        stale_seconds: float = STALE_SECONDS,
        hysteresis_ratio: float = HYSTERESIS_RATIO,
        last: BidPrices | None = None,
    ) -> None:
        """Start from ``last``, the prices that another program found for the same classes."""
        self._program = program
        self._deadline_seconds = deadline_seconds
        self._stale_seconds = stale_seconds
        self._hysteresis_ratio = hysteresis_ratio
        self._last = last

    def update(self, state: FleetState, counts: ArrayLike, now_seconds: float) -> BidPrices:
        """Prices for a state and the pods expected of each shape, whatever becomes of the solver.

        Raises:
            InputError: a count or an amount of the state is negative or no number.
        """
        found = self._program.solve(state, counts, deadline_seconds=self._deadline_seconds)
        if isinstance(found, PriceSolution):
            self._last = self._published(found, now_seconds)
            return self._last
        return self._instead(found, now_seconds)

    def _published(self, found: PriceSolution, now_seconds: float) -> BidPrices:
        """The new prices, but for classes whose prices have hardly moved."""
        prices = BidPrices(
            watts_per_core=found.watts_per_core,
            watts_per_gibibyte=found.watts_per_gibibyte,
            watts_per_extended=found.watts_per_extended,
            source=PriceSource.SOLVED,
            reason=_what_fits(found),
            solution=found,
            solved_seconds=now_seconds,
        )
        if self._last is None:
            return prices
        old, new = _stacked(self._last), _stacked(prices)
        change = np.abs(new - old)
        hardly = change <= self._hysteresis_ratio * np.maximum(new, old)
        still = np.all(hardly | (change <= SMALLEST_CHANGE_WATTS), axis=0)
        core, gibibyte, *extended = np.where(still, old, new)
        return replace(
            prices,
            watts_per_core=core,
            watts_per_gibibyte=gibibyte,
            watts_per_extended=dict(zip(prices.watts_per_extended, extended, strict=True)),
        )

    def _instead(self, why: Unsolved, now_seconds: float) -> BidPrices:
        """What to use while there are no new prices."""
        last = self._last
        if last is None or last.solved_seconds is None:
            return _fill_costs(self._program.classes, self._program.terms, why.reason)
        age_seconds = now_seconds - last.solved_seconds
        reason = f"{why.reason}; the last prices are {age_seconds:.0f} s old"
        if age_seconds > self._stale_seconds:
            return _fill_costs(self._program.classes, self._program.terms, reason)
        return replace(last, source=PriceSource.KEPT, reason=reason)


def _fill_costs(classes: Sequence[NodeClass], terms: Terms, reason: str) -> BidPrices:
    """Watts per requested core of a node that is as full as it may be."""
    costs = np.array(
        [
            fill_cost_watts_per_core(
                group.profile,
                group.cpu_cores,
                terms.full_utilisation_ratio(number),
                node_may_sleep=bool(terms.may_sleep[number]),
            )
            * terms.usage_ratio[number]
            for number, group in enumerate(classes)
        ]
    )
    return BidPrices(
        watts_per_core=costs,
        watts_per_gibibyte=np.zeros(len(classes)),
        source=PriceSource.FALLBACK,
        reason=reason,
    )


def _stacked(prices: BidPrices) -> NDArray[np.float64]:
    """All prices as rows, shape (2 + extended resources, classes)."""
    extended = prices.watts_per_extended.values()
    return np.stack([prices.watts_per_core, prices.watts_per_gibibyte, *extended])


def _what_fits(found: PriceSolution) -> str:
    """Whether the optimum holds everything, in words."""
    said = []
    if pods := float(found.unplaced_counts.sum()):
        said.append(f"{pods:.3g} pods fit nowhere")
    if classes := int(found.overloaded.sum()):
        said.append(f"{classes} of {len(found.overloaded)} classes carry more than they can")
    if not found.settled:
        said.append("no time was left to settle which of several prices are meant")
    return "; ".join(said) or "every pod fits"
