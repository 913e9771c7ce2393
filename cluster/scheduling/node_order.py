"""The order in which kube-scheduler lists nodes: by turns from each zone.

Source: k8s.io/kubernetes v1.36 pkg/scheduler/backend/cache/node_tree.go and
k8s.io/component-helpers v0.36 node/topology/helpers.go (GetZoneKey).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, zip_longest

from cluster.constraints import REGION_LABEL, ZONE_LABEL
from cluster.model import Node

_OLD_ZONE_LABEL = "failure-domain.beta.kubernetes.io/zone"
_OLD_REGION_LABEL = "failure-domain.beta.kubernetes.io/region"


def node_order(nodes: Iterable[Node]) -> list[Node]:
    """`nodes`, given in the order in which they joined, as the scheduler's snapshot lists them."""
    zones: dict[tuple[str, str], list[Node]] = {}
    for node in nodes:
        zones.setdefault(_zone_key(node), []).append(node)
    turns = chain.from_iterable(zip_longest(*zones.values()))
    return [node for node in turns if node is not None]


def _zone_key(node: Node) -> tuple[str, str]:
    labels = node.labels
    zone = labels.get(_OLD_ZONE_LABEL, labels.get(ZONE_LABEL, ""))
    return labels.get(_OLD_REGION_LABEL, labels.get(REGION_LABEL, "")), zone
