"""Which nodes can take a pod: kube-scheduler's Filter plugins over a whole table at once."""

from __future__ import annotations

from cluster.model import Pod
from cluster.scheduling.table import Bools, NodeTable


def feasible(table: NodeTable, pod: Pod) -> Bools:
    """A new bool array of shape (nodes,): True where `pod` can go.

    Pods without constraints on a table without taints take a path of a few comparisons.
    """
    return resources_fit(table, pod)


def resources_fit(table: NodeTable, pod: Pod) -> Bools:
    """Where CPU, memory, extended resources and the number of pods suffice.

    As in NodeResourcesFit, a resource that is not requested is not checked, so that an
    overcommitted node still takes a pod without requests.
    """
    requests = pod.requests
    fits: Bools = table.free_pods > 0
    if requests.cpu_millicores:
        fits &= table.free_cpu_millicores >= requests.cpu_millicores
    if requests.memory_bytes:
        fits &= table.free_memory_bytes >= requests.memory_bytes
    for name, amount in requests.extended.items():
        offered = table.allocatable_extended.get(name)
        if offered is None:
            fits[:] = False
            break
        taken = table.requested_extended.get(name)
        fits &= offered - taken >= amount if taken is not None else offered >= amount
    return fits
