"""Which energy tier each node should have: 0 best … 9 worst, the same for nodes of equal cost.

Costs alone decide, never the present load, so tiers change only when machines or their power
profiles do. What a label says already is kept as long as it is not wrong by more than a tolerance:
relabelling is cheap, but a label that flaps moves pods for nothing. Beyond ten kinds of nodes some
have to share a tier; then the tolerance is on how far apart the costs within one are.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cluster.scheduling.profile import ENERGY_TIERS
from energy.errors import InputError
from pricing.rules import SAME_COST_RATIO

#: Two neighbours may stand in the wrong order, or share a tier, by so much before labels change.
HYSTERESIS_RATIO: Final = 0.05
#: Where kinds have to share tiers: a division is kept until a tier spans so much more than it must.
SHARED_RATIO: Final = 1.2


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


@dataclass(frozen=True, slots=True)
class _Group:
    """Nodes that cost nearly the same, from `watts_per_core` to `watts_per_core_max`."""

    watts_per_core: float
    watts_per_core_max: float
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

    Nodes within 1 % of each other share a tier, unless their labels tell them apart already. Where
    at most ten groups remain, each has a tier of its own. Where there are more, neighbours share
    one, and the costs within a tier differ by no more than `SHARED_RATIO` times what ten tiers
    allow at best. Of all such numberings the one that relabels the fewest cores is taken; then the
    one whose costs within tiers differ least (the logarithm's distance from the tier's median,
    weighted by cores); then the lowest numbers.
    """
    if not (math.isfinite(hysteresis_ratio) and hysteresis_ratio >= SAME_COST_RATIO):
        raise InputError(
            f"a hysteresis of {hysteresis_ratio}", mend=f"give {SAME_COST_RATIO} or more"
        )
    members = _kinds(nodes)
    by_cost = _joined(sorted(members, key=lambda kind: kind[0]), None)
    span_max = _span_max(_groups(by_cost, members))
    settled = _joined(_settled_order(members, hysteresis_ratio), hysteresis_ratio)
    for joined in (settled, by_cost):
        tiers = _numbered(_groups(joined, members), span_max)
        if tiers is not None:  # labels may say what ten tiers cannot keep; costs never do
            return {
                node.name: tier
                for kinds, tier in zip(joined, tiers, strict=True)
                for kind in kinds
                for node in members[kind]
            }
    raise AssertionError("ten tiers do not suffice for what needs at most ten")


_Kind = tuple[float, int | None]


def _kinds(nodes: Sequence[RankedNode]) -> dict[_Kind, list[RankedNode]]:
    """Nodes by their cost and what nodes of that cost are labelled for the most part."""
    by_cost = defaultdict(list)
    for node in nodes:
        by_cost[node.watts_per_core].append(node)
    return {(cost, _group(alike).tier): alike for cost, alike in by_cost.items()}


def _groups(
    joined: Sequence[Sequence[_Kind]], members: Mapping[_Kind, Sequence[RankedNode]]
) -> list[_Group]:
    return [_group([node for kind in kinds for node in members[kind]]) for kinds in joined]


def _group(nodes: Sequence[RankedNode]) -> _Group:
    labelled: dict[int, float] = defaultdict(float)
    for node in nodes:
        if node.tier is not None:
            labelled[node.tier] += node.cpu_cores
    costs = [node.watts_per_core for node in nodes]
    return _Group(min(costs), max(costs), sum(node.cpu_cores for node in nodes), dict(labelled))


def _settled_order(kinds: Iterable[_Kind], hysteresis_ratio: float) -> list[_Kind]:
    """Cheapest first; neighbours that are labelled the other way round stay so while they are near.

    Each exchange is of two that differ by no more than the tolerance, and no two are exchanged
    twice, so no pair that differs by more ends in the wrong order.
    """
    order = sorted(kinds, key=lambda kind: kind[0])
    exchanged = True
    while exchanged:
        exchanged = False
        for place in range(len(order) - 1):
            left, right = order[place], order[place + 1]
            if left[1] is None or right[1] is None or left[1] <= right[1]:
                continue
            if right[0] <= left[0] * (1 + hysteresis_ratio):
                order[place], order[place + 1] = right, left
                exchanged = True
    return order


def _joined(order: Sequence[_Kind], hysteresis_ratio: float | None) -> list[list[_Kind]]:
    """Neighbours in one group where they cost the same, or nearly and are labelled alike.

    Two that are labelled differently are left so: costs that come to be equal change no label.
    Without a tolerance labels do not count.
    """
    joined: list[list[_Kind]] = []
    labels: set[int | None] = set()
    low = high = 0.0  # the costs of the last group: there may be as many kinds as nodes
    for kind in order:
        cost, tier = kind
        of_both = set() if hysteresis_ratio is None else labels | {tier}
        alike = len(of_both) == 1 and None not in of_both
        tolerance = hysteresis_ratio if alike and hysteresis_ratio else SAME_COST_RATIO
        if (
            joined
            and len(of_both - {None}) <= 1
            and max(high, cost) <= min(low, cost) * (1 + tolerance)
        ):
            joined[-1].append(kind)
            labels, low, high = of_both, min(low, cost), max(high, cost)
        else:
            joined.append([kind])
            labels, low, high = {tier}, cost, cost
    return joined


def _span_max(groups: Sequence[_Group]) -> float:
    """How far apart costs within a tier may be, as a ratio."""
    if len(groups) <= ENERGY_TIERS:
        return 1 + SAME_COST_RATIO
    spans = sorted({_span(groups[first : last + 1]) for first, last in _pairs(len(groups))})
    low, high = 0, len(spans) - 1
    while low < high:
        middle = (low + high) // 2
        if _runs_needed(groups, spans[middle]) <= ENERGY_TIERS:
            high = middle
        else:
            low = middle + 1
    return spans[low] * SHARED_RATIO


def _pairs(count: int) -> Iterator[tuple[int, int]]:
    return itertools.combinations_with_replacement(range(count), 2)


def _runs_needed(groups: Sequence[_Group], span: float) -> int:
    """How many tiers it takes if costs within one may be so far apart."""
    runs, first = 1, 0
    for place in range(len(groups)):
        if _span(groups[first : place + 1]) > span:
            runs, first = runs + 1, place
    return runs


def _span(run: Sequence[_Group]) -> float:
    """The dearest cost over the cheapest."""
    cheapest = min(group.watts_per_core for group in run)
    return max(group.watts_per_core_max for group in run) / cheapest


@dataclass(frozen=True, slots=True, order=True)
class _Numbering:
    """Tiers of the first groups; less is better."""

    relabelled_cores: float = 0.0
    deviation: float = 0.0
    total: int = 0
    tiers: tuple[int, ...] = ()

    def and_then(self, run: Sequence[_Group], tier: int) -> _Numbering:
        """The same with one more run of groups that share a tier."""
        return _Numbering(
            self.relabelled_cores + sum(group.cores_relabelled(tier) for group in run),
            self.deviation + _deviation(run),
            self.total + tier * len(run),
            self.tiers + (tier,) * len(run),
        )


def _numbered(groups: Sequence[_Group], span_max: float) -> list[int] | None:
    """The best numbering, by dynamic programming over where the last run began and its tier.

    None where ten tiers do not suffice for groups in this order.
    """
    # best[stop][tier]: of the groups before `stop`, the last of them in a tier up to this one.
    best: list[list[_Numbering | None]] = [[_Numbering()] * (ENERGY_TIERS + 1)]
    for stop in range(1, len(groups) + 1):
        found: list[_Numbering | None] = [None]
        for tier in range(ENERGY_TIERS):
            found.append(_least(found[-1], _last_run(groups[:stop], tier, span_max, best)))
        best.append(found)
    numbering = best[len(groups)][ENERGY_TIERS]
    return None if numbering is None else list(numbering.tiers)


def _last_run(
    groups: Sequence[_Group],
    tier: int,
    span_max: float,
    best: Sequence[Sequence[_Numbering | None]],
) -> _Numbering | None:
    """The best numbering of these groups that gives the last of them this tier."""
    found = None
    for start in range(len(groups) - 1, -1, -1):
        run = groups[start:]
        if len(run) > 1 and _span(run) > span_max:
            break
        if (before := best[start][tier]) is not None:
            found = _least(found, before.and_then(run, tier))
    return found


def _least(one: _Numbering | None, other: _Numbering | None) -> _Numbering | None:
    if one is None or other is None:
        return one or other
    return min(one, other)


def _deviation(run: Sequence[_Group]) -> float:
    """Cores times the logarithm's distance from the run's median by cores."""
    if len(run) == 1:
        return 0.0
    half, passed = sum(group.cpu_cores for group in run) / 2, 0.0
    middle = run[-1].watts_per_core
    for group in sorted(run, key=lambda each: each.watts_per_core):
        passed += group.cpu_cores
        if passed >= half:
            middle = group.watts_per_core
            break
    return sum(group.cpu_cores * abs(math.log(group.watts_per_core / middle)) for group in run)
