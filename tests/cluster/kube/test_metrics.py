"""What nodes and pods use, by metrics.k8s.io: read, doubted, or not installed."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scripted_api import ScriptedApi, status

from cluster.kube.client import KubeClient, connect
from cluster.kube.errors import ForbiddenError, UnreachableError
from cluster.kube.metrics import MeasuredUse, MeasuredUses, node_uses, pod_uses, read_use
from cluster.kube.settings import KubeSettings
from energy.errors import InputError
from simulator.sandbox.control_plane import ControlPlane

MEBIBYTE = 1024**2
AT = "2026-11-22T08:30:00Z"
AT_SECONDS = 1795336200.0
# metrics-server wants two readings, 10 s apart here; a busy machine needs longer.
FIRST_METRICS_SECONDS_MAX = 240.0


def node_metrics(name: str = "a", cpu: str = "156340n", **more: object) -> dict[str, object]:
    """Return a NodeMetrics object as metrics-server writes it."""
    return {
        "metadata": {"name": name, "creationTimestamp": AT},
        "timestamp": AT,
        "window": "20.058s",
        "usage": {"cpu": cpu, "memory": "1024Ki"},
    } | more


def pod_metrics(*cpu: str) -> dict[str, object]:
    """Return a PodMetrics object with a container for each amount."""
    usages = [{"name": one, "usage": {"cpu": one, "memory": "1Mi"}} for one in cpu]
    return {
        "metadata": {"name": "web-1", "namespace": "shop"},
        "timestamp": AT,
        "window": "15s",
        "containers": usages,
    }


def answer(api: ScriptedApi, *items: object) -> None:
    """Let the server answer with a list."""
    body = {"kind": "NodeMetricsList", "metadata": {}, "items": list(items)}
    api.lists.append(lambda request: request.answer(200, body))


def test_a_nodes_use_is_read(api: ScriptedApi, client: KubeClient) -> None:
    """Nanocores as cores, with the time and the window of the measurement."""
    answer(api, node_metrics())

    assert node_uses(client) == MeasuredUses(
        uses=(
            MeasuredUse(
                name="a",
                cpu_cores=0.00015634,
                memory_bytes=MEBIBYTE,
                sampled_at_seconds=AT_SECONDS,
                window_seconds=20.058,
            ),
        )
    )
    assert api.requests[0].path == "/apis/metrics.k8s.io/v1beta1/nodes"


def test_a_pods_use_is_that_of_all_its_containers(api: ScriptedApi, client: KubeClient) -> None:
    """One namespace at a time."""
    answer(api, pod_metrics("250m", "1"))

    (use,) = pod_uses(client, "shop").uses

    assert (use.namespace, use.name) == ("shop", "web-1")
    assert (use.cpu_cores, use.memory_bytes) == (1.25, 2 * MEBIBYTE)
    assert api.requests[0].path == "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods"


def test_a_cluster_without_metrics_server_is_no_error(api: ScriptedApi, client: KubeClient) -> None:
    """The API server answers 404 in plain text for a group that it does not know."""
    api.lists.append(lambda request: request.answer(404, b"404 page not found\n"))

    assert node_uses(client) == MeasuredUses(installed=False)
    assert pod_uses(client, "shop") == MeasuredUses(installed=False)


@pytest.mark.parametrize(
    ("code", "kind"), [(503, UnreachableError), (403, ForbiddenError), (500, UnreachableError)]
)
def test_a_failure_is_a_value(api: ScriptedApi, client: KubeClient, code, kind) -> None:
    """A metrics-server that is down, or that we may not ask, is one link less."""
    body = status(code, "ServiceUnavailable", "the server is currently unable")
    api.lists.append(lambda request: request.answer(code, body))

    found = node_uses(client)

    assert found.uses == ()
    assert found.installed
    assert isinstance(found.error, kind)
    assert "\n" not in str(found.error)


def test_one_strange_object_does_not_hide_the_others(api: ScriptedApi, client: KubeClient) -> None:
    """Each is a doubt of one line."""
    strange = [
        node_metrics("no-time", timestamp=None),
        node_metrics("bad-time", timestamp="yesterday"),
        node_metrics("local-time", timestamp="2026-11-22T08:30:00"),
        node_metrics("no-usage", usage={}),
        node_metrics("half", usage={"cpu": "1"}),
        node_metrics("negative", cpu="-1"),
        node_metrics("words", cpu="much"),
        {"metadata": {"name": "unmeasured"}, "timestamp": AT},
        pod_metrics(),
        {"metadata": "nothing"},
    ]
    answer(api, *strange, node_metrics("whole"))

    found = node_uses(client)

    assert [use.name for use in found.uses] == ["whole"]
    assert len(found.doubts) == len(strange)
    assert all("\n" not in doubt and doubt.startswith("metrics of ") for doubt in found.doubts)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("15s", 15), ("1m0.5s", 60.5), ("1h2m3s", 3723), ("500ms", 0.5), ("", 0), ("long", 0)],
)
def test_a_window_is_gos_text_of_a_duration(text, seconds) -> None:
    """What is no duration is a window of unknown length."""
    assert read_use(node_metrics(window=text)).window_seconds == seconds


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
FIELDS = st.sampled_from(["metadata", "timestamp", "window", "usage", "containers"])


@given(st.dictionaries(FIELDS, JSON))
def test_no_object_raises_anything_else(changes) -> None:
    """Whatever an object holds, it is read or refused."""
    try:
        use = read_use(node_metrics() | changes)
    except (ValidationError, InputError):
        return
    assert use.cpu_cores >= 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_real_metrics_server_is_read(measured_plane: ControlPlane) -> None:
    """KWOK plays a node with a pod that uses 450m; a real metrics-server measures both."""
    client = connect(KubeSettings(kubeconfig=measured_plane.kubeconfig), environment={})
    deadline = time.monotonic() + FIRST_METRICS_SECONDS_MAX
    nodes, pods = MeasuredUses(), MeasuredUses()
    while not (nodes.uses and pods.uses) and time.monotonic() < deadline:
        time.sleep(2)
        nodes, pods = node_uses(client), pod_uses(client, "default")
    client.close()

    (node,), (pod,) = nodes.uses, pods.uses
    assert (node.name, pod.name) == ("metered", "busy")
    assert pod.cpu_cores == pytest.approx(0.45, rel=0.05)
    assert node.cpu_cores == pytest.approx(0.45, rel=0.05)
    assert pod.memory_bytes == 64 * MEBIBYTE
    assert abs(time.time() - node.sampled_at_seconds) < 120
    assert node.window_seconds > 0
