"""Node selectors and node affinity (plugin NodeAffinity), including a profile's added affinity.

Source: k8s.io/component-helpers v0.36 scheduling/corev1/nodeaffinity/nodeaffinity.go.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cluster.constraints import NodeSelectorTerm, PreferredNodeTerm
from cluster.model import Node, Pod
from cluster.scheduling.table import Bools, Int64s, NodeTable
from cluster.selectors import Operator

NO_MATCH = "node(s) didn't match Pod's node affinity/selector"
NOT_NAMED = "node(s) didn't satisfy plugin(s) [NodeAffinity]"
NOT_ENFORCED = "node(s) didn't match scheduler-enforced node affinity"

_NAME_FIELD = "metadata.name"


def required_by(table: NodeTable, pod: Pod) -> Bools | None:
    """Where the pod's node selector and required affinity hold; None if it has neither."""
    affinity = pod.affinity.node if pod.affinity else None
    terms = affinity.required if affinity else None
    if not pod.node_selector and terms is None:
        return None
    selector = tuple(sorted(pod.node_selector.items()))
    key = ("required", selector, terms)
    cached = table.static_cache.get(key)
    if isinstance(cached, np.ndarray):
        return cached
    mask = np.array(
        [
            selects(pod.node_selector, node) and (terms is None or matches_any(terms, node))
            for node in table.nodes
        ],
        np.bool_,
    )
    table.remember(key, mask)
    return mask


def named_by(table: NodeTable, pod: Pod) -> Bools | None:
    """The nodes that required affinity names one by one, as for a DaemonSet; None if it doesn't.

    kube-scheduler looks at no others, and gives another reason for them (PreFilter).
    """
    affinity = pod.affinity.node if pod.affinity else None
    if affinity is None or not affinity.required:
        return None
    names: set[str] = set()
    for term in affinity.required:
        wanted = [
            set(field.values)
            for field in term.match_fields
            if field.key == _NAME_FIELD and field.operator is Operator.IN
        ]
        if not wanted:
            return None
        names |= set.intersection(*wanted)
    return np.array([node.name in names for node in table.nodes], np.bool_)


def enforced(table: NodeTable, terms: tuple[NodeSelectorTerm, ...]) -> Bools:
    """Where a profile's added required affinity holds. Kept: read only."""
    cached = table.static_cache.get(("enforced", terms))
    if isinstance(cached, np.ndarray):
        return cached
    mask = np.array([matches_any(terms, node) for node in table.nodes], np.bool_)
    table.remember(("enforced", terms), mask)
    return mask


def preference_weights(table: NodeTable, preferred: tuple[PreferredNodeTerm, ...]) -> Int64s:
    """Sum of the weights of the terms that match, by node. Kept: read only."""
    cached = table.static_cache.get(("preferred", preferred))
    if isinstance(cached, np.ndarray):
        return cached
    weights = np.array(
        [sum(p.weight for p in preferred if matches(p.term, node)) for node in table.nodes],
        np.int64,
    )
    table.remember(("preferred", preferred), weights)
    return weights


def selects(selector: Mapping[str, str], node: Node) -> bool:
    """Whether the node has every label of a `nodeSelector`."""
    return all(node.labels.get(key) == value for key, value in selector.items())


def matches_any(terms: tuple[NodeSelectorTerm, ...], node: Node) -> bool:
    """Whether one of `terms` matches; no terms match nothing."""
    return any(matches(term, node) for term in terms)


def matches(term: NodeSelectorTerm, node: Node) -> bool:
    """Whether all expressions and fields of the term hold; an empty term matches nothing."""
    if not term.match_expressions and not term.match_fields:
        return False
    fields = {_NAME_FIELD: node.name}
    return all(e.matches(node.labels) for e in term.match_expressions) and all(
        f.matches(fields) for f in term.match_fields
    )
