"""What workloads use, for those of their pods that do not say what they need."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from scripted_api import ScriptedApi, ScriptedRequest, scripted_api, status

from cluster.kube.client import KubeClient, connect
from cluster.kube.settings import KubeSettings
from cluster.model import ClusterSnapshot, Node, Owner, Pod, Resources
from telemetry.metrics_api import KEEP_SECONDS, WorkloadMeter
from telemetry.node_load import LoadLimits
from telemetry.reader import Reader
from telemetry.workload_use import (
    PodUse,
    WorkloadKey,
    WorkloadUse,
    namespaces_to_measure,
    workload_of,
    workload_uses,
)

MEBIBYTE = 1024**2
NOW = 1795336230.0
AT = "2026-11-22T08:30:00Z"  # half a minute before
WEB = WorkloadKey(namespace="shop", kind="Deployment", name="web")


def pod(name: str, *, namespace: str = "shop", owner: Owner | None = None, **more) -> Pod:
    """Return a pod of the Deployment `web` that states nothing, unless told otherwise."""
    return Pod(
        namespace=namespace,
        name=name,
        owner=owner or Owner(kind="ReplicaSet", name="web-7c9d8"),
        **{"labels": {"pod-template-hash": "7c9d8"}, "requests": Resources()} | more,
    )


def use(name: str, cores: float, mebibytes: int = 64, *, age: float = 10.0) -> PodUse:
    """Return what a pod in `shop` was measured to use."""
    return PodUse(
        namespace="shop",
        name=name,
        cpu_cores=cores,
        memory_bytes=mebibytes * MEBIBYTE,
        sampled_at_seconds=NOW - age,
    )


def uses(pods: list[Pod], *measured: PodUse) -> dict[WorkloadKey, WorkloadUse]:
    """Return the mean uses as of now."""
    return workload_uses(pods, measured, now_seconds=NOW, limits=LoadLimits())


@pytest.mark.parametrize(
    ("of", "kind", "name"),
    [
        (pod("a"), "Deployment", "web"),
        (pod("a", labels={}), "ReplicaSet", "web-7c9d8"),
        (pod("a", labels={"pod-template-hash": "other"}), "ReplicaSet", "web-7c9d8"),
        (pod("a", owner=Owner(kind="StatefulSet", name="db")), "StatefulSet", "db"),
        (pod("a", owner=Owner(kind="Job", name="b-7c9d8")), "Job", "b-7c9d8"),
        (Pod(namespace="shop", name="alone", requests=Resources()), "Pod", "alone"),
    ],
)
def test_a_pods_workload_is_who_keeps_it(of: Pod, kind: str, name: str) -> None:
    """All ReplicaSets of a Deployment are one workload, before and after a rollout."""
    assert workload_of(of) == WorkloadKey(namespace="shop", kind=kind, name=name)


def test_the_use_of_a_workload_is_the_mean_of_its_measured_pods() -> None:
    """A pod that was not measured yet does not make the others small."""
    pods = [pod("1"), pod("2"), pod("not measured yet")]

    found = uses(pods, use("1", 0.2, 64), use("2", 0.3011, 128), use("gone", 7.0))

    assert found == {
        WEB: WorkloadUse(
            cpu_millicores=251, memory_bytes=96 * MEBIBYTE, pods=2, sampled_at_seconds=NOW - 10
        )
    }


def test_stale_and_absurd_uses_are_left_out() -> None:
    """They would be taken for what the next pod needs."""
    pods = [pod("1"), pod("2"), pod("3"), pod("4"), pod("5")]
    bad = [use("1", 1e15), use("2", -1.0), use("3", 0.5, age=3600), use("4", float("nan"))]

    assert uses(pods, *bad, use("5", 0.1))[WEB].pods == 1


def test_a_workload_that_says_what_it_needs_is_not_measured() -> None:
    """Its requests are what counts; only namespaces with a silent pod are asked about."""
    stated = Resources(cpu_millicores=100, memory_bytes=MEBIBYTE)
    half = Resources(cpu_millicores=100)
    pods = [pod("1", requests=stated), pod("2", namespace="a", requests=half), pod("3")]

    assert namespaces_to_measure(pods) == ("a", "shop")
    assert namespaces_to_measure(pods[:1]) == ()
    assert uses(pods[:1], use("1", 0.5)) == {}


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    """Return a server that answers as the test scripts it."""
    with scripted_api() as server:
        yield server


@pytest.fixture
def client(api: ScriptedApi, tmp_path: Path) -> Iterator[KubeClient]:
    """Return a client of it."""
    connected = connect(KubeSettings(kubeconfig=api.kubeconfig(tmp_path)), environment={})
    yield connected
    connected.close()


def metrics(request: ScriptedRequest) -> None:
    """Answer as metrics-server: nodes `a` (2 cores) and `b` (1e15), pod web-1 (0.5 cores)."""
    usage = {"cpu": "500m", "memory": "64Mi"}
    base = {"timestamp": AT, "window": "15s"}
    if request.path.endswith("/nodes"):
        items = [
            base | {"metadata": {"name": name}, "usage": {"cpu": cpu, "memory": "1Gi"}}
            for name, cpu in (("a", "2"), ("b", "1e15"), ("stranger", "1"))
        ]
    else:
        metadata = {"name": "web-1", "namespace": "shop"}
        items = [base | {"metadata": metadata, "containers": [{"name": "c", "usage": usage}]}]
    request.answer(200, {"metadata": {}, "items": items})


def refuse(code: int) -> object:
    """Return an answer that says no."""
    return lambda request: request.answer(code, status(code, "No", "the server says no"))


SNAPSHOT = ClusterSnapshot(
    nodes=tuple(Node(name=name, allocatable=Resources(cpu_millicores=8000)) for name in ("a", "b")),
    pods=(pod("web-1", node_name="a"),),
)


def a_meter(client: KubeClient) -> WorkloadMeter:
    """Return a meter that reads once a minute."""
    return WorkloadMeter(client, every_seconds=60.0, limits=LoadLimits())


def test_workloads_are_read_once_a_minute(api: ScriptedApi, client: KubeClient) -> None:
    """And only in the namespaces that need it."""
    api.lists.append(metrics)
    meter = a_meter(client)

    first, failures = meter.read(SNAPSHOT, NOW)
    again, _ = meter.read(SNAPSHOT, NOW + 59)
    meter.read(SNAPSHOT, NOW + 60)

    assert failures == ()
    assert first[WEB].cpu_millicores == 500
    assert again is first
    assert [request.path.rpartition("v1beta1/")[2] for request in api.requests] == [
        "namespaces/shop/pods",
        "namespaces/shop/pods",
    ]


def test_what_was_known_is_kept_for_a_while(api: ScriptedApi, client: KubeClient) -> None:
    """A metrics-server that restarts does not make anybody forget what pods use."""
    api.lists.extend([metrics, refuse(503)])
    meter = a_meter(client)
    meter.read(SNAPSHOT, NOW)

    kept, failures = meter.read(SNAPSHOT, NOW + 60)
    forgotten, _ = meter.read(SNAPSHOT, NOW + KEEP_SECONDS)

    assert kept[WEB].cpu_millicores == 500
    assert len(failures) == 1
    assert forgotten == {}


def test_where_it_is_not_installed_nothing_is_known_and_nothing_fails(
    api: ScriptedApi, client: KubeClient
) -> None:
    """One request finds out."""
    api.lists.append(refuse(404))
    pods = (pod("1"), pod("2", namespace="other"))

    found, failures = a_meter(client).read(ClusterSnapshot(nodes=(), pods=pods), NOW)

    assert (found, failures) == ({}, ())
    assert len(api.requests) == 1


def test_the_metrics_api_answers_what_prometheus_leaves_open(
    api: ScriptedApi, client: KubeClient
) -> None:
    """The second link of the chain; a node whose use is absurd goes on to the third."""
    api.lists.append(metrics)

    readings = Reader(snapshot=lambda: SNAPSHOT, client=client).read(NOW)

    loads = {node: state.load for node, state in readings.nodes.items()}
    assert (loads["a"].cpu_cores, loads["a"].source) == (2.0, "metrics.k8s.io")
    assert loads["a"].age_seconds == 30.0
    assert loads["b"].source == "requests"
    assert loads["b"].notes[0] == "metrics.k8s.io: absurd, 1e+15 of 8 cores"
    assert readings.use_of(pod("web-9")) == readings.workloads[WEB]
    (source,) = readings.sources
    assert (source.name, source.nodes, source.strangers) == ("metrics.k8s.io", 1, ("stranger",))


@pytest.mark.parametrize(
    ("code", "note", "failures"), [(404, "not installed", 0), (503, "failed", 2)]
)
def test_a_metrics_api_that_is_missing_or_broken_is_noted(
    api: ScriptedApi, client: KubeClient, code: int, note: str, failures: int
) -> None:
    """The next link answers; only what is broken is a failure, of nodes and of pods."""
    api.lists.append(refuse(code))

    readings = Reader(snapshot=lambda: SNAPSHOT, client=client).read(time.time())

    load = readings.nodes["a"].load
    assert load.source == "requests"
    assert load.notes[0] == f"metrics.k8s.io: {note}"
    assert len(readings.failures) == failures
