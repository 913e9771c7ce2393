"""The profile that turns the label of energy tiers into a preference, and how much it weighs.

NodeAffinity adds the weight of the node's tier to the weights of the pod's own preferred terms that
match, divides by the best node's sum and rounds down to 0 to 100 points. So tiers and a pod's terms
are compared weight by weight, whatever else the pod asks for:

- tier 0 weighs 40, each further one 4 less, tier 9 still 4, and a node without a tier 0;
- a pod's term of 50 is worth more than all of it, one of 10 more than two steps of three or more.

Between two nodes that differ by one step (4) at sums of up to 400 there is a whole point, since
100 x 4 / 400 = 1, and NodeAffinity's weight makes it 201: more than packing and built-in spreading
together, 100 points each. Nothing but 400 - 40 = 360 of a pod's own terms that match at once on one
node can make the step smaller; a term of 50 is sure of a point over tier 0 at sums of up
to 1,000. PreferNoSchedule taints, pod affinity and
anti-affinity weigh more than NodeAffinity's 20,100 points with packing and spreading on its side.
But kube-scheduler scales taints by the worst node: while some node has two soft taints a single one
counts half, and tiers can outweigh it. Spreading by ScheduleAnyway weighs 1 also where users wrote
it, so any tier is above it.
"""

from __future__ import annotations

from typing import Final

from cluster.constraints import NodeAffinity, NodeSelectorTerm, PreferredNodeTerm
from cluster.scheduling.profile import (
    ALL_PERCENT,
    ENERGY_TIER_LABEL,
    ENERGY_TIERS,
    PluginWeights,
    SchedulerProfile,
    ScoringStrategy,
    ScoringStrategyType,
    ShapePoint,
)
from cluster.selectors import Operator, Requirement
from energy.errors import InputError

#: Of a preferred term. Below 50, so that a user's term of 50 stands above the best tier.
BEST_TIER_WEIGHT: Final = 40
TIER_STEP_WEIGHT: Final = 4

#: kube-scheduler's own proportions of 3 : 2 : 2, each of the others above NodeAffinity's range.
WEIGHTS: Final = PluginWeights(
    taint_toleration=306,
    node_affinity=201,
    inter_pod_affinity=204,
    pod_topology_spread=1,
    node_resources_fit=1,
    balanced_allocation=0,
)

FILL_PERCENT_MIN: Final = 20
#: Over so many percent the score falls from best to worst. Nodes that are to be filled beyond
#: 100 - FALL_PERCENT are simply packed.
FALL_PERCENT: Final = 10
#: Scores of 0 to 10: an empty node, one at the fill, one just beyond it, one that is full.
EMPTY_SCORE, FILLED_SCORE, BEYOND_SCORE, FULL_SCORE = 5, 10, 0, 4

#: Which part of the nodes is scored: bench/tiers_scored_nodes.py says what less costs.
SCORED_PERCENT: Final = 50


def tier_weight(tier: int) -> int:
    """Weight of the preferred term for a tier, 0 (best) to 9."""
    return BEST_TIER_WEIGHT - TIER_STEP_WEIGHT * tier


def tier_profile(
    *, fill_percent: int = ALL_PERCENT, percentage_of_nodes_to_score: int = SCORED_PERCENT
) -> SchedulerProfile:
    """Nodes by their tier, packed within one: see the module.

    With a `fill_percent` below 100 nodes of a tier are filled up to that share of their CPU, then
    another of the tier is begun, and only then the rest is filled.
    """
    return SchedulerProfile(
        weights=WEIGHTS,
        strategy=packing(fill_percent),
        added_affinity=NodeAffinity(
            preferred=tuple(_prefers(tier) for tier in range(ENERGY_TIERS))
        ),
        percentage_of_nodes_to_score=percentage_of_nodes_to_score,
    )


def packing(fill_percent: int) -> ScoringStrategy:
    """MostAllocated, or for a `fill_percent` that leaves room for it a shape with its top there.

    Raises:
        InputError: it is outside 20 to 100.
    """
    if not FILL_PERCENT_MIN <= fill_percent <= ALL_PERCENT:
        raise InputError(
            f"nodes cannot be filled to {fill_percent} %",
            mend=f"give {FILL_PERCENT_MIN} to {ALL_PERCENT}",
        )
    if fill_percent + FALL_PERCENT > ALL_PERCENT:
        return ScoringStrategy(type=ScoringStrategyType.MOST_ALLOCATED)
    beyond = fill_percent + FALL_PERCENT // 2
    return ScoringStrategy(
        type=ScoringStrategyType.REQUESTED_TO_CAPACITY_RATIO,
        resources=(("cpu", 1),),
        shape=(
            ShapePoint(0, EMPTY_SCORE),
            ShapePoint(fill_percent, FILLED_SCORE),
            ShapePoint(beyond, BEYOND_SCORE),
            ShapePoint(ALL_PERCENT, FULL_SCORE),
        ),
    )


def _prefers(tier: int) -> PreferredNodeTerm:
    expression = Requirement(ENERGY_TIER_LABEL, Operator.IN, (str(tier),))
    term = NodeSelectorTerm(match_expressions=(expression,))
    return PreferredNodeTerm(weight=tier_weight(tier), term=term)
