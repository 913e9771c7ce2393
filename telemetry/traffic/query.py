"""A query of one signal of all workloads, and how its answer names them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from string import Template
from typing import Final, Literal

from telemetry.messages import BYTES_MAX, RATE_MAX


class Signal(StrEnum):
    """What is measured of a workload: the names of `TrafficSample`'s fields."""

    REQUESTS = "requests_per_second"
    RESPONSE_TIME = "response_time_p95_seconds"
    CPU = "cpu_cores"
    MEMORY = "memory_bytes"
    NETWORK = "network_bytes_per_second"
    READY = "ready_replicas"


#: More than this is no measurement; what a `TrafficSample` takes.
VALUES_MAX: Final = {
    signal: BYTES_MAX if signal in {Signal.MEMORY, Signal.NETWORK} else RATE_MAX
    for signal in Signal
}


#: What Prometheus Operator adds to tell apart two Prometheus that scrape the same.
DUPLICATE_LABELS: Final = ("prometheus_replica",)


class Naming(StrEnum):
    """How the labels of an answer name a workload."""

    WORKLOAD = "workload"
    """A namespace, a kind and a name: the workload itself."""
    PLAIN = "plain"
    """A namespace and the name of a workload of unknown kind."""
    SERVICE = "service"
    """A namespace and the name of a Service in front of it."""
    ROUTE = "route"
    """A namespace and the name of a route of the Gateway API in front of it."""
    JOINED = "joined"
    """Namespace, Service and port in one, joined by hyphens (Traefik)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficScope:
    """What all queries share.

    Attributes:
        window_seconds: over which a counter's rate is taken: two scrapes or more must lie in it.
            Counters that begin anew are no fall: `rate` sees to that.
        stale_seconds: how old a gauge's last sample may be.
        matchers: further label matchers, such as `cluster="prod"`.
        duplicate_labels: labels that only tell apart who scraped, such as `prometheus_replica`; of
            series that differ in nothing else the largest counts, instead of their sum.
    """

    window_seconds: int = 120
    stale_seconds: int = 120
    matchers: str = ""
    duplicate_labels: tuple[str, ...] = DUPLICATE_LABELS


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficQuery:
    """One signal of all workloads, as one exporter has it.

    Attributes:
        source: the preset's name, or that of a custom query.
        signal: what the value is, in the unit that ends its name.
        promql: the query; `$window` and `$stale` stand for durations, `$match` for further
            matchers (after others, with their comma), `$once` for what leaves out duplicates.
        naming: how the answer's labels name a workload.
        combine: what becomes of several series of one workload, such as those of two Services in
            front of it: added up, or the largest.
        labels: which labels are the namespace, the kind and the name; "" for one that is not there.
        exported: whether `exported_…` counts before each of them: without `honor_labels` Prometheus
            keeps there what the exporter says where the target has such a label, too.
        workload: the key that the answer is of, where that is fixed.
    """

    source: str
    signal: Signal
    promql: str
    naming: Naming = Naming.WORKLOAD
    combine: Literal["sum", "max"] = "sum"
    labels: tuple[str, str, str] = ("namespace", "kind", "name")
    exported: bool = False
    workload: str = ""

    def render(self, scope: TrafficScope) -> str:
        """Write the PromQL for a window, a limit of age and matchers."""
        return rendered(self.promql, scope)


#: What stands for something else in a query, each after a `$`.
PLACEHOLDERS: Final = ("window", "stale", "match", "once")


def unknown_placeholders(promql: str) -> tuple[str, ...]:
    """What looks like one of ours and is none; RE2 has `$name` for a group that is so named."""
    named = (each["named"] or each["braced"] for each in Template.pattern.finditer(promql))
    return tuple(
        f"${name}"
        for name in named
        if name and name not in PLACEHOLDERS and f"P<{name}>" not in promql
    )


def rendered(promql: str, scope: TrafficScope) -> str:
    """Put a scope into a query; `$1` and the like belong to PromQL and stay."""
    duplicates = ", ".join(scope.duplicate_labels)
    return Template(promql).safe_substitute(
        window=f"{scope.window_seconds}s",
        stale=f"{scope.stale_seconds}s",
        match=f",{scope.matchers}" if scope.matchers else "",
        once=f"max without ({duplicates}) " if duplicates else "",
    )
