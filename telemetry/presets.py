"""The queries that find a node's CPU use and power, by name, best first.

docs/reference/readings.md says where each metric comes from. Sources of the names: Kubernetes
1.36 pkg/kubelet/metrics/collectors/resource_metrics.go; cAdvisor; Kepler 0.11 docs/user/metrics.md
and 0.9 pkg/metrics; node_exporter's cpu and rapl collectors; ipmi_exporter.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from telemetry.node_names import NAMING_LABELS


class Quantity(StrEnum):
    """What a preset's value is."""

    CPU_CORES = "cpu_cores"
    CPU_RATIO = "cpu_ratio"
    """Of all the node's cores, 0 to 1."""
    WALL_WATTS = "wall_watts"
    PACKAGE_WATTS = "package_watts"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryScope:
    """What all queries share.

    Attributes:
        window_seconds: in which the last two scrapes of a counter are looked for.
        matchers: further label matchers, such as `cluster="prod"` where several clusters share
            one Prometheus.
    """

    window_seconds: int = 300
    matchers: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A named pair of queries: the value of every node, and when it was sampled.

    Attributes:
        name: what readings call their source.
        quantity: what the value is.
        metric: the metric's name.
        matchers: its label matchers, without braces.
        value: the value's expression; `{series}` is the selector, `{window}` the window.
        sampled_at: the expression of the sample's own time. Prometheus stamps the elements of an
            instant query with the time of the query.
        addends: labels whose values are parts of one node, to be added up (sockets).
        alternatives: labels whose values are different views of the same node: the largest counts.
    """

    name: str
    quantity: Quantity
    metric: str
    matchers: str = ""
    value: str = "{series}"
    sampled_at: str = "timestamp({series})"
    addends: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """What its samples are told apart by; whatever else they carry stays in Prometheus."""
        return (*NAMING_LABELS, *self.addends, *self.alternatives)

    def value_query(self, scope: QueryScope) -> str:
        """Write the query of the value: of one thing scraped twice, the largest."""
        return f"max {self._by} ({self.expression(scope)})"

    def time_query(self, scope: QueryScope) -> str:
        """Write the query of the time of the sample: of one thing scraped twice, the oldest."""
        return f"min {self._by} ({self._written(self.sampled_at, scope)})"

    def expression(self, scope: QueryScope) -> str:
        """Write the value without the labels that it is reduced to."""
        return self._written(self.value, scope)

    @property
    def _by(self) -> str:
        return f"by ({', '.join(self.labels)})"

    def _written(self, expression: str, scope: QueryScope) -> str:
        matchers = ",".join(one for one in (self.matchers, scope.matchers) if one)
        series = f"{self.metric}{{{matchers}}}"
        return expression.format(series=series, window=f"{scope.window_seconds}s")


# Not rate(): it divides by the whole window also where only the end of it has samples, so that a
# node which has just come up would look nearly idle.
_RATE: Final = "irate({series}[{window}])"

#: One series a node first; node_exporter, which has one for each CPU, last.
CPU_PRESETS: Final = (
    Preset(
        name="kubelet",
        quantity=Quantity.CPU_CORES,
        metric="node_cpu_usage_seconds_total",
        value=_RATE,
    ),
    Preset(
        name="cadvisor",
        quantity=Quantity.CPU_CORES,
        metric="container_cpu_usage_seconds_total",
        matchers='id="/"',
        value=_RATE,
    ),
    Preset(
        name="kepler-usage-ratio",
        quantity=Quantity.CPU_RATIO,
        metric="kepler_node_cpu_usage_ratio",
    ),
    Preset(
        name="node-exporter",
        quantity=Quantity.CPU_CORES,
        metric="node_cpu_seconds_total",
        # What waits for a disk, or was taken by the hypervisor, is no work of this CPU; what runs
        # in a guest is counted as user time, too. Not 1 - idle: it may come out below 0.
        matchers='mode!~"idle|iowait|steal|guest|guest_nice"',
        value=f"sum without (cpu, mode) ({_RATE})",
    ),
)

# A BMC reports either its power supplies, which add up, or its power controls, of which some are
# parts of others (a server's and its CPU sub-system's). Several chassis of one BMC are not added
# either: an enclosure contains the server.
_CHASSIS: Final = ("bmc_id", "chassis_id")
_CONTROL: Final = ("source_id", "source_name", "power_control_id", "power_control_name")

WALL_PRESETS: Final = (
    Preset(
        name="kepler-platform-supplies",
        quantity=Quantity.WALL_WATTS,
        metric="kepler_platform_watts",
        matchers='source="redfish",source_type="PowerSupply"',
        addends=("source_id",),
        alternatives=_CHASSIS,
    ),
    Preset(
        name="kepler-platform",
        quantity=Quantity.WALL_WATTS,
        metric="kepler_platform_watts",
        matchers='source="redfish",source_type!="PowerSupply"',
        alternatives=(*_CHASSIS, *_CONTROL),
    ),
    Preset(
        name="kepler-platform-joules",
        quantity=Quantity.WALL_WATTS,
        metric="kepler_node_platform_joules_total",
        # Without a meter the old generation puts out an estimate of its own under the same name.
        matchers='source!="trained_power_model"',
        value=_RATE,
        addends=("package", "mode"),
        alternatives=("source",),
    ),
    Preset(
        name="ipmi",
        quantity=Quantity.WALL_WATTS,
        metric="ipmi_dcmi_power_consumption_watts",
    ),
)

# The sockets of a node add up. Other zones do not: cores and uncore are parts of the package, psys
# contains it, and DRAM is beside it on some machines and inside it on others.
PACKAGE_PRESETS: Final = (
    Preset(
        name="kepler",
        quantity=Quantity.PACKAGE_WATTS,
        metric="kepler_node_cpu_watts",
        matchers='zone=~"package(-[0-9]+)?"',
        addends=("zone", "path"),
    ),
    Preset(
        name="kepler-joules",
        quantity=Quantity.PACKAGE_WATTS,
        metric="kepler_node_package_joules_total",
        matchers='source!="trained_power_model"',
        value=_RATE,
        addends=("package", "mode"),
        alternatives=("source",),
    ),
    Preset(
        name="node-exporter-rapl",
        quantity=Quantity.PACKAGE_WATTS,
        metric="node_rapl_package_joules_total",
        value=_RATE,
        addends=("index", "path"),
    ),
)
