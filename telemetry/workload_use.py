"""What the pods of a workload use on average, for its pods that state no requests."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cluster.model import Pod
from telemetry.node_load import LoadLimits, age_fault

_HASH_LABEL: Final = "pod-template-hash"
#: No pod uses more: that many cores in one machine do not exist.
_CORES_MAX: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadKey:
    """Who keeps pods alike; a pod without a controller is a workload of its own (kind `Pod`)."""

    namespace: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PodUse:
    """What one pod was measured to use."""

    namespace: str
    name: str
    cpu_cores: float
    memory_bytes: int
    sampled_at_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadUse:
    """The mean over a workload's measured pods.

    Attributes:
        pods: how many were measured.
        sampled_at_seconds: of the oldest of them.
    """

    cpu_millicores: int
    memory_bytes: int
    pods: int
    sampled_at_seconds: float


def workload_of(pod: Pod) -> WorkloadKey:
    """Return the pod's workload; the ReplicaSets of a Deployment are one."""
    owner = pod.owner
    if owner is None:
        return WorkloadKey(namespace=pod.namespace, kind="Pod", name=pod.name)
    suffix = f"-{pod.labels.get(_HASH_LABEL, '')}"
    if owner.kind == "ReplicaSet" and suffix != "-" and owner.name.endswith(suffix):
        name = owner.name.removesuffix(suffix)
        return WorkloadKey(namespace=pod.namespace, kind="Deployment", name=name)
    return WorkloadKey(namespace=pod.namespace, kind=owner.kind, name=owner.name)


def states_needs(pod: Pod) -> bool:
    """Whether the pod requests both CPU and memory, so that nobody need look at its use."""
    return bool(pod.requests.cpu_millicores and pod.requests.memory_bytes)


def namespaces_to_measure(pods: Iterable[Pod]) -> tuple[str, ...]:
    """Return the namespaces of pods that do not state what they need."""
    return tuple(sorted({pod.namespace for pod in pods if not states_needs(pod)}))


def workload_uses(
    pods: Iterable[Pod], uses: Iterable[PodUse], *, now_seconds: float, limits: LoadLimits
) -> dict[WorkloadKey, WorkloadUse]:
    """Return the mean use of each workload that has measured pods and some that state no needs.

    Stale and absurd measurements are left out; CPU is rounded up to a whole millicore.
    """
    measured = {(use.namespace, use.name): use for use in uses if _holds(use, now_seconds, limits)}
    grouped: dict[WorkloadKey, list[PodUse]] = {}
    wanted: set[WorkloadKey] = set()
    for pod in pods:
        key = workload_of(pod)
        if not states_needs(pod):
            wanted.add(key)
        if use := measured.get((pod.namespace, pod.name)):
            grouped.setdefault(key, []).append(use)
    return {key: _mean(found) for key, found in grouped.items() if key in wanted}


def _holds(use: PodUse, now_seconds: float, limits: LoadLimits) -> bool:
    fault = age_fault(use.sampled_at_seconds, now_seconds=now_seconds, limits=limits)
    return not fault and 0 <= use.cpu_cores <= _CORES_MAX and use.memory_bytes >= 0


def _mean(uses: list[PodUse]) -> WorkloadUse:
    cores = sum(use.cpu_cores for use in uses) / len(uses)
    return WorkloadUse(
        cpu_millicores=math.ceil(cores * 1000),
        memory_bytes=sum(use.memory_bytes for use in uses) // len(uses),
        pods=len(uses),
        sampled_at_seconds=min(use.sampled_at_seconds for use in uses),
    )
