"""NodeAffinity's and TaintToleration's scores: what does not change while pods come and go."""

from __future__ import annotations

from cluster.constraints import NodeAffinity
from cluster.model import Pod
from cluster.scheduling import taints
from cluster.scheduling.node_affinity import preference_weights
from cluster.scheduling.profile import MAX_NODE_SCORE
from cluster.scheduling.scores.normalise import Rows, by_maximum
from cluster.scheduling.table import Int64s, NodeTable


def node_affinity(
    table: NodeTable, pod: Pod, rows: Rows, added: NodeAffinity | None = None
) -> Int64s | None:
    """Matching preferred terms of the pod and of the profile; None if there are none."""
    own = pod.affinity.node.preferred if pod.affinity and pod.affinity.node else ()
    everyones = added.preferred if added else ()
    if not own and not everyones:
        return None
    if own and everyones:
        raw = preference_weights(table, everyones)[rows] + preference_weights(table, own)[rows]
    else:
        raw = preference_weights(table, own or everyones)[rows]
    return by_maximum(raw, reverse=False)


def taint_toleration(table: NodeTable, pod: Pod, rows: Rows) -> Int64s | int:
    """100 where every PreferNoSchedule taint is tolerated; a plain 100 if there are none."""
    if not table.softly_tainted:
        return MAX_NODE_SCORE
    raw = taints.intolerable_preferences(table, pod.tolerations)[rows]
    return by_maximum(raw, reverse=True)
