"""Why a core or a gigabyte of a class is worth what it is, in words for a person.

A price is a derivative, so its reason is found by taking it: a little more is placed on the class,
the program is solved again, and where that changed the fleet says where the price comes from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from pricing.fleet_state import FleetState
from pricing.linear_model import Floats
from pricing.price_program import PriceProgram, PriceSolution, Unsolved
from pricing.terms import BYTES_PER_GIBIBYTE

# The little more, as a part of what one node has.
STEP_RATIO = 0.01
# Watts that print as 0.00.
NOTHING_WATTS = 0.005
# What counts as all of something, given the solver's rounding.
ALL_RATIO = 0.9999
SOMETHING_RATIO = 1e-6
RESOURCES, UNITS = ("cores", "memory"), ("core", "GiB")


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceReasons:
    """What the optimum takes of a class, and why its prices are what they are.

    The taken ratios are of what all its nodes offer (cores up to the ceiling).
    """

    cpu_taken_ratio: float
    memory_taken_ratio: float
    is_used: bool
    core_reason: str
    memory_reason: str


def price_reasons(
    program: PriceProgram,
    state: FleetState,
    counts: ArrayLike,
    solution: PriceSolution,
    names: Sequence[str],
) -> list[PriceReasons]:
    """Reasons for each class; ``solution`` is the program's for this state and these counts.

    ``names`` has what to call each class. Takes two warm solves per class.
    """
    asked = _Asked(program, state, np.asarray(counts, dtype=np.float64), solution, names)
    return [_of_class(asked, number) for number in range(len(program.classes))]


@dataclass(frozen=True, slots=True)
class _Asked:
    program: PriceProgram
    state: FleetState
    counts: Floats
    solution: PriceSolution
    names: Sequence[str]

    def taken(self, solution: PriceSolution) -> Floats:
        """Cores and GiB that are taken in an optimum, shape (2, classes)."""
        shapes, pods = self.program.shapes, solution.placed_counts
        cores = self.state.placed_cpu_cores + shapes.cpu_cores @ pods
        memory = self.state.placed_memory_bytes + shapes.memory_bytes @ pods
        return np.stack([cores, memory / BYTES_PER_GIBIBYTE])

    def offered(self, number: int) -> Floats:
        """Cores and GiB that all nodes of a class offer."""
        group, nodes = self.program.classes[number], float(self.state.nodes[number])
        cores = group.cpu_cores * self.program.terms.full_share(number)
        return nodes * np.array([cores, group.memory_bytes / BYTES_PER_GIBIBYTE])

    def prices(self) -> Floats:
        """Watts per core and per GiB, shape (2, classes)."""
        return np.stack([self.solution.watts_per_core, self.solution.watts_per_gibibyte])


def _of_class(asked: _Asked, number: int) -> PriceReasons:
    offered, taken = asked.offered(number), asked.taken(asked.solution)[:, number]
    ratios = taken / np.where(offered > 0.0, offered, 1.0)
    if not offered.all():
        reasons = ["none of its nodes takes pods"] * 2
    elif ratios.max() < SOMETHING_RATIO:
        reasons = [_unused(asked, number)] * 2
    else:
        reasons = [_reason(asked, number, resource, ratios) for resource in (0, 1)]
    return PriceReasons(
        cpu_taken_ratio=float(ratios[0]),
        memory_taken_ratio=float(ratios[1]),
        is_used=bool(ratios.max() >= SOMETHING_RATIO),
        core_reason=reasons[0],
        memory_reason=reasons[1],
    )


def _unused(asked: _Asked, number: int) -> str:
    group = asked.program.classes[number]
    if not asked.program.terms.may_sleep[number]:
        return "it is not used at these prices, and this is how its power would rise with load"
    full_watts = group.curve.watts_at(asked.program.terms.full_utilisation_ratio(number))
    return (
        f"it is not used at these prices: a node of it, woken and filled, costs "
        f"{full_watts - group.profile.sleep_watts:.0f} W for {group.cpu_cores:g} cores"
    )


def _reason(asked: _Asked, number: int, resource: int, ratios: Floats) -> str:
    """Why one more core (resource 0) or GiB (1) of a class that is used has its price."""
    mine, other = RESOURCES[resource], RESOURCES[1 - resource]
    other_ends_first = ratios[1 - resource] >= ALL_RATIO > ratios[resource]
    first = f"{other} runs out first" if resource == 0 else "its cores run out first"
    if asked.prices()[resource, number] < NOTHING_WATTS:
        return f"{first}" if other_ends_first else f"its nodes that are on have {mine} to spare"
    offered, placed = asked.offered(number)[resource], _placed(asked.state)[resource, number]
    step = STEP_RATIO * offered / float(asked.state.nodes[number])
    if placed + step > offered:
        return f"what is placed already fills its {mine}: a pod that leaves saves that much"
    after = asked.program.solve(_stepped(asked.state, number, resource, step), asked.counts)
    if isinstance(after, Unsolved):
        return f"so says the program's dual ({after.reason})"
    following = _next(asked, number, resource, after)
    if ratios[resource] >= ALL_RATIO:
        return f"all its {mine} {'are' if resource == 0 else 'is'} taken: {following}"
    return f"{first} and {following}" if other_ends_first else following


def _next(asked: _Asked, number: int, resource: int, after: PriceSolution) -> str:
    """What one more of a resource changes."""
    unit = UNITS[resource]
    if (after.unplaced_counts - asked.solution.unplaced_counts).sum() > SOMETHING_RATIO:
        return f"one more {unit} leaves pods without a place, at the penalty for that"
    prices = asked.prices()
    change = asked.taken(after) - asked.taken(asked.solution)
    watts = (prices * change).sum(axis=0)
    watts[number] = 0.0
    if watts.sum() > SOMETHING_RATIO and watts.max() > 0.0:
        place = int(watts.argmax())
        return (
            f"one more {unit} sends pods to {asked.names[place]}, where a core costs "
            f"{prices[0, place]:.2f} W and a GiB {prices[1, place]:.2f} W"
        )
    if after.awake_nodes[number] - asked.solution.awake_nodes[number] > SOMETHING_RATIO:
        return f"one more {unit} keeps more of its nodes awake"
    return f"one more {unit} only raises the power of its nodes that are on"


def _placed(state: FleetState) -> Floats:
    return np.stack([state.placed_cpu_cores, state.placed_memory_bytes / BYTES_PER_GIBIBYTE])


def _stepped(state: FleetState, number: int, resource: int, step: float) -> FleetState:
    """The state with a little more on a class."""
    amounts = (state.placed_cpu_cores, state.placed_memory_bytes)[resource].copy()
    amounts[number] += step * (1.0, BYTES_PER_GIBIBYTE)[resource]
    if resource == 0:
        return replace(state, placed_cpu_cores=amounts)
    return replace(state, placed_memory_bytes=amounts)
