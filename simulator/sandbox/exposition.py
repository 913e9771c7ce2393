"""Meter readings as Prometheus' text, under the names of both generations of Kepler.

Names and labels are those that Kepler documents (0.11 docs/user/metrics.md; 0.9
pkg/metrics/metricfactory); `kepler_platform_watts` is its reading of a BMC over Redfish. The text
is written here rather than by a client library, which makes an object of every sample: a cluster
of 500 nodes and 2,000 pods has 30,000 of them at every scrape.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final

from simulator.sandbox.metered_cluster import NodeReading
from simulator.sandbox.power_meter import ZONES, PodUse

GAUGE, COUNTER = "gauge", "counter"
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
ABSURD_WATTS: Final = 1e15
RAPL_PATHS: Final = {
    "package": "/sys/class/powercap/intel-rapl/intel-rapl:0",
    "core": "/sys/class/powercap/intel-rapl/intel-rapl:0/intel-rapl:0:0",
    "dram": "/sys/class/powercap/intel-rapl/intel-rapl:0/intel-rapl:0:1",
}
OLD_SOURCE: Final = "rapl-sysfs"


class Fault(StrEnum):
    """How a meter lies: what it says in place of every watt."""

    NONE = "none"
    NAN = "nan"
    NEGATIVE = "negative"
    ABSURD = "absurd"
    FROZEN = "frozen"
    """What it said when the fault began, as if it were new."""
    STALE = "stale"
    """The same, each sample with the time at which it was true. Prometheus puts no mark at the end
    of such a series: once the fault is `ABSENT`, it is found for five minutes more."""
    ABSENT = "absent"
    """Nothing at all."""


class _Text:
    """Samples by metric: the format wants all samples of one metric together."""

    def __init__(self, stamp: str) -> None:
        self._stamp = stamp
        self._lines: dict[str, list[str]] = {}

    def add(self, metric: str, kind: str, labels: str, value: float) -> None:
        lines = self._lines.get(metric)
        if lines is None:
            lines = self._lines[metric] = [f"# HELP {metric} Simulated.", f"# TYPE {metric} {kind}"]
        lines.append(f"{metric}{{{labels}}} {value:.12g}{self._stamp}")

    def whole(self) -> str:
        return "\n".join(line for lines in self._lines.values() for line in lines) + "\n"


def exposition(
    readings: Sequence[NodeReading],
    *,
    fault: Fault = Fault.NONE,
    stamp_milliseconds: int | None = None,
) -> str:
    """Write all samples of all nodes; `stamp_milliseconds` (Unix) stamps every sample."""
    if fault is Fault.ABSENT:
        return "\n"
    text = _Text("" if stamp_milliseconds is None else f" {stamp_milliseconds}")
    for reading in readings:
        _add_node(text, reading, fault)
        _add_pods(text, reading, fault)
    return text.whole()


def _add_node(text: _Text, reading: NodeReading, fault: Fault) -> None:
    use, power, energy = reading.use, reading.power, reading.energy
    name = _escaped(use.name)
    node = f'node_name="{name}"'
    for zone in ZONES:
        labels = f'zone="{zone}",path="{RAPL_PATHS[zone]}",{node}'
        idle, active = power.zone_watts(zone)
        for part, watts in (("", idle + active), ("active_", active), ("idle_", idle)):
            text.add(f"kepler_node_cpu_{part}watts", GAUGE, labels, _said(watts, fault))
        idle, active = energy.zone_joules(zone)
        for part, joules in (("", idle + active), ("active_", active), ("idle_", idle)):
            text.add(f"kepler_node_cpu_{part}joules_total", COUNTER, labels, joules)
    text.add("kepler_node_cpu_usage_ratio", GAUGE, node, use.usage_ratio)
    cpu = f'processor="0",vendor_id="",model_name="{_escaped(use.processor)}"'
    text.add("kepler_node_cpu_info", GAUGE, f'{cpu},physical_id="0",core_id="0",{node}', 1)
    bmc = f'source="redfish",{node},bmc_id="bmc-{name}",chassis_id="System.Embedded.1"'
    control = 'source_id="PC1",source_name="Server Power Control",source_type="PowerControl"'
    text.add("kepler_platform_watts", GAUGE, f"{bmc},{control}", _said(power.wall_watts, fault))
    old = f'package="0",instance="{name}",source="{OLD_SOURCE}"'
    for mode, joules in zip(("idle", "dynamic"), energy.zone_joules("package"), strict=True):
        text.add("kepler_node_package_joules_total", COUNTER, f'{old},mode="{mode}"', joules)


def _add_pods(text: _Text, reading: NodeReading, fault: Fault) -> None:
    node = f'node_name="{_escaped(reading.use.name)}"'
    for pod in reading.use.pods:
        watts = reading.power.pod_watts.get(pod.uid, 0.0)
        joules = reading.energy.pod_joules.get(pod.uid, 0.0)
        name, namespace = _escaped(pod.name), _escaped(pod.namespace)
        labels = f'pod_id="{pod.uid}",pod_name="{name}",pod_namespace="{namespace}",state="running"'
        for zone, share in ZONES.items():
            zoned, part = f'{labels},zone="{zone}",{node}', share.active_ratio
            text.add("kepler_pod_cpu_watts", GAUGE, zoned, _said(watts * part, fault))
            text.add("kepler_pod_cpu_joules_total", COUNTER, zoned, joules * part)
        _add_containers(text, pod, joules * ZONES["package"].active_ratio)


def _add_containers(text: _Text, pod: PodUse, package_joules: float) -> None:
    """Add the old generation's series, which has containers and no pods; all of it is dynamic."""
    where = f'pod_name="{_escaped(pod.name)}",container_namespace="{_escaped(pod.namespace)}"'
    for container in pod.containers:
        name = _escaped(container)
        labels = f'container_id="{pod.uid}-{name}",container_name="{name}",{where}'
        text.add(
            "kepler_container_package_joules_total",
            COUNTER,
            f'{labels},mode="dynamic"',
            package_joules / len(pod.containers),
        )


def fault_named(text: str) -> Fault:
    """Read a fault's name; what is no fault is none."""
    word = text.strip()
    return Fault(word) if word in set(_names(Fault)) else Fault.NONE


def _names(faults: Iterable[Fault]) -> list[str]:
    return [fault.value for fault in faults]


def _said(watts: float, fault: Fault) -> float:
    if fault is Fault.NAN:
        return math.nan
    if fault is Fault.NEGATIVE:
        return -watts
    return ABSURD_WATTS if fault is Fault.ABSURD else watts


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
