"""A node's present CPU load: measured where a measurement holds, else taken from its requests.

The chain is Prometheus (`telemetry.presets`), metrics.k8s.io, requests x a stated ratio, full.
Whatever is missing, stale or absurd is passed over with a note and the next link answers, so that
a broken meter never makes a node look less loaded than its next-best link does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from telemetry.node_readings import NodeReading
from telemetry.presets import Quantity

METRICS_API: Final = "metrics.k8s.io"
REQUESTS: Final = "requests"
UNKNOWN: Final = "unknown"
#: Of all requested cores, so much must be on measured nodes before a ratio is drawn from them.
MEASURED_SHARE_MINIMUM: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadLimits:
    """What a reading must be to hold.

    Attributes:
        stale_seconds: older than this it is passed over.
        ahead_seconds: how far in the future it may lie; clocks differ by so much.
        absurd_ratio: more than this multiple of the node's cores is no load. A node uses a little
            more than its allocatable cores, because the system's reserve is no part of those.
    """

    stale_seconds: float = 120.0
    ahead_seconds: float = 10.0
    absurd_ratio: float = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReading:
    """Cores in use as one source has it; None where it has no number, or no time."""

    cpu_cores: float | None
    source: str
    sampled_at_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLoad:
    """Cores in use, and how that is known.

    Attributes:
        cpu_cores: at least 0; may exceed the allocatable cores a little.
        source: a preset's name, `metrics.k8s.io`, `requests` or `unknown` (taken to be full).
        age_seconds: of the sample at the time of asking; None where the source does not age.
        notes: which links were passed over, and why.
    """

    cpu_cores: float
    source: str
    age_seconds: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def is_measured(self) -> bool:
        """Whether a meter said so."""
        return self.source not in {REQUESTS, UNKNOWN}


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeDemand:
    """What is known of a node without a meter: its allocatable cores and the sum of requests."""

    cpu_cores: float
    requested_cores: float | None


def node_load(
    demand: NodeDemand,
    readings: Iterable[LoadReading],
    *,
    usage_ratio: float,
    now_seconds: float,
    limits: LoadLimits,
    notes: Sequence[str] = (),
) -> NodeLoad:
    """Return the node's load by the first link that holds; readings come best first.

    `usage_ratio` (0 to 1) is how much of its requests a node is taken to use. `notes` say which
    links gave no reading at all; they are kept unless the first link, Prometheus, answers.
    """
    passed_over: list[str] = []
    for reading in readings:
        fault = load_fault(demand, reading, now_seconds=now_seconds, limits=limits)
        if not fault and reading.cpu_cores is not None and reading.sampled_at_seconds is not None:
            return NodeLoad(
                cpu_cores=reading.cpu_cores,
                source=reading.source,
                age_seconds=max(0.0, now_seconds - reading.sampled_at_seconds),
                notes=(*(notes if reading.source == METRICS_API else ()), *passed_over),
            )
        passed_over.append(f"{reading.source}: {fault}")
    return _unmetered(demand, usage_ratio, (*notes, *passed_over))


def _unmetered(demand: NodeDemand, usage_ratio: float, notes: tuple[str, ...]) -> NodeLoad:
    requested = demand.requested_cores
    if requested is None or not 0 <= requested < math.inf:
        why = "the requests are unknown: taken to be full"
        return NodeLoad(cpu_cores=demand.cpu_cores, source=UNKNOWN, notes=(*notes, why))
    ratio = usage_ratio if 0 <= usage_ratio <= 1 else 1.0
    why = f"{ratio:.0%} of the requested cores"
    return NodeLoad(cpu_cores=requested * ratio, source=REQUESTS, notes=(*notes, why))


def load_fault(
    demand: NodeDemand, reading: LoadReading, *, now_seconds: float, limits: LoadLimits
) -> str:
    """Say in a few words why a reading does not hold; empty if it does."""
    cores = reading.cpu_cores
    if cores is None or not math.isfinite(cores):
        return "no number"
    if age := age_fault(reading.sampled_at_seconds, now_seconds=now_seconds, limits=limits):
        return age
    if not 0 <= cores <= limits.absurd_ratio * demand.cpu_cores:
        return f"absurd, {cores:g} of {demand.cpu_cores:g} cores"
    if cores == 0 and (demand.requested_cores or 0) > 0:
        return "a counter that stands still"  # whatever runs pods uses something
    return ""


def age_fault(at_seconds: float | None, *, now_seconds: float, limits: LoadLimits) -> str:
    """Say why a time is none at which a present reading was taken; empty if it is one."""
    if at_seconds is None or not math.isfinite(at_seconds):
        return "of unknown age"
    age_seconds = now_seconds - at_seconds
    if age_seconds > limits.stale_seconds:
        return f"stale, {age_seconds:.0f} s old"
    if age_seconds < -limits.ahead_seconds:
        return f"from the future, {-age_seconds:.0f} s ahead"
    return ""


def load_reading(reading: NodeReading, node_cores: float) -> LoadReading:
    """Return a CPU preset's reading in cores."""
    value = reading.value
    if value is not None and reading.quantity is Quantity.CPU_RATIO:
        value *= node_cores
    return LoadReading(
        cpu_cores=value,
        source=reading.source,
        sampled_at_seconds=reading.sampled_at_seconds,
    )


def measured_usage_ratio(
    demands: Mapping[str, NodeDemand], loads: Mapping[str, NodeLoad]
) -> float | None:
    """Return measured use / requests over the measured nodes that carry requests, at most 1.

    None where too few are measured, or nothing is used: a ratio of 0 would call every node idle.
    """
    requested = {node: demand.requested_cores or 0.0 for node, demand in demands.items()}
    measured = [
        node for node, load in loads.items() if load.is_measured and requested.get(node, 0) > 0
    ]
    total = math.fsum(requested.values())
    covered = math.fsum(requested[node] for node in measured)
    used = math.fsum(loads[node].cpu_cores for node in measured)
    if covered <= 0 or used <= 0 or covered < MEASURED_SHARE_MINIMUM * total:
        return None
    return min(1.0, used / covered)
