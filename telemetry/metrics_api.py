"""The link after Prometheus: metrics.k8s.io, for nodes that are open and pods without requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cluster.kube.client import KubeClient
from cluster.kube.metrics import MeasuredUse, MeasuredUses, pod_uses
from cluster.model import ClusterSnapshot
from telemetry.node_load import METRICS_API, LoadLimits, LoadReading, NodeLoad
from telemetry.node_readings import STRANGERS_MAX
from telemetry.preset_chain import SourceStatus
from telemetry.presets import Quantity
from telemetry.workload_use import (
    PodUse,
    WorkloadKey,
    WorkloadUse,
    namespaces_to_measure,
    workload_uses,
)

#: What a workload used some minutes ago still says more of its pods than nothing does.
KEEP_SECONDS: Final = 600.0
NOT_INSTALLED: Final = "not installed"


class WorkloadMeter:
    """The mean use of workloads whose pods do not state their needs, read now and then."""

    def __init__(self, client: KubeClient, *, every_seconds: float, limits: LoadLimits) -> None:
        self._client = client
        self._every_seconds = every_seconds
        self._limits = limits
        self._known: dict[WorkloadKey, WorkloadUse] = {}
        self._read_at_seconds = float("-inf")

    def read(
        self, snapshot: ClusterSnapshot, now_seconds: float
    ) -> tuple[Mapping[WorkloadKey, WorkloadUse], tuple[str, ...]]:
        """Return the uses, read anew if it is time, and what failed. What was known is kept."""
        if 0 <= now_seconds - self._read_at_seconds < self._every_seconds:
            return self._known, ()
        self._read_at_seconds = now_seconds
        found: list[PodUse] = []
        failures: list[str] = []
        for namespace in namespaces_to_measure(snapshot.pods):
            answer = pod_uses(self._client, namespace)
            failures += failures_of(answer)
            if answer.error or not answer.installed:
                break  # the next namespace would fare alike
            found += map(_pod_use, answer.uses)
        kept = {
            key: use
            for key, use in self._known.items()
            if now_seconds - use.sampled_at_seconds <= KEEP_SECONDS
        }
        fresh = workload_uses(snapshot.pods, found, now_seconds=now_seconds, limits=self._limits)
        # A new value each time: whoever holds the last one sees no change.
        self._known = kept | fresh
        return self._known, tuple(failures)


def failures_of(answer: MeasuredUses | None) -> tuple[str, ...]:
    """Say what went wrong; that the API is not installed is nothing wrong."""
    if answer is None:
        return ()
    return (*((str(answer.error),) if answer.error else ()), *answer.doubts)


def absence_of(answer: MeasuredUses) -> str:
    """Say in a few words why a node is not in this answer."""
    if not answer.installed:
        return NOT_INSTALLED
    return "failed" if answer.error else "no sample"


def load_of(use: MeasuredUse) -> LoadReading:
    """Return a node's use as a reading."""
    return LoadReading(
        cpu_cores=use.cpu_cores, source=METRICS_API, sampled_at_seconds=use.sampled_at_seconds
    )


def status_of(answer: MeasuredUses, loads: Mapping[str, NodeLoad]) -> SourceStatus:
    """Say how the API fared in a round that ended with these loads."""
    strangers = sorted(use.name for use in answer.uses if use.name not in loads)
    return SourceStatus(
        name=METRICS_API,
        quantity=Quantity.CPU_CORES,
        nodes=sum(load.source == METRICS_API for load in loads.values()),
        unmatched=len(strangers),
        strangers=tuple(strangers[:STRANGERS_MAX]),
        error=str(answer.error or "") if answer.installed else NOT_INSTALLED,
    )


def _pod_use(use: MeasuredUse) -> PodUse:
    return PodUse(
        namespace=use.namespace,
        name=use.name,
        cpu_cores=use.cpu_cores,
        memory_bytes=use.memory_bytes,
        sampled_at_seconds=use.sampled_at_seconds,
    )
