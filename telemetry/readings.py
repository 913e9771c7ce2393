"""All that was measured at one time, as one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cluster.model import Pod
from energy.metering import MeterReading
from telemetry.cluster_load import RatioSource
from telemetry.node_load import NodeLoad
from telemetry.preset_chain import SourceStatus
from telemetry.workload_use import WorkloadKey, WorkloadUse, workload_of


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeState:
    """What is known of one node's present.

    Attributes:
        load: always there; its source says how it is known.
        wall: present watts at the wall, None where no meter gave any. `energy.metering` knows the
            node's curve and may refuse them yet.
        wall_source: the preset that `wall` comes from.
        package: watts of all CPU packages, likewise.
        package_source: the preset that `package` comes from.
        power_notes: which power readings were passed over, and why.
    """

    load: NodeLoad
    wall: MeterReading | None = None
    wall_source: str = ""
    package: MeterReading | None = None
    package_source: str = ""
    power_notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """One round of reading.

    Attributes:
        taken_at_seconds: Unix time of the round, from which all ages count.
        nodes: every node of the snapshot.
        usage_ratio: the share of requests that nodes without a meter are taken to use.
        usage_ratio_source: `stated` by a person, `measured` now, or the `fallback`.
        workloads: mean use of workloads whose pods do not state what they need.
        sources: what was asked, and how it fared.
        failures: what went wrong, one line each; empty while all is well.
    """

    taken_at_seconds: float
    nodes: Mapping[str, NodeState] = field(default_factory=dict)
    usage_ratio: float = 1.0
    usage_ratio_source: RatioSource = "fallback"
    workloads: Mapping[WorkloadKey, WorkloadUse] = field(default_factory=dict)
    sources: tuple[SourceStatus, ...] = ()
    failures: tuple[str, ...] = ()

    def use_of(self, pod: Pod) -> WorkloadUse | None:
        """Return what the pod's workload was measured to use, or None."""
        return self.workloads.get(workload_of(pod))
