"""Gathers all readings once: Prometheus first, metrics.k8s.io for what it leaves open.

Plain synchronous code, for a background thread that calls `read` every 15 seconds or so. Whatever
fails is written into the value that is returned; `read` itself does not raise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from cluster.kube.client import KubeClient
from cluster.kube.metrics import MeasuredUses, node_uses
from cluster.model import ClusterSnapshot
from energy.errors import UnavailableError
from energy.metering import MeterReading
from energy.profile import Scope
from telemetry.cluster_load import ClusterLoads, RatioPolicy, cluster_loads, demands_of
from telemetry.metrics_api import WorkloadMeter, absence_of, failures_of, load_of, status_of
from telemetry.node_load import (
    METRICS_API,
    LoadLimits,
    LoadReading,
    NodeDemand,
    load_fault,
    load_reading,
)
from telemetry.node_readings import NodeReading
from telemetry.preset_chain import ChainReadings
from telemetry.prometheus import Prometheus
from telemetry.prometheus_readings import PrometheusReader, PrometheusReadings, power_fault
from telemetry.readings import NodeState, Readings

_NOTHING: Final = ChainReadings(by_node={}, statuses=())
_NOT_ASKED: Final = PrometheusReadings(cpu=_NOTHING, wall=_NOTHING, package=_NOTHING)


class ReaderSettings(BaseModel):
    """What a reading must be, and how often things are asked anew."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stale_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 120.0
    """Older readings are passed over; `energy.metering` has the same limit for power."""

    absurd_ratio: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 1.5
    """A load of more than this multiple of a node's cores is passed over."""

    usage_ratio: Annotated[float, Field(gt=0, le=1)] | None = None
    """The share of requests that is used where no meter says so; unset: as measured elsewhere."""

    usage_ratio_fallback: Annotated[float, Field(gt=0, le=1)] = 0.5
    """The share where too little is measured to tell."""

    probe_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 300.0
    """How often presets that brought nothing are tried again."""

    workloads_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 60.0
    """How often the use of pods without requests is read."""


class Reader:
    """Reads load and power of every node of a snapshot. For one thread at a time."""

    def __init__(
        self,
        *,
        snapshot: Callable[[], ClusterSnapshot],
        prometheus: Prometheus | None = None,
        client: KubeClient | None = None,
        settings: ReaderSettings | None = None,
    ) -> None:
        """Prepare; nothing is asked yet.

        Args:
            snapshot: returns the cluster as of now, such as an observer's.
            prometheus: None where there is none.
            client: for metrics.k8s.io; None leaves that link out.
            settings: unset: the defaults.
        """
        self._snapshot = snapshot
        self._client = client
        self._settings = settings or ReaderSettings()
        self._limits = LoadLimits(
            stale_seconds=self._settings.stale_seconds, absurd_ratio=self._settings.absurd_ratio
        )
        self._prometheus = prometheus and PrometheusReader(
            prometheus, limits=self._limits, probe_seconds=self._settings.probe_seconds
        )
        self._ratio: float | None = None
        self._ratio_at_seconds = float("-inf")
        self._workloads = client and WorkloadMeter(
            client, every_seconds=self._settings.workloads_seconds, limits=self._limits
        )

    def read(self, now_seconds: float) -> Readings:
        """Read everything once (`now_seconds`: Unix time)."""
        try:
            snapshot = self._snapshot()
        except UnavailableError as error:
            return Readings(taken_at_seconds=now_seconds, failures=(str(error),))
        demands = demands_of(snapshot)
        asked = self._prometheus.read(demands, now_seconds) if self._prometheus else _NOT_ASKED
        readings = _cpu_readings(demands, asked.cpu)
        metrics = self._metrics(demands, readings, now_seconds)
        for use in metrics.uses if metrics else ():
            readings.setdefault(use.name, []).append(load_of(use))
        loads = cluster_loads(
            demands,
            readings,
            policy=self._policy(now_seconds),
            now_seconds=now_seconds,
            limits=self._limits,
            notes=self._notes(demands, asked, metrics),
        )
        if loads.measured_ratio is not None:
            self._ratio, self._ratio_at_seconds = loads.measured_ratio, now_seconds
        workloads, strange = (
            self._workloads.read(snapshot, now_seconds) if self._workloads else ({}, ())
        )
        statuses = (status_of(metrics, loads.by_node),) if metrics else ()
        return Readings(
            taken_at_seconds=now_seconds,
            nodes=self._states(loads, asked, now_seconds),
            usage_ratio=loads.usage_ratio,
            usage_ratio_source=loads.usage_ratio_source,
            workloads=workloads,
            sources=(*asked.statuses, *statuses),
            failures=tuple(dict.fromkeys((*asked.failures, *failures_of(metrics), *strange))),
        )

    def _policy(self, now_seconds: float) -> RatioPolicy:
        """A ratio that was measured counts until it is as old as a reading may be."""
        is_fresh = 0 <= now_seconds - self._ratio_at_seconds <= self._settings.stale_seconds
        return RatioPolicy(
            stated=self._settings.usage_ratio,
            fallback=self._settings.usage_ratio_fallback,
            lately=self._ratio if is_fresh else None,
        )

    def _metrics(
        self,
        demands: Mapping[str, NodeDemand],
        readings: Mapping[str, Sequence[LoadReading]],
        now_seconds: float,
    ) -> MeasuredUses | None:
        """Ask the metrics API, unless every node has a reading that holds."""
        open_nodes = (
            node
            for node, demand in demands.items()
            if all(
                load_fault(demand, reading, now_seconds=now_seconds, limits=self._limits)
                for reading in readings.get(node, ())
            )
        )
        if self._client is None or next(open_nodes, None) is None:
            return None
        return node_uses(self._client)

    def _notes(
        self,
        demands: Mapping[str, NodeDemand],
        asked: PrometheusReadings,
        metrics: MeasuredUses | None,
    ) -> dict[str, tuple[str, ...]]:
        """Say for each node which links gave no reading of it at all."""
        silent = f"prometheus: {'failed' if asked.failures else 'no sample'}"
        absent = absence_of(metrics) if metrics else ""
        measured = {use.name for use in metrics.uses} if metrics else set()
        notes: dict[str, tuple[str, ...]] = {}
        for node in demands:
            missing = [silent] if self._prometheus and node not in asked.cpu.by_node else []
            if absent and node not in measured:
                missing.append(f"{METRICS_API}: {absent}")
            notes[node] = tuple(missing)
        return notes

    def _states(
        self, loads: ClusterLoads, asked: PrometheusReadings, now_seconds: float
    ) -> dict[str, NodeState]:
        states = {}
        for node, load in loads.by_node.items():
            notes: list[str] = []
            wall = self._power(asked.wall, node, notes, now_seconds)
            package = self._power(asked.package, node, notes, now_seconds)
            states[node] = NodeState(
                load=load,
                wall=_meter(wall, Scope.WALL, now_seconds),
                wall_source=wall.source if wall else "",
                package=_meter(package, Scope.PACKAGE, now_seconds),
                package_source=package.source if package else "",
                power_notes=tuple(notes),
            )
        return states

    def _power(
        self, chain: ChainReadings, node: str, notes: list[str], now_seconds: float
    ) -> NodeReading | None:
        """Return the first reading that holds; note why those before it do not."""
        for reading in chain.by_node.get(node, ()):
            fault = power_fault(reading, now_seconds=now_seconds, limits=self._limits)
            if not fault:
                return reading
            notes.append(f"{reading.source}: {fault}")
        return None


def _cpu_readings(
    demands: Mapping[str, NodeDemand], cpu: ChainReadings
) -> dict[str, list[LoadReading]]:
    return {
        node: [load_reading(reading, demands[node].cpu_cores) for reading in readings]
        for node, readings in cpu.by_node.items()
    }


def _meter(reading: NodeReading | None, scope: Scope, now_seconds: float) -> MeterReading | None:
    if reading is None or reading.value is None or reading.sampled_at_seconds is None:
        return None
    # Clocks differ by a little; `energy.metering` takes anything ahead of now for a lie.
    at_seconds = min(reading.sampled_at_seconds, now_seconds)
    return MeterReading(watts=reading.value, scope=scope, at_seconds=at_seconds)
