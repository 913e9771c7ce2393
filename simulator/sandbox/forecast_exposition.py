"""The replayed workloads' page of metrics, as Prometheus' text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from simulator.sandbox import forecast_names as names
from simulator.sandbox.forecast_counters import BUCKETS_SECONDS, Totals
from simulator.sandbox.forecast_workloads import ReplayedWorkload


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SeenWorkload:
    """A workload at one moment, with its replica set and number of pods, ready or not.

    Attributes:
        dated: whether its samples carry that moment; others are of the moment of their scrape.
    """

    workload: ReplayedWorkload
    totals: Totals
    replica_set: str
    replicas: int
    dated: bool = False


class _Page:
    """Samples by metric: the format wants all samples of one metric together."""

    def __init__(self) -> None:
        self.stamp = ""
        self._lines: dict[str, list[str]] = {
            name: [f"# HELP {name} Simulated: replayed traffic.", f"# TYPE {name} {kind}"]
            for name, kind in names.KINDS.items()
        }

    def add(self, metric: str, labels: str, value: float, *, ending: str = "") -> None:
        self._lines[metric].append(f"{metric}{ending}{{{labels}}} {value:.15g}{self.stamp}")

    def whole(self) -> str:
        return "\n".join(line for lines in self._lines.values() for line in lines) + "\n"


def exposition(seen: Iterable[SeenWorkload]) -> str:
    """Write all series of workloads; one that is seen at several moments in their order.

    Prometheus takes several samples of a series from one page if they are dated, and in order.
    """
    page = _Page()
    for each in seen:
        workload, totals = each.workload, each.totals
        page.stamp = f" {int(totals.at_seconds * 1000)}" if each.dated else ""
        _add_requests(page, workload, totals)
        _add_pods(page, workload, totals)
        for metric, labels in names.owner_series(
            workload.namespace, workload.name, each.replica_set, tuple(totals.pods)
        ):
            page.add(metric, labels, 1)
        deployment = names.deployment_labels(workload.namespace, workload.name)
        page.add(names.READY_REPLICAS, deployment, len(totals.pods))
        page.add(names.REPLICAS, deployment, each.replicas)
    return page.whole()


def _add_requests(page: _Page, workload: ReplayedWorkload, totals: Totals) -> None:
    answered = names.ingress_labels(workload.namespace, workload.name, names.ANSWERED)
    page.add(names.REQUESTS, answered, totals.answered)
    page.add(
        names.REQUESTS,
        names.ingress_labels(workload.namespace, workload.name, names.REFUSED),
        totals.refused,
    )
    bounds = [f"{bound:g}" for bound in BUCKETS_SECONDS]
    for bound, count in zip((*bounds, "+Inf"), (*totals.within, totals.answered), strict=True):
        page.add(names.DURATION, f'{answered},le="{bound}"', count, ending="_bucket")
    page.add(names.DURATION, answered, totals.duration_seconds, ending="_sum")
    page.add(names.DURATION, answered, totals.answered, ending="_count")


def _add_pods(page: _Page, workload: ReplayedWorkload, totals: Totals) -> None:
    for pod, used in totals.pods.items():
        container = names.container_labels(workload.namespace, pod)
        network = names.network_labels(workload.namespace, pod)
        page.add(names.CPU, container, used.cpu_seconds)
        page.add(names.MEMORY, container, totals.memory_bytes / len(totals.pods))
        page.add(names.RECEIVED, network, used.received_bytes)
        page.add(names.SENT, network, used.sent_bytes)
        ready = f'namespace="{workload.namespace}",pod="{pod}",condition="true"'
        page.add(names.POD_READY, ready, 1)
