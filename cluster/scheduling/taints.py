"""Taints, tolerations and cordoned nodes (plugins TaintToleration and NodeUnschedulable)."""

from __future__ import annotations

import numpy as np

from cluster.constraints import Taint, TaintEffect, Toleration
from cluster.scheduling.table import Bools, Int64s, NodeTable

UNTOLERATED = "node(s) had untolerated taint(s)"
UNSCHEDULABLE = "node(s) were unschedulable"

_CORDON_TAINT = Taint("node.kubernetes.io/unschedulable", "", TaintEffect.NO_SCHEDULE)


def tolerated(table: NodeTable, tolerations: tuple[Toleration, ...]) -> Bools:
    """Where no NoSchedule or NoExecute taint is left untolerated. Kept: read only."""
    cached = table.static_cache.get(("tolerated", tolerations))
    if isinstance(cached, np.ndarray):
        return cached
    mask = np.array([untolerated(n.taints, tolerations) is None for n in table.nodes], np.bool_)
    table.remember(("tolerated", tolerations), mask)
    return mask


def intolerable_preferences(table: NodeTable, tolerations: tuple[Toleration, ...]) -> Int64s:
    """How many PreferNoSchedule taints of each node are not tolerated. Kept: read only."""
    cached = table.static_cache.get(("intolerable", tolerations))
    if isinstance(cached, np.ndarray):
        return cached
    counts = np.array(
        [
            sum(
                taint.effect is TaintEffect.PREFER_NO_SCHEDULE and not _covers(tolerations, taint)
                for taint in node.taints
            )
            for node in table.nodes
        ],
        np.int64,
    )
    table.remember(("intolerable", tolerations), counts)
    return counts


def untolerated(taints: tuple[Taint, ...], tolerations: tuple[Toleration, ...]) -> Taint | None:
    """The first taint that keeps a pod with `tolerations` away, if any."""
    for taint in taints:
        if taint.effect is not TaintEffect.PREFER_NO_SCHEDULE and not _covers(tolerations, taint):
            return taint
    return None


def tolerates_cordon(tolerations: tuple[Toleration, ...]) -> bool:
    """Whether a pod with `tolerations` may go to a cordoned node."""
    return _covers(tolerations, _CORDON_TAINT)


def _covers(tolerations: tuple[Toleration, ...], taint: Taint) -> bool:
    return any(toleration.tolerates(taint) for toleration in tolerations)
