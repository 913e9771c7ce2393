"""Counters of replayed workloads: past and present are one series, and the page is Prometheus'."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from forecaster.evaluation.traces import Trace
from simulator.sandbox import forecast_names as names
from simulator.sandbox.forecast_counters import BUCKETS_SECONDS, Totals, advanced, past_of
from simulator.sandbox.forecast_exposition import SeenWorkload, exposition
from simulator.sandbox.forecast_history import openmetrics_parts
from simulator.sandbox.forecast_replay import (
    NO_REPLICA,
    ReplayedCluster,
    ReplicaPod,
    read_replica_pod,
)
from simulator.sandbox.forecast_workloads import ReplayedWorkload, manifests, traffic_of
from simulator.traffic import MINUTES_PER_DAY, Replay
from simulator.traffic_service import ServiceModel, drifting_cost_ratios

START = 1_700_000_010
MINUTES = 3 * 60
PODS = ("web-1", "web-2", "web-3")
PAST_LINE = re.compile(r"^(\w+)\{(.*)\} (\S+) (\d+)$", re.MULTILINE)
PAGE_LINE = re.compile(r"^(\w+)\{(.*)\} (\S+)(?: (\d+))?$", re.MULTILINE)
#: By name and labels: Unix time and value of each sample.
Series = dict[tuple[str, str], list[tuple[float, float]]]


@pytest.fixture(scope="module")
def workload() -> ReplayedWorkload:
    """Three replicas under a wave."""
    minutes = np.arange(9 * MINUTES_PER_DAY)
    waves = 100 + 90 * np.sin(minutes * 2 * np.pi / MINUTES_PER_DAY)
    waves[minutes % 500 == 7] = np.nan
    trace = traffic_of(Trace(name="wave", step_minutes=1, first_minute=1, values=waves))
    return ReplayedWorkload(
        namespace="shop",
        name="web",
        replay=Replay.beginning(trace, START),
        model=ServiceModel(),
        replicas=len(PODS),
        cost_ratio=drifting_cost_ratios(len(minutes), "wave"),
    )


def test_the_present_goes_on_where_the_past_ends(workload) -> None:
    """Counted at once or scrape by scrape, an hour comes to the same."""
    past = past_of(workload, START, MINUTES)
    hour = 3600 // names.PAST_STEP_SECONDS
    present = Totals(
        at_seconds=float(past.at_seconds[-1 - hour]),
        answered=float(past.answered[-1 - hour]),
        within=tuple(past.within[-1 - hour].tolist()),
        duration_seconds=float(past.duration_seconds[-1 - hour]),
    )
    for now in np.linspace(present.at_seconds, START, 731)[1:].tolist():
        present = advanced(present, workload, PODS, now)
    present = advanced(present, workload, PODS, present.at_seconds - 5)  # a clock that went back
    end = advanced(past.last(), workload, PODS, START)

    assert end.at_seconds == present.at_seconds == START
    assert present.answered == pytest.approx(end.answered)
    assert present.within == pytest.approx(end.within)
    assert present.duration_seconds == pytest.approx(end.duration_seconds)
    used = sum(pod.cpu_seconds for pod in present.pods.values())
    assert used == pytest.approx(past.cpu_seconds[-1] - past.cpu_seconds[-1 - hour], rel=0.01)


def test_without_a_ready_pod_requests_are_refused(workload) -> None:
    """They are counted all the same, and nobody answers them."""
    before = past_of(workload, START, MINUTES).last()
    after = advanced(before, workload, (), before.at_seconds + 90)

    assert after.answered == before.answered
    assert after.refused > 0
    assert after.pods == {}
    again = advanced(after, workload, PODS[:1], after.at_seconds + 60)
    assert again.answered > after.answered
    assert again.refused == after.refused


def test_fewer_replicas_answer_more_slowly(workload) -> None:
    """So that a later scaler has something to see."""
    before = replace(past_of(workload, START, MINUTES).last(), duration_seconds=0.0)
    many, few = (
        advanced(before, workload, PODS[:count], before.at_seconds + 60) for count in (3, 2)
    )

    assert few.duration_seconds > many.duration_seconds
    assert few.within[3] - before.within[3] < many.within[3] - before.within[3]


def test_page_and_past_have_the_same_series(workload) -> None:
    """Else a rate would break where they meet; buckets grow with their bound."""
    past = past_of(workload, START, MINUTES)
    now = advanced(past.last(), workload, PODS, START)
    page = exposition(
        [SeenWorkload(workload=workload, totals=now, replica_set="web-abc", replicas=3)]
    )
    series = re.compile(r"^(\w+)\{(.*)\} (\S+)$", re.MULTILINE)
    present = {(name, labels): float(value) for name, labels, value in series.findall(page)}
    written = {
        (found[1], found[2].removesuffix(f",{names.SCRAPED}"))
        for part in openmetrics_parts(workload, past)
        if (found := re.match(r"(\w+)\{(.*)\} ", part))
    }

    lasting = {one for one in written if names.PAST_HASH not in one[1]}
    assert len(lasting) == 1 + len(BUCKETS_SECONDS) + 1 + 1  # requests, buckets, replicas
    assert lasting <= present.keys()
    buckets = [value for (name, _), value in present.items() if name.endswith("_bucket")]
    assert buckets == sorted(buckets)
    assert buckets[-1] == pytest.approx(now.answered)
    assert len([name for name, _ in present if name == names.CPU]) == len(PODS)


def test_a_workload_begins_when_its_pods_are_ready(workload) -> None:
    """Or when patience ends; until then it has no series, so that nothing is measured wrongly."""
    start = {workload.key: past_of(workload, START, MINUTES).last()}
    cluster = ReplayedCluster([workload], start, patience_until_seconds=START + 60)

    def appear(name: str) -> None:
        pod = ReplicaPod(workload="shop/web", name=name, replica_set="web-abc", ready=True)
        cluster.put(f"shop/{name}", NO_REPLICA, pod, START + 10)

    for name in PODS[:2]:
        appear(name)
    assert 'deployment="web"' not in cluster.page(START + 15)
    appear(PODS[2])
    assert 'deployment="web"' not in cluster.page(START + 16, scraped=False)
    assert not cluster.begun
    cluster.page(START + 18)
    assert cluster.begun
    ready = f'{names.READY_REPLICAS}{{namespace="shop",deployment="web"}} 3'
    assert ready in cluster.page(START + 20)

    hasty = ReplayedCluster([workload], start, patience_until_seconds=START - 1)
    pod = ReplicaPod(workload="shop/web", name="web-9", replica_set="web-abc", ready=True)
    hasty.put("shop/web-9", NO_REPLICA, pod, START + 10)
    assert 'deployment="web"} 1 ' in hasty.page(START + 10)


@pytest.mark.parametrize("first_scrape_seconds", [12.3, 61.0, 178.9])
def test_no_minute_is_lost_between_past_and_present(workload, first_scrape_seconds: float) -> None:
    """However long a sandbox takes to start, each minute's rate is the trace's; CPU goes on."""
    scraped = scrapes_of(workload, START + first_scrape_seconds)
    used = cpu_of(workload)
    first_minute = START // 60 - 5

    for minute in range(first_minute, first_minute + 12):
        rates: dict[str, float] = {}
        for (name, labels), samples in scraped.items():
            if name in {names.REQUESTS, names.CPU}:
                rate = prometheus_rate(samples, minute * 60.0, 60.0)
                rates[name] = rates.get(name, 0.0) + rate
            if name == names.READY_REPLICAS:
                assert any(minute * 60 - 30 <= at <= minute * 60 for at, _ in samples), labels
        truth = float(workload.replay.requests_per_second(np.array([minute]))[0])
        assert rates[names.REQUESTS] == pytest.approx(truth, rel=0.02, abs=0.01), minute
        assert rates[names.CPU] == pytest.approx(used(minute), rel=0.02), minute


def cpu_of(workload: ReplayedWorkload) -> Callable[[int], float]:
    """The cores that all pods use together in a minute."""

    def cores(minute: int) -> float:
        minutes = np.array([minute])
        cost = workload.cost_ratio[workload.replay.index(minutes)]
        rates = workload.replay.requests_per_second(minutes)
        return float(workload.model.cpu_cores(rates, workload.replicas, cost)[0])

    return cores


def scrapes_of(workload: ReplayedWorkload, first_seconds: float) -> Series:
    """What Prometheus holds: the past until START, and twelve minutes of scrapes of the replay."""
    held: Series = defaultdict(list)
    past = past_of(workload, START, MINUTES)
    for part in openmetrics_parts(workload, past):
        for name, labels, value, stamp in PAST_LINE.findall(part):
            held[name, labels.removesuffix(f",{names.SCRAPED}")].append(
                (float(stamp), float(value))
            )
    start = {workload.key: past.last()}
    cluster = ReplayedCluster([workload], start, patience_until_seconds=START + 600)
    for pod in PODS:
        ready = ReplicaPod(workload="shop/web", name=pod, replica_set="web-abc", ready=True)
        cluster.put(f"shop/{pod}", NO_REPLICA, ready, START + 10)
    for now in np.arange(first_seconds, first_seconds + 720, 5.0).tolist():
        page = cluster.page(now + 0.2)  # it takes a moment until a scrape is answered
        for name, labels, value, stamp in PAGE_LINE.findall(page):
            at = float(stamp) / 1000 if stamp else now
            samples = held[name, labels]
            assert not samples or samples[-1][0] < at, "Prometheus refuses what is out of order"
            samples.append((at, float(value)))
    return held


def prometheus_rate(
    samples: list[tuple[float, float]], at_seconds: float, window_seconds: float
) -> float:
    """The rate of a counter (Prometheus 2: promql/functions.go, extrapolatedRate); none: 0."""
    begin = at_seconds - window_seconds
    seen = [one for one in samples if begin <= one[0] <= at_seconds]
    if len(seen) < 2:
        return 0.0
    (first, low), (last, high) = seen[0], seen[-1]
    between = (last - first) / (len(seen) - 1)
    to_start = first - begin
    if high > low >= 0:
        to_start = min(to_start, (last - first) * low / (high - low))
    covered = last - first
    for edge in (to_start, at_seconds - last):
        covered += edge if edge < between * 1.1 else between / 2
    return (high - low) * covered / (last - first) / window_seconds


def test_a_pod_is_of_the_deployment_that_made_its_replica_set() -> None:
    """The template's hash is cut off; other people's pods are none of ours."""
    item = {
        "metadata": {
            "name": "web-abc-1",
            "namespace": "shop",
            "labels": {"pod-template-hash": "abc"},
            "ownerReferences": [
                {"kind": "ReplicaSet", "name": "web-abc", "controller": True, "uid": "1"}
            ],
        },
        "spec": {"containers": [{"name": "main"}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }

    assert read_replica_pod(item) == ReplicaPod(
        workload="shop/web", name="web-abc-1", replica_set="web-abc", ready=True
    )
    item["status"] = {"phase": "Pending"}
    assert not read_replica_pod(item).ready
    del item["metadata"]["ownerReferences"]
    assert read_replica_pod(item) == NO_REPLICA


def test_manifests_are_a_namespace_a_deployment_and_a_service(workload) -> None:
    """The namespace first, or nothing else could be created."""
    kinds = [one["kind"] for one in manifests([workload])]

    assert kinds == ["Namespace", "Deployment", "Service"]


def test_nothing_of_the_replay_needs_the_development_data() -> None:
    """The traces travel with the forecaster."""
    source = Path(names.__file__).with_name("forecast_workloads.py").read_text(encoding="utf-8")

    assert "shared" not in source
