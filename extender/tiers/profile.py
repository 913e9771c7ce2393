"""The KubeSchedulerConfiguration for energy tiers, written out with a comment at each choice.

What weighs how much, and why, is in `cluster.scheduling.tier_profile`; the simulator's model of
kube-scheduler follows the same values. Pure: options in, text out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cluster.scheduling.profile import (
    ALL_PERCENT,
    ENERGY_TIER_LABEL,
    ENERGY_TIERS,
    ScoringStrategyType,
)
from cluster.scheduling.tier_profile import (
    FALL_PERCENT,
    SCORED_PERCENT,
    TIER_STEP_WEIGHT,
    WEIGHTS,
    packing,
    tier_weight,
)
from energy.errors import InputError
from extender.tiers import profile_text

#: Of RFC 1123, as Kubernetes has it, but for a letter first: YAML then takes none for a number.
_LABEL: Final = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
NAME: Final = re.compile(rf"(?=[a-z]){_LABEL}(\.{_LABEL})*")
NAMESPACE: Final = re.compile(rf"(?=[a-z]){_LABEL}")
NAME_CHARACTERS_MAX: Final = 253
#: What YAML 1.1 makes something else of, in lower case. kube-scheduler reads that.
_WORDS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_PLAIN: Final = re.compile(r"[a-z][-./a-z0-9]*")
DEFAULT_SCHEDULER: Final = "default-scheduler"
SECOND_LEASE: Final = ("negawatt-system", "negawatt-scheduler")
FIRST_LEASE: Final = ("kube-system", "kube-scheduler")
#: Between the loads at which servers draw the fewest watts a core above idle and in all (medians of
#: 60 and 80 % over the catalogue's since 2015). Searched in simulation, docs/decisions/0012.
EFFICIENT_LOAD_PERCENT: Final = 70


class Where(StrEnum):
    """Which kube-scheduler the configuration is for."""

    SECOND = "second"
    """One beside the cluster's own, in a pod, with a lease of its own."""

    CONTROL_PLANE = "control-plane"
    """The cluster's own. A profile by another name stands beside the default one there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TierProfileOptions:
    """What the configuration is made for.

    Attributes:
        where: which kube-scheduler reads it.
        scheduler_name: what pods ask for by `schedulerName`; `default-scheduler` for all that ask
            for nothing.
        percentage_of_nodes_to_score: 1 to 100; 0: kube-scheduler decides by the number of nodes.
        usage_ratio: what pods use of the CPU they request, above 0, to 1.
        lease_name: of leader election; None: `negawatt-scheduler`, or `kube-scheduler` on the
            control plane.
        lease_namespace: None: `negawatt-system`, or `kube-system` on the control plane.
        label: the label that tells tiers apart.
        values_of_tier: its values for each tier, 0 (best) to 9; None: the tier's number. Nodes with
            another value come last, as those without the label do.

    Raises:
        InputError: a value is out of its range.
    """

    where: Where = Where.SECOND
    scheduler_name: str = "negawatt"
    percentage_of_nodes_to_score: int = SCORED_PERCENT
    usage_ratio: float = 0.5
    lease_name: str | None = None
    lease_namespace: str | None = None
    label: str = ENERGY_TIER_LABEL
    values_of_tier: Mapping[int, tuple[str, ...]] | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.usage_ratio <= 1.0:
            raise InputError(
                f"usage ratio {self.usage_ratio} is outside (0, 1]",
                mend="give 1 where pods use all",
            )
        if not 0 <= self.percentage_of_nodes_to_score <= ALL_PERCENT:
            raise InputError(
                f"percentage of nodes to score {self.percentage_of_nodes_to_score}",
                mend=f"give 1 to {ALL_PERCENT}, or 0 for kube-scheduler's own",
            )
        for name in (self.scheduler_name, self.lease_name):
            if name is not None and not (NAME.fullmatch(name) and len(name) <= NAME_CHARACTERS_MAX):
                raise InputError(
                    f"{name!r} is not a name", mend="use a-z, 0-9 and -, in parts with . between"
                )
        if self.lease_namespace is not None and not NAMESPACE.fullmatch(self.lease_namespace):
            raise InputError(
                f"{self.lease_namespace!r} is not a namespace", mend="use a-z, 0-9 and -"
            )
        for tier, values in (self.values_of_tier or {}).items():
            if not 0 <= tier < ENERGY_TIERS or not values:
                raise InputError(f"tier {tier} with {len(values)} values of {self.label}")

    @property
    def values(self) -> Mapping[int, tuple[str, ...]]:
        """The label's values for each tier."""
        if self.values_of_tier is None:
            return {tier: (str(tier),) for tier in range(ENERGY_TIERS)}
        return self.values_of_tier

    @property
    def fill_percent(self) -> int:
        """Up to which share of a node's CPU requests it is filled before another is begun."""
        return efficient_fill_percent(self.usage_ratio)


def efficient_fill_percent(usage_ratio: float) -> int:
    """Percent of a node's CPU to fill with requests, so that it runs where it is most efficient.

    100 means packing without such a limit: where pods use little of what they request no node gets
    beyond that load.
    """
    percent = round(min(ALL_PERCENT, EFFICIENT_LOAD_PERCENT / usage_ratio))
    return percent if percent + FALL_PERCENT <= ALL_PERCENT else ALL_PERCENT


def profile_document(options: TierProfileOptions) -> str:
    """Write the configuration as one YAML document with comments."""
    return "".join((*_head(options), *_profile(options), *_strategy(options), *_tiers(options)))


def _head(options: TierProfileOptions) -> Iterator[str]:
    """Who it is for, how it connects, and what keeps two of it from scheduling at once."""
    second = options.where is Where.SECOND
    in_place = options.scheduler_name == DEFAULT_SCHEDULER
    told = profile_text.IN_PLACE if in_place else profile_text.TOGETHER
    yield (profile_text.BESIDE if second else told).format(name=_text(options.scheduler_name))
    yield profile_text.HEAD
    yield profile_text.POD_CONNECTION if second else profile_text.HOST_CONNECTION
    namespace, lease = SECOND_LEASE if second else FIRST_LEASE
    yield profile_text.LEASE.format(
        namespace=_text(options.lease_namespace or namespace),
        lease=_text(options.lease_name or lease),
    )
    if not second and not in_place:
        # A configuration that names profiles replaces the default one.
        yield profile_text.DEFAULT_PROFILE


def _profile(options: TierProfileOptions) -> Iterator[str]:
    yield profile_text.PROFILE.format(
        name=_text(options.scheduler_name),
        percentage=options.percentage_of_nodes_to_score,
        taints=WEIGHTS.taint_toleration,
        affinity=WEIGHTS.node_affinity,
        company=WEIGHTS.inter_pod_affinity,
        fit=WEIGHTS.node_resources_fit,
        spread=WEIGHTS.pod_topology_spread,
        strategy=packing(options.fill_percent).type,
    )


def _strategy(options: TierProfileOptions) -> Iterator[str]:
    """How NodeResourcesFit packs, below its type."""
    strategy, inner = packing(options.fill_percent), " " * 12
    if strategy.type is ScoringStrategyType.MOST_ALLOCATED:
        yield profile_text.ALIKE
    else:
        yield profile_text.FILLED.format(usage=options.usage_ratio, fill=options.fill_percent)
    yield f"{inner}resources:\n"
    for name, weight in strategy.resources:
        yield f"{inner}  - name: {name}\n{inner}    weight: {weight}\n"
    if strategy.shape:
        yield f"{inner}requestedToCapacityRatio:\n{inner}  shape:\n"
    for point in strategy.shape:
        yield f"{inner}    - utilization: {point.utilisation_percent}\n"
        yield f"{inner}      score: {point.score}\n"


def _tiers(options: TierProfileOptions) -> Iterator[str]:
    worst = ENERGY_TIERS - 1
    yield profile_text.TIERS.format(
        best=tier_weight(0), worst=tier_weight(worst), step=TIER_STEP_WEIGHT
    )
    for tier, values in sorted(options.values.items()):
        listed = json.dumps(list(values))  # which is YAML, too
        yield profile_text.TERM.format(
            weight=tier_weight(tier), label=_text(options.label), values=listed
        )


def _text(text: str) -> str:
    """Write a text for YAML, in quotes where it would be read as anything else."""
    return text if _PLAIN.fullmatch(text) and text not in _WORDS else json.dumps(text)
