"""InterPodAffinity's score: the company that a pod prefers, and the company that prefers it.

Source: k8s.io/kubernetes v1.36 framework/plugins/interpodaffinity/scoring.go.
"""

from __future__ import annotations

import numpy as np

from cluster.constraints import WeightedPodAffinityTerm
from cluster.model import Pod
from cluster.scheduling.affinity_terms import resolve
from cluster.scheduling.placed_pods import PlacedTerm, TermRole
from cluster.scheduling.pod_affinity import count_matching
from cluster.scheduling.scores.normalise import Rows, by_range
from cluster.scheduling.table import Int64s, NodeTable
from cluster.scheduling.topology import domains


def inter_pod_affinity(
    table: NodeTable,
    pod: Pod,
    rows: Rows,
    *,
    hard_weight: int = 1,
    ignore_placed: bool = False,
) -> Int64s | None:
    """Scores 0 to 100, or None if no term of the pod or about it counts.

    Args:
        table: the state.
        pod: the pod to place.
        rows: candidates.
        hard_weight: weight of the required affinity terms of placed pods.
        ignore_placed: whether the terms of placed pods are ignored for a pod that has no
            preferred terms of its own (ignorePreferredTermsOfExistingPods).
    """
    wanted, unwanted = _preferred(pod)
    has_own = bool(wanted or unwanted)
    heeds_placed = table.placed.any_terms and (has_own or not ignore_placed)
    if not has_own and not heeds_placed:
        return None
    raw = np.zeros(len(table), np.int64)
    for sign, terms in ((1, wanted), (-1, unwanted)):
        for weighted in terms:
            company = count_matching(table, resolve(weighted.term, pod))
            places = domains(table, weighted.term.topology_key)
            raw += sign * weighted.weight * places.spread(company)
    if heeds_placed:
        for placed, holders in table.placed.terms_about(pod):
            if weight := _weight_of(placed, hard_weight):
                raw += weight * domains(table, placed.term.topology_key).spread(holders)
    return by_range(raw[rows])


def _weight_of(placed: PlacedTerm, hard_weight: int) -> int:
    match placed.role:
        case TermRole.REQUIRED:
            return hard_weight
        case TermRole.PREFERRED:
            return placed.weight
        case TermRole.PREFERRED_ANTI:
            return -placed.weight
        case TermRole.REQUIRED_ANTI:
            return 0


def _preferred(
    pod: Pod,
) -> tuple[tuple[WeightedPodAffinityTerm, ...], tuple[WeightedPodAffinityTerm, ...]]:
    if pod.affinity is None:
        return (), ()
    wanted, unwanted = pod.affinity.pod, pod.affinity.pod_anti
    return wanted.preferred if wanted else (), unwanted.preferred if unwanted else ()
