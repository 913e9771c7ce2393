"""kube-scheduler's Score plugins over many nodes at once.

Every function takes the table, the pod and the candidate rows and returns an int64 array of
scores 0 to 100, one per candidate, already normalised over the candidates. `rows` is an array
of row numbers, or `slice(None)` for all rows in order, which spares the copies.
"""

from cluster.scheduling.scores.allocation import fit_score
from cluster.scheduling.scores.balance import balanced_allocation
from cluster.scheduling.scores.inter_pod_affinity import inter_pod_affinity
from cluster.scheduling.scores.normalise import Rows
from cluster.scheduling.scores.preferences import node_affinity, taint_toleration
from cluster.scheduling.scores.spread import pod_topology_spread

__all__ = [
    "Rows",
    "balanced_allocation",
    "fit_score",
    "inter_pod_affinity",
    "node_affinity",
    "pod_topology_spread",
    "taint_toleration",
]
