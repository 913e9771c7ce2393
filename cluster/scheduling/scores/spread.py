"""PodTopologySpread's score: fewer pods of the same kind in the domain are better.

Source: k8s.io/kubernetes v1.36 framework/plugins/podtopologyspread/{plugin,scoring}.go.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cluster.constraints import (
    HOSTNAME_LABEL,
    ZONE_LABEL,
    TopologySpreadConstraint,
    WhenUnsatisfiable,
)
from cluster.model import Pod
from cluster.scheduling.profile import MAX_NODE_SCORE
from cluster.scheduling.scores.normalise import Rows
from cluster.scheduling.table import Bools, Int64s, NodeTable
from cluster.scheduling.topology import domains
from cluster.scheduling.topology_spread import (
    all_labelled,
    constraints_of,
    included,
    matching_pods,
    selector_of,
)

# What PodTopologySpread applies to pods of Services and controllers without constraints.
SYSTEM_DEFAULTS = ((HOSTNAME_LABEL, 3), (ZONE_LABEL, 5))


def pod_topology_spread(
    table: NodeTable, pod: Pod, rows: Rows, *, system_defaults: bool = True
) -> Int64s | None:
    """Scores 0 to 100 by the ScheduleAnyway constraints; None if the pod has none.

    Nodes without one of the topology labels score 0, except under the system's defaults.
    """
    constraints = constraints_of(pod, WhenUnsatisfiable.SCHEDULE_ANYWAY)
    needs_all_labels = bool(pod.topology_spread)
    if not pod.topology_spread and system_defaults:
        constraints = _defaults_for(pod)
    if not constraints:
        return None
    everywhere = np.ones(len(table), np.bool_)
    counted = all_labelled(table, constraints) if needs_all_labels else everywhere
    scored = counted[rows]
    raw = np.zeros(len(scored), np.float64)
    for constraint in constraints:
        raw += _costs(table, pod, rows, constraint, counted)
    return _normalised(np.floor(raw + 0.5).astype(np.int64), scored)


def _defaults_for(pod: Pod) -> tuple[TopologySpreadConstraint, ...]:
    selector = pod.default_spread_selector
    if selector is None or not selector.requirements:
        return ()
    return tuple(
        TopologySpreadConstraint(
            topology_key=key,
            max_skew=max_skew,
            when_unsatisfiable=WhenUnsatisfiable.SCHEDULE_ANYWAY,
            label_selector=selector,
        )
        for key, max_skew in SYSTEM_DEFAULTS
    )


def _costs(
    table: NodeTable,
    pod: Pod,
    rows: Rows,
    constraint: TopologySpreadConstraint,
    counted: Bools,
) -> NDArray[np.float64]:
    """What one constraint adds: pods in the domain x log(domains + 2) + maxSkew - 1.

    Per-host counts are of all matching pods; the counts of wider domains leave out the nodes
    that the constraint's inclusion policies exclude.
    """
    places = domains(table, constraint.topology_key)
    matching = matching_pods(table, pod.namespace, selector_of(constraint, pod))
    scored = counted[rows]
    if constraint.topology_key == HOSTNAME_LABEL:
        pods = matching[rows]
        size = int(scored.sum())
    else:
        codes = places.codes[rows]
        size = len(np.unique(codes[scored]))
        eligible = counted & included(table, pod, constraint)
        pods = places.total_of(np.where(eligible, matching, 0))[codes]
    cost = pods * math.log(size + 2) + (constraint.max_skew - 1)
    return np.where(places.labelled[rows] & scored, cost, 0.0)


def _normalised(raw: Int64s, scored: Bools) -> Int64s:
    """100 for the least cost, falling in proportion; 0 for nodes that are not scored."""
    if not scored.any():
        return np.zeros(raw.shape, np.int64)
    greatest = int(raw[scored].max())
    if greatest == 0:
        return np.where(scored, MAX_NODE_SCORE, 0)
    least = int(raw[scored].min())
    return np.where(scored, MAX_NODE_SCORE * (greatest + least - raw) // greatest, 0)
