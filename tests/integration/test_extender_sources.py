"""Prometheus away, or lying: the load's source falls along the chain, and everybody can see it.

A real Prometheus scrapes pages whose text the test decides: what a kubelet counts (the first link)
and Kepler's usage ratio (the next one). Without either, requests stand in.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from extender_process import ExtenderProcess
from extender_stage import NAMESPACE, Stage, pod_of
from scraped_prometheus import Page, Targets, job, prometheus, targets

from simulator.sandbox.ports import free_ports

pytestmark = [pytest.mark.kube, pytest.mark.prometheus, pytest.mark.slow]

NODE, OTHER = "thrifty-1", "thirsty-1"
KUBELET, KEPLER = "/kubelet", "/kepler"
STALE_SECONDS = 6
CRITICAL = {"negawatt.dev/latency-critical": "true"}
CORES_USED, RATIO_USED = 608.0, 0.9  # of 640


@dataclass(frozen=True)
class Measured:
    """An extender that reads a Prometheus whose pages can be changed."""

    extender: ExtenderProcess
    pages: Targets
    stage: Stage

    def source(self) -> str:
        """Whence the extender says that the node's load is; "" while it does not know the node."""
        for line in self.extender.text("/metrics").splitlines():
            if line.startswith(f'negawatt_extender_node_utilisation_ratio{{node="{NODE}"'):
                return line.partition('source="')[2].partition('"')[0]
        return ""

    def utilisation(self) -> float:
        """How much of the node is in use."""
        return self.extender.metric("node_utilisation_ratio", node=NODE)

    def comes_to(self, source: str) -> None:
        """Wait until the load is from a source."""
        self.stage.until(lambda: self.source() == source)

    def requested(self) -> float:
        """How much of the node is requested by pods, all of which is taken for used."""
        return self.explained_node()["requested_ratio"]

    def scores(self) -> dict[str, int]:
        """Ask for a pod that must not go where more than 70 % is in use."""
        pod = pod_of("critical", "sources")
        pod["metadata"]["labels"] |= CRITICAL
        return self.extender.prioritize(pod, [NODE, OTHER])

    def explained(self) -> dict[str, Any]:
        """Give the node's load as the explanation of the pod that waits for it has it."""
        return dict(self.explained_node()["cpu_load"])

    def explained_node(self) -> dict[str, Any]:
        """Give the node as the explanation of the pod that waits for it has it."""
        path = f"/explain/{NAMESPACE}/sources-0"
        (found,) = self.stage.until(lambda: self.extender.document(path).get("candidates"))
        return dict(found)


def kubelet(cores: float) -> str:
    """Write what a kubelet that uses so many cores counts, exact at its own time."""
    now_seconds = time.time()
    return f"node_cpu_usage_seconds_total {cores * now_seconds!r} {int(now_seconds * 1000)}\n"


def kepler(said: object, *, age_seconds: float = 0.0) -> str:
    """Write Kepler's usage ratio of the node, as of a time if it is to be old."""
    at = f" {int((time.time() - age_seconds) * 1000)}" if age_seconds else ""
    return f'kepler_node_cpu_usage_ratio{{node_name="{NODE}"}} {said}{at}\n'


@contextmanager
def scraped(stage: Stage, folder: Path, pages: Mapping[str, Page]) -> Iterator[tuple[str, Targets]]:
    """Run a Prometheus that has scraped these pages, all of them of one node."""
    with targets() as served:
        served.pages.update(pages)
        jobs = [job("kubelet", served, KUBELET, node=NODE), job("kepler", served, KEPLER)]
        with prometheus(folder / "prometheus", *jobs) as url:
            names = "node_cpu_usage_seconds_total|kepler_node_cpu_usage_ratio"
            often = f'count(count_over_time({{__name__=~"{names}"}}[20s]) > 2)'
            stage.until(lambda: value_of(url, often) == len(pages))
            yield url, served


def reading(stage: Stage, url: str) -> ExtenderProcess:
    """Prepare an extender that reads Prometheus every second."""
    return stage.extender(
        free_ports(1)[0], prometheus_url=url, readings_seconds=1, stale_seconds=STALE_SECONDS
    )


def value_of(url: str, query: str) -> float:
    """Ask Prometheus for one number; 0 where there is none."""
    with urlopen(f"{url}/api/v1/query?{urlencode({'query': query})}", timeout=10) as answer:  # noqa: S310
        found = json.loads(answer.read())["data"]["result"]
    return float(found[0]["value"][1]) if found else 0.0


@pytest.fixture(scope="module", autouse=True)
def waiting_pod(stage: Stage) -> None:
    """Create a pod that waits for one node, so that it can be explained."""
    selector = {"kubernetes.io/hostname": NODE}
    stage.create("sources", 1, schedulerName="nobody", nodeSelector=selector)


def test_the_first_link_that_holds_is_used_and_shown(stage: Stage, tmp_path: Path) -> None:
    """With its source and age, on /metrics and in the explanation; the full node stays closed.

    First the kubelet's counter runs wild and Kepler knows better; then the kubelet is sane.
    """
    pages = {KUBELET: lambda: kubelet(1e15), KEPLER: lambda: kepler(RATIO_USED)}
    with scraped(stage, tmp_path, pages) as (url, served):
        with reading(stage, url) as extender:
            measured = Measured(extender, served, stage)
            measured.comes_to("kepler-usage-ratio")
            assert measured.utilisation() == pytest.approx(RATIO_USED, rel=0.02)
            assert_shown(measured, "kepler-usage-ratio")
        served.pages[KUBELET] = lambda: kubelet(CORES_USED)
        often = "sum(irate(node_cpu_usage_seconds_total[20s])) < 700 > 500"
        stage.until(lambda: value_of(url, often))
        with reading(stage, url) as extender:
            measured = Measured(extender, served, stage)
            measured.comes_to("kubelet")
            assert measured.utilisation() == pytest.approx(CORES_USED / 640, rel=0.02)
            assert_shown(measured, "kubelet")


def assert_shown(measured: Measured, source: str) -> None:
    """The node's load is said to be from a source, and what it says is heeded."""
    load = measured.explained()
    assert load["source"] == source
    assert load["age_seconds"] is not None
    assert measured.extender.metric("load_source_nodes", source=source) == 1
    assert measured.extender.metric("load_source_nodes", source="requests") >= 20
    assert measured.scores()[NODE] == 0 < measured.scores()[OTHER]


LIES = {
    "NaN": lambda: kepler("NaN"),
    "10^15": lambda: kepler("1e15"),
    "negative": lambda: kepler("-0.5"),
    "infinite": lambda: kepler("+Inf"),
    "an hour old": lambda: kepler(0.0, age_seconds=3600.0),
}


def test_lies_are_passed_over_and_make_no_node_attractive(stage: Stage, tmp_path: Path) -> None:
    """Requests stand in for as long as they last, and everybody can see it.

    The node was closed while it was known to be full. Requests do not know better, so it may be
    open again, but it never looks less loaded than what is requested of it says.
    """
    pages = {KEPLER: lambda: kepler(RATIO_USED)}
    with scraped(stage, tmp_path, pages) as (url, served), reading(stage, url) as extender:
        measured = Measured(extender, served, stage)
        measured.comes_to("kepler-usage-ratio")
        by_requests = measured.requested()
        for name, lie in LIES.items():
            measured.comes_to("kepler-usage-ratio")
            assert measured.utilisation() == pytest.approx(RATIO_USED, rel=0.02), name
            measured.pages.pages[KEPLER] = lie
            measured.comes_to("requests")
            assert measured.utilisation() == pytest.approx(by_requests), name
            load = measured.explained()
            assert (load["source"], load["age_seconds"]) == ("requests", None), name
            assert load["value"] == pytest.approx(by_requests), name
            assert measured.extender.metric("load_source_nodes", source="kepler-usage-ratio") == 0
            measured.pages.pages[KEPLER] = lambda: kepler(RATIO_USED)


def test_without_prometheus_requests_stand_in(stage: Stage, tmp_path: Path) -> None:
    """The extender goes on; the source's age says since when it has been alone."""
    with ExitStack() as opened:
        with scraped(stage, tmp_path, {KEPLER: lambda: kepler(RATIO_USED)}) as (url, served):
            extender = opened.enter_context(reading(stage, url))
            measured = Measured(extender, served, stage)
            measured.comes_to("kepler-usage-ratio")
        measured.comes_to("requests")  # Prometheus itself is gone
        assert measured.utilisation() == pytest.approx(measured.requested())
        assert extender.answers("/readyz")
        assert measured.scores()[NODE] == 10
        name, aged = "source_age_seconds", {"source": "cpu-load"}
        stage.until(lambda: extender.metric(name, **aged) > STALE_SECONDS)
