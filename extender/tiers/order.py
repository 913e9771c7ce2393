"""Which energy tier each node should have: 0 best … 9 worst, the same for nodes of equal cost.

Costs alone decide, never the present load, so tiers change only when machines or their power
profiles do. What a label says already is kept as long as it is not wrong by more than a tolerance:
relabelling is cheap, but a label that flaps moves pods for nothing.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cluster.scheduling.profile import ENERGY_TIERS
from energy.errors import InputError
from pricing.rules import SAME_COST_RATIO

#: Two neighbours may stand in the wrong order, or share a tier, by so much before labels change.
HYSTERESIS_RATIO: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedNode:
    """A node with its cost; `tier` is what its label says now, None where it has none."""

    name: str
    cpu_cores: float
    watts_per_core: float
    tier: int | None = None

    def __post_init__(self) -> None:
        for figure in ("cpu_cores", "watts_per_core"):
            value = getattr(self, figure)
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"{figure} is {value}", where=f"node {self.name}")


@dataclass(slots=True)
class _Group:
    """Nodes that cost nearly the same, cheapest group first in a list of them."""

    watts_per_core: float
    cpu_cores: float
    labelled_cores: Mapping[int, float]

    @property
    def tier(self) -> int | None:
        """What most of it is labelled."""
        if not self.labelled_cores:
            return None
        return max(self.labelled_cores, key=lambda tier: (self.labelled_cores[tier], -tier))

    def cores_relabelled(self, tier: int) -> float:
        """Cores that carry another label than this one."""
        return sum(self.labelled_cores.values()) - self.labelled_cores.get(tier, 0.0)


def tiers_of(
    nodes: Sequence[RankedNode], *, hysteresis_ratio: float = HYSTERESIS_RATIO
) -> dict[str, int]:
    """Return the tier of each node by name.

    Nodes within 1 % of the cheapest of their group share a tier. Where at most ten groups remain,
    each has a tier of its own, and of all ways to number them the one that relabels the fewest
    cores is taken, then the lowest numbers. Where there are more, neighbours share a tier such that
    the costs in a tier differ least (the logarithm's deviation from the tier's median, weighted by
    cores).
    """
    if not (math.isfinite(hysteresis_ratio) and hysteresis_ratio >= SAME_COST_RATIO):
        raise InputError(
            f"a hysteresis of {hysteresis_ratio}", mend=f"give {SAME_COST_RATIO} or more"
        )
    members = _kinds(nodes)
    order = _settled_order(members, hysteresis_ratio)
    joined = _joined(order, hysteresis_ratio)
    groups = [_group([node for kind in kinds for node in members[kind]]) for kinds in joined]
    tiers = _numbered(groups) if len(groups) <= ENERGY_TIERS else _shared(groups, hysteresis_ratio)
    return {
        node.name: tier
        for kinds, tier in zip(joined, tiers, strict=True)
        for kind in kinds
        for node in members[kind]
    }


_Kind = tuple[float, int | None]


def _kinds(nodes: Sequence[RankedNode]) -> dict[_Kind, list[RankedNode]]:
    """Nodes by their cost and what nodes of that cost are labelled for the most part."""
    by_cost = defaultdict(list)
    for node in nodes:
        by_cost[node.watts_per_core].append(node)
    return {(cost, _group(alike).tier): alike for cost, alike in by_cost.items()}


def _group(nodes: Sequence[RankedNode]) -> _Group:
    labelled: dict[int, float] = defaultdict(float)
    for node in nodes:
        if node.tier is not None:
            labelled[node.tier] += node.cpu_cores
    return _Group(
        watts_per_core=min(node.watts_per_core for node in nodes),
        cpu_cores=sum(node.cpu_cores for node in nodes),
        labelled_cores=dict(labelled),
    )


def _settled_order(kinds: Mapping[_Kind, object], hysteresis_ratio: float) -> list[_Kind]:
    """Cheapest first; neighbours that are labelled the other way round stay so while they are near.

    Each exchange is of two that differ by no more than the tolerance, so no pair that differs by
    more can end in the wrong order.
    """
    order = sorted(kinds, key=lambda kind: kind[0])
    exchanged = True
    while exchanged:
        exchanged = False
        for place, (left, right) in enumerate(itertools.pairwise(order)):
            if left[1] is None or right[1] is None or left[1] <= right[1]:
                continue
            if right[0] <= left[0] * (1 + hysteresis_ratio):
                order[place], order[place + 1] = right, left
                exchanged = True
    return order


def _joined(order: Sequence[_Kind], hysteresis_ratio: float) -> list[list[_Kind]]:
    """Neighbours in one group where they cost the same, or nearly and are labelled alike."""
    joined: list[list[_Kind]] = []
    for kind in order:
        if joined:
            first = joined[-1][0]
            alike = kind[1] is not None and kind[1] == first[1]
            tolerance = hysteresis_ratio if alike else SAME_COST_RATIO
            if abs(kind[0] - first[0]) <= tolerance * min(kind[0], first[0]):
                joined[-1].append(kind)
                continue
        joined.append([kind])
    return joined


def _numbered(groups: Sequence[_Group]) -> list[int]:
    """Rising tiers that relabel the fewest cores, then the lowest: by dynamic programming."""
    best: dict[int, tuple[float, int, tuple[int, ...]]] = {-1: (0.0, 0, ())}
    for place, group in enumerate(groups):
        left = len(groups) - place - 1
        best = {
            tier: min(
                (relabelled + group.cores_relabelled(tier), total + tier, (*chosen, tier))
                for before, (relabelled, total, chosen) in best.items()
                if before < tier
            )
            for tier in range(place, ENERGY_TIERS - left)
        }
    return list(min(best.values())[2])


def _shared(groups: Sequence[_Group], hysteresis_ratio: float) -> list[int]:
    """Ten tiers over more groups; the present division where it is nearly as good."""
    best = _best_division(groups)
    present = [group.tier for group in groups]
    if all(tier is not None for tier in present):
        kept = [tier for tier in present if tier is not None]
        if kept == sorted(kept) and _deviation(groups, kept) <= (
            _deviation(groups, best) + hysteresis_ratio * sum(group.cpu_cores for group in groups)
        ):
            return kept
    return best


def _best_division(groups: Sequence[_Group]) -> list[int]:
    """The division into ten runs of the least deviation (Fisher's exact optimisation, 1958)."""
    count = len(groups)
    deviation = {
        (start, stop): _run_deviation(groups[start:stop])
        for start, stop in itertools.combinations(range(count + 1), 2)
    }
    # least[place]: deviation and starts of the runs that cover the groups before `place`.
    least: list[tuple[float, tuple[int, ...]]] = [(0.0, ()), *[(math.inf, ())] * count]
    for _ in range(ENERGY_TIERS):
        least = [
            min(
                (
                    (least[start][0] + deviation[start, stop], (*least[start][1], start))
                    for start in range(stop)
                ),
                default=(math.inf, ()),
            )
            for stop in range(count + 1)
        ]
    starts = set(least[count][1])
    return list(itertools.accumulate(range(count), lambda tier, at: tier + (at in starts)))


def _deviation(groups: Sequence[_Group], tiers: Sequence[int]) -> float:
    runs = itertools.groupby(zip(tiers, groups, strict=True), key=lambda pair: pair[0])
    return sum(_run_deviation([group for _, group in run]) for _, run in runs)


def _run_deviation(run: Sequence[_Group]) -> float:
    """Cores times the logarithm's distance from the run's median by cores."""
    half, passed = sum(group.cpu_cores for group in run) / 2, 0.0
    middle = run[-1].watts_per_core
    for group in sorted(run, key=lambda each: each.watts_per_core):
        passed += group.cpu_cores
        if passed >= half:
            middle = group.watts_per_core
            break
    return sum(group.cpu_cores * abs(math.log(group.watts_per_core / middle)) for group in run)
