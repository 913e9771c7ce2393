"""Topology spread constraints that forbid nodes (Filter of the plugin PodTopologySpread).

Source: k8s.io/kubernetes v1.36 framework/plugins/podtopologyspread/{common,filtering}.go.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cluster.constraints import InclusionPolicy, TopologySpreadConstraint, WhenUnsatisfiable
from cluster.model import Pod
from cluster.scheduling import node_affinity, taints
from cluster.scheduling.affinity_terms import label_key_requirements
from cluster.scheduling.placed_pods import PodKind
from cluster.scheduling.table import Bools, Int64s, NodeTable
from cluster.scheduling.topology import Domains, domains
from cluster.selectors import LabelSelector, Operator

SKEW_EXCEEDED = "node(s) didn't match pod topology spread constraints"
LABEL_MISSING = "node(s) didn't match pod topology spread constraints (missing required label)"


@dataclass(frozen=True, slots=True)
class SpreadMasks:
    """Verdict of all hard constraints: `fits`, and among the rest where a label is missing."""

    fits: Bools
    label_missing: Bools


def within_skew(table: NodeTable, pod: Pod) -> SpreadMasks | None:
    """Where every DoNotSchedule constraint of `pod` holds; None if it has none.

    On each node the first constraint that fails decides which reason is given.
    """
    constraints = constraints_of(pod, WhenUnsatisfiable.DO_NOT_SCHEDULE)
    if not constraints:
        return None
    counted = all_labelled(table, constraints)
    fits = np.ones(len(table), np.bool_)
    label_missing = np.zeros(len(table), np.bool_)
    for constraint in constraints:
        places = domains(table, constraint.topology_key)
        selector = selector_of(constraint, pod)
        eligible = counted & included(table, pod, constraint)
        matching = np.where(eligible, matching_pods(table, pod.namespace, selector), 0)
        totals = places.total_of(matching)
        lowest = _lowest_total(places, totals, eligible, constraint.min_domains)
        self_match = int(selector is not None and selector.matches(pod.labels))
        label_missing |= fits & ~places.labelled
        fits &= places.labelled & (
            totals[places.codes] + self_match - lowest <= constraint.max_skew
        )
    return SpreadMasks(fits, label_missing)


def _lowest_total(places: Domains, totals: Int64s, eligible: Bools, min_domains: int) -> int:
    """The fewest matching pods in an eligible domain; 0 with fewer domains than wanted."""
    present = np.zeros(places.count + 1, np.bool_)
    present[places.codes[eligible]] = True
    if int(present.sum()) < min_domains:
        return 0
    return int(totals[present].min())


def constraints_of(pod: Pod, action: WhenUnsatisfiable) -> tuple[TopologySpreadConstraint, ...]:
    """The pod's own constraints with that action."""
    if not pod.topology_spread:
        return ()
    return tuple(c for c in pod.topology_spread if c.when_unsatisfiable is action)


def selector_of(constraint: TopologySpreadConstraint, pod: Pod) -> LabelSelector | None:
    """The constraint's selector, narrowed by `matchLabelKeys`; None matches nothing."""
    selector = constraint.label_selector
    if selector is None or not constraint.match_label_keys:
        return selector
    keys = label_key_requirements(constraint.match_label_keys, pod.labels, Operator.IN)
    return selector.narrowed(*keys)


def matching_pods(table: NodeTable, namespace: str, selector: LabelSelector | None) -> Int64s:
    """By node, the pods of `namespace` that `selector` matches and that are not terminating.

    The empty selector counts nothing here (countPodsMatchSelector), though it matches all pods.
    """

    def weight_of(kind: PodKind) -> int:
        if selector is None or not selector.requirements or kind.terminating:
            return 0
        return int(kind.namespace == namespace and selector.matches(kind.labels))

    return table.placed.count(("spread", namespace, selector), weight_of)


def all_labelled(table: NodeTable, constraints: tuple[TopologySpreadConstraint, ...]) -> Bools:
    """Where the node has the topology label of every constraint."""
    mask = np.ones(len(table), np.bool_)
    for constraint in constraints:
        mask &= domains(table, constraint.topology_key).labelled
    return mask


def included(table: NodeTable, pod: Pod, constraint: TopologySpreadConstraint) -> Bools:
    """Where the node counts under the constraint's node affinity and taints policies."""
    mask = np.ones(len(table), np.bool_)
    if constraint.node_affinity_policy is InclusionPolicy.HONOUR:
        required = node_affinity.required_by(table, pod)
        if required is not None:
            mask &= required
    if constraint.node_taints_policy is InclusionPolicy.HONOUR:
        mask &= taints.tolerated(table, pod.tolerations)
    return mask
