"""What a scheduler profile configures: which scores count how much, and how resources score.

Defaults: k8s.io/kubernetes v1.36 pkg/scheduler/apis/config/v1/default_plugins.go, defaults.go.
ImageLocality is left out (it gives every node 0 where no image sizes are known), and so are the
volume and device plugins.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cluster.constraints import NodeAffinity, NodeSelectorTerm, PreferredNodeTerm
from cluster.selectors import Operator, Requirement
from energy.errors import InputError

ENERGY_TIER_LABEL = "negawatt.dev.node-restriction.kubernetes.io/energy-tier"
ENERGY_TIERS = 10

MAX_NODE_SCORE = 100
# A shape point's score is 0 to 10 in the configuration (config.MaxCustomPriorityScore).
MAX_SHAPE_SCORE = 10
# A resource's weight in a scoring strategy (validation.go).
MAX_WEIGHT = 100
ALL_PERCENT = 100


class ScoringStrategyType(StrEnum):
    """How NodeResourcesFit turns requested and allocatable amounts into a score."""

    LEAST_ALLOCATED = "LeastAllocated"
    MOST_ALLOCATED = "MostAllocated"
    REQUESTED_TO_CAPACITY_RATIO = "RequestedToCapacityRatio"


@dataclass(frozen=True, slots=True)
class ShapePoint:
    """A point of RequestedToCapacityRatio: at `utilisation_percent` (0-100) score 0 to 10.

    Percent, because it is Kubernetes' own configuration and its arithmetic is on integers.
    """

    utilisation_percent: int
    score: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringStrategy:
    """NodeResourcesFit's scoring: `resources` are names and weights (1 to 100)."""

    type: ScoringStrategyType = ScoringStrategyType.LEAST_ALLOCATED
    resources: tuple[tuple[str, int], ...] = (("cpu", 1), ("memory", 1))
    shape: tuple[ShapePoint, ...] = ()

    def __post_init__(self) -> None:
        if not self.resources or any(not 1 <= weight <= MAX_WEIGHT for _, weight in self.resources):
            raise InputError(f"a scoring strategy needs resources with weights 1 to {MAX_WEIGHT}")
        wants_shape = self.type is ScoringStrategyType.REQUESTED_TO_CAPACITY_RATIO
        if wants_shape != bool(self.shape):
            raise InputError(f"{self.type} {'needs a' if wants_shape else 'takes no'} shape")
        points = [point.utilisation_percent for point in self.shape]
        if points != sorted(set(points)) or any(not 0 <= point <= ALL_PERCENT for point in points):
            raise InputError("a shape's utilisations must rise within 0 to 100")
        if any(not 0 <= point.score <= MAX_SHAPE_SCORE for point in self.shape):
            raise InputError(f"a shape's scores are 0 to {MAX_SHAPE_SCORE}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginWeights:
    """Weights of the score plugins; 0 disables one."""

    taint_toleration: int = 3
    node_affinity: int = 2
    pod_topology_spread: int = 2
    inter_pod_affinity: int = 2
    node_resources_fit: int = 1
    balanced_allocation: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerProfile:
    """A KubeSchedulerProfile, as far as it decides where a pod goes.

    Attributes:
        weights: the score plugins' weights.
        strategy: how NodeResourcesFit scores.
        balanced_resources: what BalancedAllocation compares.
        added_affinity: NodeAffinity's addedAffinity, which applies to every pod.
        percentage_of_nodes_to_score: 1 to 100; 0 is kube-scheduler's adaptive default.
        hard_pod_affinity_weight: what a placed pod's required affinity adds to a score.
        ignore_preferred_terms_of_existing_pods: see InterPodAffinityArgs.
        system_default_spread: whether pods of Services and controllers are spread softly over
            hosts and zones by default (PodTopologySpread's System defaulting).
    """

    weights: PluginWeights = PluginWeights()
    strategy: ScoringStrategy = ScoringStrategy()
    balanced_resources: tuple[str, ...] = ("cpu", "memory")
    added_affinity: NodeAffinity | None = None
    percentage_of_nodes_to_score: int = 0
    hard_pod_affinity_weight: int = 1
    ignore_preferred_terms_of_existing_pods: bool = False
    system_default_spread: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.percentage_of_nodes_to_score <= ALL_PERCENT:
            raise InputError("percentageOfNodesToScore is 0 to 100")

    @classmethod
    def default(cls, *, percentage_of_nodes_to_score: int = 0) -> SchedulerProfile:
        """kube-scheduler as it comes: LeastAllocated and BalancedAllocation."""
        return cls(percentage_of_nodes_to_score=percentage_of_nodes_to_score)

    @classmethod
    def most_allocated(cls, *, percentage_of_nodes_to_score: int = 0) -> SchedulerProfile:
        """MostAllocated in place of LeastAllocated, all else as it comes."""
        return cls(
            strategy=ScoringStrategy(type=ScoringStrategyType.MOST_ALLOCATED),
            percentage_of_nodes_to_score=percentage_of_nodes_to_score,
        )

    @classmethod
    def energy_tiers(
        cls,
        strategy: ScoringStrategyType = ScoringStrategyType.MOST_ALLOCATED,
        *,
        percentage_of_nodes_to_score: int = 0,
    ) -> SchedulerProfile:
        """Nodes preferred by their energy tier: 0 by weight 100 down to 9 by weight 10.

        Unlabelled nodes come last. NodeAffinity has weight 5.
        """
        return cls(
            weights=PluginWeights(node_affinity=5),
            strategy=ScoringStrategy(type=strategy),
            added_affinity=NodeAffinity(
                preferred=tuple(_prefers_tier(tier) for tier in range(ENERGY_TIERS))
            ),
            percentage_of_nodes_to_score=percentage_of_nodes_to_score,
        )


def _prefers_tier(tier: int) -> PreferredNodeTerm:
    expression = Requirement(ENERGY_TIER_LABEL, Operator.IN, (str(tier),))
    term = NodeSelectorTerm(match_expressions=(expression,))
    return PreferredNodeTerm(weight=MAX_NODE_SCORE - 10 * tier, term=term)
