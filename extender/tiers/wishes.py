"""The label that each node should carry, from what its power profile says a core costs on it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from cluster.model import Node, Resources
from cluster.scheduling.profile import ENERGY_TIER_LABEL
from energy.profile import NodePowerProfile, ProfileSource, Scope
from extender.fleet import ProfileFinder, offers_cpu
from extender.tiers.labels import PresentLabel, WantedLabel
from extender.tiers.order import HYSTERESIS_RATIO, RankedNode, tiers_of
from extender.tiers.target import filled_watts_per_core
from extender.treatment import IGNORE
from pricing.node_class import CPU_MILLICORES_PER_CORE

#: A label tells tiers apart if it has at most so many values for each of them: names of nodes do
#: not, kinds of machines do.
VALUES_PER_TIER_MAX: Final = 4


class TierRule(StrEnum):
    """What orders the nodes."""

    FILL_COST = "fill-cost"
    PEAK_WATTS = "peak-watts"


@dataclass(frozen=True, slots=True, kw_only=True)
class TierOptions:
    """What tiers are worked out with.

    Attributes:
        rule: `fill-cost`: watts a used core costs on a node filled to its target, idle watts
            included where nodes may sleep; `peak-watts`: watts per core at full load.
        usage_ratio: what pods use of the CPU they request, 0 to 1 and not 0: the target's load.
        requested_gibibytes_per_core: memory that pods request for a core they request, on average;
            nodes with less are full before their cores are. None: not known, memory does not count.
        nodes_may_sleep: whether empty nodes are switched off by whoever does that.
        hysteresis_ratio: by how much a label may be wrong before it changes.
    """

    rule: TierRule = TierRule.FILL_COST
    usage_ratio: float = 0.5
    nodes_may_sleep: bool = False
    hysteresis_ratio: float = HYSTERESIS_RATIO
    requested_gibibytes_per_core: float | None = None


def wanted_labels(
    nodes: Sequence[Node],
    present: Mapping[str, PresentLabel],
    finder: ProfileFinder,
    options: TierOptions,
) -> dict[str, WantedLabel]:
    """What each node should carry and why, by name.

    A node whose watts are a guess gets no label: kube-scheduler then prefers every node whose
    watts are known. So does one that opted out, and one that offers no CPU.
    """
    wanted: dict[str, WantedLabel] = {}
    ranked: list[RankedNode] = []
    said: dict[str, WantedLabel] = {}
    for node in nodes:
        profile = finder.profile(node) if offers_cpu(node) else None
        if (why_not := _unranked(node, profile)) is not None or profile is None:
            name = "" if profile is None else profile.name
            wanted[node.name] = WantedLabel(
                tier=None, reason=why_not or _NO_CPU, profile=name, asked=_opted_out(node)
            )
            continue
        cores = node.allocatable.cpu_millicores / CPU_MILLICORES_PER_CORE
        cost = _watts_per_core(profile, node.allocatable, options)
        if cost <= 0:
            reason = f"power profile {profile.name} says that load costs nothing"
            wanted[node.name] = WantedLabel(tier=None, reason=reason, profile=profile.name)
            continue
        label = present.get(node.name, PresentLabel())
        ranked.append(
            RankedNode(name=node.name, cpu_cores=cores, watts_per_core=cost, tier=label.tier)
        )
        said[node.name] = WantedLabel(
            tier=None,
            reason=f"a core costs {cost:.2f} W ({options.rule}) by {profile.name}",
            watts_per_core=cost,
            profile=profile.name,
        )
    for name, tier in tiers_of(ranked, hysteresis_ratio=options.hysteresis_ratio).items():
        wanted[name] = replace(said[name], tier=tier)
    return wanted


_NO_CPU: Final = "it offers no CPU"


def _unranked(node: Node, profile: NodePowerProfile | None) -> str | None:
    """Why a node gets no tier; None where it gets one."""
    if _opted_out(node):
        return f"{IGNORE} is true"
    if profile is None:
        return _NO_CPU
    if profile.source is ProfileSource.GENERIC_CORES:
        return "its watts are a guess: write a PowerProfile, or label its CPU model"
    if profile.scope is not Scope.WALL:
        return f"power profile {profile.name} is of CPU packages, which are not compared with walls"
    return None


def _opted_out(node: Node) -> bool:
    return "true" in {node.labels.get(IGNORE), node.annotations.get(IGNORE)}


def _watts_per_core(profile: NodePowerProfile, size: Resources, options: TierOptions) -> float:
    if options.rule is TierRule.PEAK_WATTS:
        return profile.peak_watts * CPU_MILLICORES_PER_CORE / size.cpu_millicores
    return filled_watts_per_core(
        profile,
        size,
        usage_ratio=options.usage_ratio,
        nodes_may_sleep=options.nodes_may_sleep,
        requested_gibibytes_per_core=options.requested_gibibytes_per_core,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TellingLabel:
    """A label that nodes have anyway and that says the same as tiers: its values by tier."""

    key: str
    values_of_tier: Mapping[int, tuple[str, ...]]


_NO_KINDS: Final = frozenset({ENERGY_TIER_LABEL, "kubernetes.io/hostname"})


def telling_labels(
    nodes: Sequence[Node], wanted: Mapping[str, WantedLabel]
) -> tuple[TellingLabel, ...]:
    """Labels that a scheduler profile could name instead of tiers, fewest values first.

    Every node with a tier has the label, no value is of two tiers nor both of a tier and of a node
    without one, and it has few values; names of nodes are none. Where there is one, no controller
    is needed as long as that stays so. Where all nodes cost the same there is nothing to tell.
    """
    tier_of = {node.name: wanted[node.name].tier for node in nodes if node.name in wanted}
    ranked = [node for node in nodes if tier_of.get(node.name) is not None]
    others = [node for node in nodes if tier_of.get(node.name) is None]
    tiers = {tier for tier in tier_of.values() if tier is not None}
    if len(tiers) <= 1:
        return ()
    keys = set.intersection(*(set(node.labels) for node in ranked)) - _NO_KINDS
    found = []
    for key in keys:
        tiers_of_value: dict[str, set[int | None]] = defaultdict(set)
        for node in (*ranked, *(other for other in others if key in other.labels)):
            tiers_of_value[node.labels[key]].add(tier_of.get(node.name))
        if all(len(each) == 1 for each in tiers_of_value.values()):
            telling = _telling(key, tiers_of_value)
            if _values(telling) <= VALUES_PER_TIER_MAX * len(tiers):
                found.append(telling)
    return tuple(sorted(found, key=lambda each: (_values(each), each.key)))


def _telling(key: str, tiers_of_value: Mapping[str, set[int | None]]) -> TellingLabel:
    values: dict[int, list[str]] = defaultdict(list)
    for value, tiers in sorted(tiers_of_value.items()):
        (tier,) = tiers
        if tier is not None:
            values[tier].append(value)
    return TellingLabel(
        key=key, values_of_tier={tier: tuple(values[tier]) for tier in sorted(values)}
    )


def _values(label: TellingLabel) -> int:
    return sum(len(values) for values in label.values_of_tier.values())
