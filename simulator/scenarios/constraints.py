"""Constraints on a third of the pods: anti-affinity, spread over zones, a selector for a class.

Which workloads are constrained, and how, is drawn by seed. The fleet gets the labels that the
constraints ask for: host names, three zones that hold every third node, the server as node type.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from cluster.constraints import (
    HOSTNAME_LABEL,
    ZONE_LABEL,
    Affinity,
    PodAffinity,
    PodAffinityTerm,
    TopologySpreadConstraint,
)
from cluster.model import Owner, Pod
from cluster.selectors import LabelSelector
from simulator.fleet import Fleet
from simulator.stream import PodStream

ZONES = 3
WORKLOAD_LABEL = "app.kubernetes.io/name"
NODE_TYPE_LABEL = "node.kubernetes.io/instance-type"
CONSTRAINED_RATIO = 1 / 3
# Pods of a workload at once, about: a hostname each must be found for them.
WORKLOAD_PODS = 8


def labelled(fleet: Fleet) -> Fleet:
    """The fleet with host names, zones and node types as labels."""
    nodes = [
        replace(
            node,
            labels={
                **node.labels,
                HOSTNAME_LABEL: node.name,
                ZONE_LABEL: f"zone-{index % ZONES}",
                NODE_TYPE_LABEL: profile.name,
            },
        )
        for index, (node, profile) in enumerate(zip(fleet.nodes, fleet.profiles, strict=True))
    ]
    return Fleet(fleet.name, tuple(nodes), fleet.profiles)


def constrained(stream: PodStream, fleet: Fleet, rng: np.random.Generator) -> PodStream:
    """The stream with constraints on about a third of its pods; their owners become workloads."""
    workload_of_pod = _workloads(stream, rng)
    sizes = Counter(workload_of_pod)
    names = list(sizes)
    kinds: dict[str, int] = {}
    covered = 0
    for pick in rng.permutation(len(names)).tolist():
        if covered >= CONSTRAINED_RATIO * len(stream):
            break
        kinds[names[pick]] = len(kinds) % 3
        covered += sizes[names[pick]]
    node_types = _node_types(stream, workload_of_pod, kinds, fleet, rng)
    pods = [
        _constrained(pod, workload, kinds[workload], node_types) if workload in kinds else pod
        for pod, workload in zip(stream.pods, workload_of_pod, strict=True)
    ]
    return replace(stream, pods=tuple(pods))


def _constrained(pod: Pod, workload: str, kind: int, node_types: Mapping[str, str]) -> Pod:
    """The pod as a member of its workload, with the constraint of the kind drawn for that."""
    owner = Owner(kind="Deployment", name=workload)
    labels = {**pod.labels, WORKLOAD_LABEL: workload}
    selector = LabelSelector.of({WORKLOAD_LABEL: workload})
    if kind == 0:
        term = PodAffinityTerm(topology_key=HOSTNAME_LABEL, label_selector=selector)
        affinity = Affinity(pod_anti=PodAffinity(required=(term,)))
        return replace(pod, owner=owner, labels=labels, affinity=affinity)
    if kind == 1:
        spread = TopologySpreadConstraint(topology_key=ZONE_LABEL, label_selector=selector)
        return replace(pod, owner=owner, labels=labels, topology_spread=(spread,))
    node_selector = {NODE_TYPE_LABEL: node_types[workload]}
    return replace(pod, owner=owner, labels=labels, node_selector=node_selector)


def _workloads(stream: PodStream, rng: np.random.Generator) -> list[str]:
    """A workload for every pod: its owner's pods, split until about so many run at once."""
    owners = [pod.owner.name if pod.owner else pod.name for pod in stream.pods]
    end = float(stream.arrival_seconds[-1]) or 1.0
    seconds = np.minimum(stream.lifetime_seconds, end - stream.arrival_seconds)
    at_once: dict[str, float] = {}
    for owner, stays in zip(owners, seconds.tolist(), strict=True):
        at_once[owner] = at_once.get(owner, 0.0) + stays / end
    parts = {owner: max(1, round(count / WORKLOAD_PODS)) for owner, count in at_once.items()}
    picks = rng.random(len(owners))
    return [
        f"{owner}-{int(pick * parts[owner])}" for owner, pick in zip(owners, picks, strict=True)
    ]


def _node_types(
    stream: PodStream,
    workload_of_pod: Sequence[str],
    kinds: Mapping[str, int],
    fleet: Fleet,
    rng: np.random.Generator,
) -> dict[str, str]:
    """A node type for every constrained workload, drawn by cores among those it fits twice."""
    largest: dict[str, tuple[float, float]] = {}
    for workload, cores, memory in zip(
        workload_of_pod, stream.cpu_cores().tolist(), stream.memory_bytes().tolist(), strict=True
    ):
        if workload in kinds:
            before = largest.get(workload, (0.0, 0.0))
            largest[workload] = max(before[0], cores), max(before[1], memory)
    found = {}
    for workload, (cores, memory) in largest.items():
        weights = np.array(
            [
                group.cpu_cores * group.count
                if 2 * cores <= group.cpu_cores and 2 * memory <= group.memory_bytes
                else 0.0
                for group in fleet.classes.classes
            ]
        )
        if not weights.any():
            weights = np.array([group.cpu_cores**2 for group in fleet.classes.classes])
        pick = int(rng.choice(len(weights), p=weights / weights.sum()))
        found[workload] = fleet.classes.classes[pick].profile.name
    return found
