"""The loads of all nodes together: what is measured says how far requests are used elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cluster.model import ClusterSnapshot
from telemetry.node_load import (
    LoadLimits,
    LoadReading,
    NodeDemand,
    NodeLoad,
    measured_usage_ratio,
    node_load,
)

RatioSource = Literal["stated", "measured", "fallback"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioPolicy:
    """Where the share of requests that is used comes from.

    It is the one stated, else the one measured now, else that measured `lately`, else `fallback`.
    """

    stated: float | None
    fallback: float
    lately: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterLoads:
    """The load of every node, and the ratio that stands in where nothing was measured.

    `measured_ratio` is what was measured now, None where that was too little.
    """

    by_node: Mapping[str, NodeLoad]
    usage_ratio: float
    usage_ratio_source: RatioSource
    measured_ratio: float | None = None


def demands_of(snapshot: ClusterSnapshot) -> dict[str, NodeDemand]:
    """Return each node's allocatable cores and the cores that its pods request.

    A pod that states no CPU counts as the 0.1 core per container that kube-scheduler assumes.
    """
    requested = dict.fromkeys((node.name for node in snapshot.nodes), 0)
    for pod in snapshot.pods:
        if pod.node_name in requested:
            requested[pod.node_name] += pod.nonzero_cpu_millicores
    return {
        node.name: NodeDemand(
            cpu_cores=node.allocatable.cpu_millicores / 1000,
            requested_cores=requested[node.name] / 1000,
        )
        for node in snapshot.nodes
    }


def cluster_loads(
    demands: Mapping[str, NodeDemand],
    readings: Mapping[str, Sequence[LoadReading]],
    *,
    policy: RatioPolicy,
    now_seconds: float,
    limits: LoadLimits,
    notes: Mapping[str, Sequence[str]] | None = None,
) -> ClusterLoads:
    """Return every node's load; readings come best first, `notes` name the links without one."""

    def loads(usage_ratio: float) -> dict[str, NodeLoad]:
        return {
            node: node_load(
                demand,
                readings.get(node, ()),
                usage_ratio=usage_ratio,
                now_seconds=now_seconds,
                limits=limits,
                notes=(notes or {}).get(node, ()),
            )
            for node, demand in demands.items()
        }

    first = loads(policy.fallback)
    ratio: float | None = policy.stated
    source: RatioSource = "stated"
    measured = measured_usage_ratio(demands, first)
    if ratio is None:
        ratio, source = (policy.lately if measured is None else measured), "measured"
    if ratio is None:
        ratio, source = policy.fallback, "fallback"
    return ClusterLoads(
        by_node=first if ratio == policy.fallback else loads(ratio),
        usage_ratio=ratio,
        usage_ratio_source=source,
        measured_ratio=measured,
    )
