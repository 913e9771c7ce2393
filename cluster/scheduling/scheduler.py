"""One scheduling cycle: filter, score, choose (ScheduleOne without its queues and binding)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from cluster.model import Pod
from cluster.scheduling import scores
from cluster.scheduling.feasibility import feasible, reasons, summary
from cluster.scheduling.profile import SchedulerProfile
from cluster.scheduling.table import Int64s, NodeTable
from cluster.scheduling.tie import Indices, TieState

Extender: TypeAlias = Callable[[NodeTable, Pod, Indices], Int64s]
"""Points that an extender adds to each candidate row, its weight and the factor 10 included."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a pod goes and why.

    Attributes:
        index: row of the node in the table.
        node_name: its name.
        score: the total that won; None if there was no other node, so that none was scored.
        feasible_count: nodes that were found able to take the pod.
        tied_count: nodes that shared the best total.
    """

    index: int
    node_name: str
    score: int | None
    feasible_count: int
    tied_count: int

    @property
    def reason(self) -> str:
        """One sentence."""
        if self.score is None:
            return f"{self.node_name} is the only node that can take the pod"
        others = f", shared by {self.tied_count} nodes" if self.tied_count > 1 else ""
        return (
            f"{self.node_name} has the highest score, {self.score}{others}, "
            f"of {self.feasible_count} feasible nodes"
        )


def schedule_one(
    table: NodeTable,
    pod: Pod,
    profile: SchedulerProfile,
    tie_state: TieState,
    extender: Extender | None = None,
) -> Placement | None:
    """Choose a node for `pod`, or None if no node can take it (see `why_pending`).

    The table is not changed: call `table.assign(pod, placement.index)` to bind.
    """
    added = profile.added_affinity
    fits = feasible(table, pod, added.required if added else None)
    candidates = tie_state.sample(fits, profile.percentage_of_nodes_to_score)
    count = len(candidates)
    if count <= 1:
        if count == 0:
            return None
        row = int(candidates[0])
        return Placement(row, table.nodes[row].name, None, 1, 1)
    in_order = count == len(fits) and candidates[0] == 0
    totals = total_scores(table, pod, profile, slice(None) if in_order else candidates, count)
    if extender is not None:
        totals = totals + extender(table, pod, candidates)
    best = totals.max()
    ties = np.flatnonzero(totals == best)
    row = int(candidates[tie_state.choose(ties)])
    return Placement(row, table.nodes[row].name, int(best), count, len(ties))


def why_pending(table: NodeTable, pod: Pod, profile: SchedulerProfile) -> str:
    """kube-scheduler's sentence on why no node can take `pod`; empty if one can."""
    added = profile.added_affinity
    found = reasons(table, pod, added.required if added else None)
    return summary(found) if all(found) else ""


def total_scores(
    table: NodeTable, pod: Pod, profile: SchedulerProfile, rows: scores.Rows, count: int
) -> Int64s:
    """Weighted sums over the profile's score plugins, one per candidate (`count` of them)."""
    total: Int64s | None = None
    constant = 0
    for _, weight, score in plugin_scores(table, pod, profile, rows):
        if isinstance(score, int):
            constant += weight * score
        elif total is None:
            total = score * weight if weight != 1 else score
        else:
            total += score * weight if weight != 1 else score
    if total is None:
        return np.full(count, constant, np.int64)
    total += constant
    return total


def plugin_scores(
    table: NodeTable, pod: Pod, profile: SchedulerProfile, rows: scores.Rows
) -> Iterator[tuple[str, int, Int64s | int]]:
    """(plugin, weight, scores 0 to 100) of every plugin that has something to say.

    A plain int stands for the same score on every candidate.
    """
    weights = profile.weights
    if weights.node_resources_fit:
        fit = scores.fit_score(table, pod, rows, profile.strategy)
        yield "NodeResourcesFit", weights.node_resources_fit, fit
    if weights.balanced_allocation:
        balance = scores.balanced_allocation(table, pod, rows, profile.balanced_resources)
        if balance is not None:
            yield "NodeResourcesBalancedAllocation", weights.balanced_allocation, balance
    if weights.taint_toleration:
        tolerance = scores.taint_toleration(table, pod, rows)
        yield "TaintToleration", weights.taint_toleration, tolerance
    if weights.node_affinity:
        preference = scores.node_affinity(table, pod, rows, profile.added_affinity)
        if preference is not None:
            yield "NodeAffinity", weights.node_affinity, preference
    yield from _company_scores(table, pod, profile, rows)


def _company_scores(
    table: NodeTable, pod: Pod, profile: SchedulerProfile, rows: scores.Rows
) -> Iterator[tuple[str, int, Int64s]]:
    """The plugins that look at other pods."""
    weights = profile.weights
    if weights.pod_topology_spread and (pod.topology_spread or pod.default_spread_selector):
        spread = scores.pod_topology_spread(
            table, pod, rows, system_defaults=profile.system_default_spread
        )
        if spread is not None:
            yield "PodTopologySpread", weights.pod_topology_spread, spread
    if weights.inter_pod_affinity and (pod.affinity or table.placed.any_terms):
        company = scores.inter_pod_affinity(
            table,
            pod,
            rows,
            hard_weight=profile.hard_pod_affinity_weight,
            ignore_placed=profile.ignore_preferred_terms_of_existing_pods,
        )
        if company is not None:
            yield "InterPodAffinity", weights.inter_pod_affinity, company
