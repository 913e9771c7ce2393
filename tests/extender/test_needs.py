"""What a pod is taken to need: requests, else its workload's use, else a label, else nothing."""

from __future__ import annotations

import pytest
from core_scenes import GIBIBYTE, task
from hypothesis import given
from hypothesis import strategies as st

from cluster.model import Owner
from extender.needs import CPU_LABEL, MEMORY_LABEL, as_needed, needs_of
from telemetry.workload_use import WorkloadKey, WorkloadUse, workload_of

WEB = WorkloadKey(namespace="shop", kind="Deployment", name="web")


def replica(cpu: int = 0, memory: int = 0, **fields):
    """Give a pod of Deployment `web`."""
    labels = {"pod-template-hash": "abc", **fields.pop("labels", {})}
    owner = Owner(kind="ReplicaSet", name="web-abc")
    return task("web-abc-1", cpu, memory, owner=owner, labels=labels, **fields)


def used(cpu: int, memory: int = GIBIBYTE, pods: int = 3) -> dict[WorkloadKey, WorkloadUse]:
    """Give what the pods of `web` use."""
    use = WorkloadUse(cpu_millicores=cpu, memory_bytes=memory, pods=pods, sampled_at_seconds=0.0)
    return {WEB: use}


LABELLED = {CPU_LABEL: "250m", MEMORY_LABEL: "2Gi"}


def test_requests_come_first() -> None:
    """Whatever is observed or said."""
    found = needs_of(replica(500, GIBIBYTE, labels=LABELLED), used(4000), 0.5)
    assert (found.cpu_millicores, found.memory_bytes, found.source) == (500, GIBIBYTE, "requests")


def test_then_what_the_workload_uses() -> None:
    """Over the usage ratio, so that it compares with requests; the reason says how many pods."""
    found = needs_of(replica(labels=LABELLED), used(200), 0.5)
    assert (found.cpu_millicores, found.memory_bytes, found.source) == (400, GIBIBYTE, "observed")
    assert "3 pods of its workload use 200 millicores" in found.reason


def test_a_memory_request_stands_beside_observed_cores() -> None:
    """What is stated is not replaced."""
    assert needs_of(replica(0, 7 * GIBIBYTE), used(200), 1.0).memory_bytes == 7 * GIBIBYTE


def test_a_usage_ratio_of_nothing_does_not_make_needs_endless() -> None:
    """It is taken for 1 %."""
    assert needs_of(replica(), used(200), 0.0).cpu_millicores == 20_000


def test_a_workload_that_was_seen_to_use_nothing_says_nothing() -> None:
    """The label is asked."""
    assert needs_of(replica(labels=LABELLED), used(0), 1.0).source == "label"


def test_memory_that_is_not_requested_is_what_the_workload_uses() -> None:
    """Also where the CPU is requested."""
    found = needs_of(replica(500), used(200), 1.0)
    assert (found.cpu_millicores, found.memory_bytes, found.source) == (500, GIBIBYTE, "requests")


@pytest.mark.parametrize("place", ["labels", "annotations"])
def test_then_the_label(place: str) -> None:
    """Or the annotation, which can hold what a label cannot."""
    found = needs_of(replica(**{place: LABELLED}), {}, 1.0)
    assert (found.cpu_millicores, found.memory_bytes, found.source) == (250, 2 * GIBIBYTE, "label")
    assert CPU_LABEL in found.reason


@pytest.mark.parametrize("wrong", [{CPU_LABEL: "lots"}, {CPU_LABEL: "1", MEMORY_LABEL: "lots"}])
def test_a_label_that_cannot_be_read_is_named(wrong: dict[str, str]) -> None:
    """And the pod counts as kube-scheduler's scores count it."""
    found = needs_of(replica(labels=wrong), {}, 1.0)
    assert (found.cpu_millicores, found.source) == (100, "unknown")
    assert "cannot be read" in found.reason


def test_then_nothing_is_known() -> None:
    """And said; a pod that needed nothing would cost the same everywhere."""
    found = needs_of(replica(), {}, 1.0)
    assert (found.cpu_millicores, found.memory_bytes, found.source) == (100, 0, "unknown")
    assert "nothing is known" in found.reason


@pytest.mark.parametrize("text", ["-1", "-100m", "1e30", "9999999999999999"])
def test_a_label_beyond_all_machines_is_not_believed(text: str) -> None:
    """A pod cannot break its own scoring, nor look as if it gave cores back."""
    pod = replica(labels={CPU_LABEL: text})
    needs = needs_of(pod, {}, 1.0)
    assert as_needed(pod, needs).requests.cpu_millicores >= 0


@given(st.text(max_size=12))
def test_no_label_breaks_the_chain(text: str) -> None:
    """Whatever somebody writes."""
    pod = replica(annotations={CPU_LABEL: text, MEMORY_LABEL: text})
    needs = needs_of(pod, {}, 1.0)
    assert needs.source in {"label", "unknown"}
    as_needed(pod, needs)


def test_rules_see_a_pod_with_its_needs_for_requests_and_no_node() -> None:
    """A pod that states them is the same object, for there is nothing to change."""
    pod = replica(500, GIBIBYTE)
    assert as_needed(pod, needs_of(pod, {}, 1.0)) is pod
    silent = replica(labels=LABELLED, node_name="n1")
    seen = as_needed(silent, needs_of(silent, {}, 1.0))
    assert (seen.requests.cpu_millicores, seen.node_name) == (250, None)


def test_the_pods_of_a_deployment_are_one_workload() -> None:
    """Through their ReplicaSets."""
    assert workload_of(replica()) == WEB
