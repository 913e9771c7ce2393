"""Required pod affinity and anti-affinity (Filter of the plugin InterPodAffinity).

Source: k8s.io/kubernetes v1.36 framework/plugins/interpodaffinity/filtering.go.
"""

from __future__ import annotations

import numpy as np

from cluster.constraints import PodAffinityTerm
from cluster.model import Pod
from cluster.scheduling.affinity_terms import ResolvedTerm, resolve_all
from cluster.scheduling.placed_pods import PodKind, TermRole
from cluster.scheduling.table import Bools, Int64s, NodeTable
from cluster.scheduling.topology import domains

AFFINITY_UNMET = "node(s) didn't match pod affinity rules"
ANTI_AFFINITY_UNMET = "node(s) didn't match pod anti-affinity rules"
EXISTING_ANTI_AFFINITY = "node(s) didn't satisfy existing pods anti-affinity rules"


def near_wanted(table: NodeTable, pod: Pod) -> Bools | None:
    """Where the pod's required affinity holds; None if it has none.

    A placed pod counts when it matches *all* terms. The first pod of a group that wants to be
    with itself may go anywhere that has the topology labels.
    """
    terms = _required(pod, anti=False)
    if not terms:
        return None
    resolved = resolve_all(terms, pod)
    companions = _count_matching_all(table, resolved)
    mask = np.ones(len(table), np.bool_)
    labelled = np.ones(len(table), np.bool_)
    found = False
    for term in resolved:
        places = domains(table, term.topology_key)
        labelled &= places.labelled
        found = found or bool(companions[places.labelled].any())
        mask &= places.spread(companions) > 0
    if not found and _all_match(resolved, pod, table):
        return labelled
    return mask


def away_from_unwanted(table: NodeTable, pod: Pod) -> Bools | None:
    """Where no placed pod matches a required anti-affinity term of `pod`; None if it has none."""
    terms = _required(pod, anti=True)
    if not terms:
        return None
    mask = np.ones(len(table), np.bool_)
    for term in resolve_all(terms, pod):
        unwanted = count_matching(table, term)
        mask &= domains(table, term.topology_key).spread(unwanted) == 0
    return mask


def tolerated_by_placed(table: NodeTable, pod: Pod) -> Bools | None:
    """Where no placed pod's required anti-affinity means `pod`; None if no term does."""
    mask: Bools | None = None
    for placed, holders in table.placed.terms_about(pod):
        if placed.role is TermRole.REQUIRED_ANTI:
            clear: Bools = domains(table, placed.term.topology_key).spread(holders) == 0
            mask = clear if mask is None else mask & clear
    return mask


def count_matching(table: NodeTable, term: ResolvedTerm) -> Int64s:
    """By node, how many placed pods `term` means. Kept up to date: read only."""
    labels_of = table.namespace_labels

    def weight_of(kind: PodKind) -> int:
        return int(term.matches(kind.namespace, kind.labels, labels_of))

    return table.placed.count(("term", term), weight_of)


def _count_matching_all(table: NodeTable, terms: tuple[ResolvedTerm, ...]) -> Int64s:
    if len(terms) == 1:
        return count_matching(table, terms[0])
    labels_of = table.namespace_labels

    def weight_of(kind: PodKind) -> int:
        return int(all(t.matches(kind.namespace, kind.labels, labels_of) for t in terms))

    return table.placed.count(("terms", terms), weight_of)


def _all_match(terms: tuple[ResolvedTerm, ...], pod: Pod, table: NodeTable) -> bool:
    labels_of = table.namespace_labels
    return all(term.matches(pod.namespace, pod.labels, labels_of) for term in terms)


def _required(pod: Pod, *, anti: bool) -> tuple[PodAffinityTerm, ...]:
    if pod.affinity is None:
        return ()
    wanted = pod.affinity.pod_anti if anti else pod.affinity.pod
    return wanted.required if wanted else ()
