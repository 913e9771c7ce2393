"""Which nodes can take a pod: kube-scheduler's Filter plugins over a whole table at once.

Left out, because no placement here depends on them: volumes, dynamic resource allocation, pod
groups, preemption (a pod never displaces another), and nominated nodes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import numpy as np

from cluster.constraints import NodeSelectorTerm
from cluster.model import Pod
from cluster.scheduling import host_ports, node_affinity, pod_affinity, taints, topology_spread
from cluster.scheduling.table import Bools, NodeTable

WRONG_NODE_NAME = "node(s) didn't match the requested node name"
TOO_MANY_PODS = "Too many pods"


def feasible(
    table: NodeTable, pod: Pod, enforced: tuple[NodeSelectorTerm, ...] | None = None
) -> Bools:
    """A new bool array of shape (nodes,): True where `pod` can go.

    A pod without constraints takes a path of a few comparisons.

    Args:
        table: the state.
        pod: the pod to place; whether it names a node already is respected.
        enforced: required terms of the scheduler profile's added affinity, if any.
    """
    fits = resources_fit(table, pod)
    if table.cordoned_count and not taints.tolerates_cordon(pod.tolerations):
        fits &= ~table.unschedulable
    if table.tainted:
        fits &= taints.tolerated(table, pod.tolerations)
    if enforced is not None:
        fits &= node_affinity.enforced(table, enforced)
    if table.placed.any_terms:
        clear = pod_affinity.tolerated_by_placed(table, pod)
        if clear is not None:
            fits &= clear
    if pod.constrained:
        for mask in _own_constraints(table, pod):
            fits &= mask
    return fits


def _own_constraints(table: NodeTable, pod: Pod) -> Iterator[Bools]:
    if pod.node_name:
        yield _named(table, pod.node_name)
    required = node_affinity.required_by(table, pod)
    if required is not None:
        yield required
    if pod.host_ports:
        yield host_ports.free(table, pod)
    if pod.topology_spread:
        spread = topology_spread.within_skew(table, pod)
        if spread is not None:
            yield spread.fits
    if pod.affinity:
        for mask in (
            pod_affinity.near_wanted(table, pod),
            pod_affinity.away_from_unwanted(table, pod),
        ):
            if mask is not None:
                yield mask


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
        fits &= table.free_extended(name) >= amount
    return fits


def reasons(
    table: NodeTable, pod: Pod, enforced: tuple[NodeSelectorTerm, ...] | None = None
) -> list[tuple[str, ...]]:
    """For each node why it cannot take `pod`, in kube-scheduler's words; () where it can.

    Like kube-scheduler, the first plugin that refuses a node gives the reason; only resources
    give several at once. Takes the time of a report, not of a decision.
    """
    found: list[tuple[str, ...]] = [()] * len(table)
    still_open = np.ones(len(table), np.bool_)
    for accepted, reasons_at in _verdicts(table, pod, enforced):
        for row in np.flatnonzero(still_open & ~accepted).tolist():
            found[row] = reasons_at(row)
        still_open &= accepted
    return found


_Verdict: TypeAlias = tuple[Bools, Callable[[int], tuple[str, ...]]]


def _verdicts(
    table: NodeTable, pod: Pod, enforced: tuple[NodeSelectorTerm, ...] | None
) -> Iterator[_Verdict]:
    """Each plugin's mask and reasons, in the order of kube-scheduler's default plugins."""
    named = node_affinity.named_by(table, pod)
    if named is not None:
        yield named, _always(node_affinity.NOT_NAMED)
    if not taints.tolerates_cordon(pod.tolerations):
        yield ~table.unschedulable, _always(taints.UNSCHEDULABLE)
    if pod.node_name:
        yield _named(table, pod.node_name), _always(WRONG_NODE_NAME)
    yield taints.tolerated(table, pod.tolerations), _always(taints.UNTOLERATED)
    if enforced is not None:
        yield node_affinity.enforced(table, enforced), _always(node_affinity.NOT_ENFORCED)
    required = node_affinity.required_by(table, pod)
    if required is not None:
        yield required, _always(node_affinity.NO_MATCH)
    yield host_ports.free(table, pod), _always(host_ports.CONFLICT)
    yield resources_fit(table, pod), lambda row: tuple(_shortages(table, pod, row))
    spread = topology_spread.within_skew(table, pod)
    if spread is not None:
        yield ~spread.label_missing, _always(topology_spread.LABEL_MISSING)
        yield spread.fits, _always(topology_spread.SKEW_EXCEEDED)
    for mask, reason in (
        (pod_affinity.near_wanted(table, pod), pod_affinity.AFFINITY_UNMET),
        (pod_affinity.away_from_unwanted(table, pod), pod_affinity.ANTI_AFFINITY_UNMET),
        (pod_affinity.tolerated_by_placed(table, pod), pod_affinity.EXISTING_ANTI_AFFINITY),
    ):
        if mask is not None:
            yield mask, _always(reason)


def _always(reason: str) -> Callable[[int], tuple[str, ...]]:
    return lambda _row: (reason,)


def _shortages(table: NodeTable, pod: Pod, row: int) -> Iterator[str]:
    requests = pod.requests
    if table.free_pods[row] < 1:
        yield TOO_MANY_PODS
    if requests.cpu_millicores and table.free_cpu_millicores[row] < requests.cpu_millicores:
        yield "Insufficient cpu"
    if requests.memory_bytes and table.free_memory_bytes[row] < requests.memory_bytes:
        yield "Insufficient memory"
    for name, amount in requests.extended.items():
        if table.free_extended(name)[row] < amount:
            yield f"Insufficient {name}"


def _named(table: NodeTable, name: str) -> Bools:
    mask = np.zeros(len(table), np.bool_)
    row = table.index_of.get(name)
    if row is not None:
        mask[row] = True
    return mask


def summary(found: Sequence[tuple[str, ...]]) -> str:
    """kube-scheduler's sentence: `0/5 nodes are available: 3 Insufficient cpu, 2 ...`."""
    counts = Counter(reason for node in found for reason in node)
    listed = ", ".join(sorted(f"{count} {reason}" for reason, count in counts.items()))
    return f"0/{len(found)} nodes are available: {listed}." if listed else ""
