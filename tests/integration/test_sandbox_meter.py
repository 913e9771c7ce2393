"""What runs on a sandbox shows in its power meter, in KWOK's usage and in its Prometheus."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sandbox_fixtures import SandboxFactory
from sandbox_readings import asked, eventually, metered, page_of, pod, server_of

from energy.catalogue import Catalogue
from simulator.sandbox.exposition import Fault
from simulator.sandbox.sandbox import Sandbox

SERVERS = Catalogue.shipped().servers


@pytest.fixture
def busy_node(sandbox: Sandbox) -> Iterator[tuple[str, str]]:
    """Give a node with one pod that uses two cores, and the pod's name; empty again afterwards."""
    node, name = "node-0003", f"busy-{uuid.uuid4().hex[:8]}"
    sandbox.kubectl("create", "--filename=-", manifest=pod(name, node))
    sandbox.kubectl(
        "wait", "--for=jsonpath={.status.phase}=Running", f"pod/{name}", "--timeout=120s"
    )
    yield node, name
    sandbox.kubectl("delete", "pod", name, "--ignore-not-found")


def test_node_draws_what_its_curve_says_of_the_pod(
    sandbox: Sandbox, busy_node: tuple[str, str]
) -> None:
    """Two cores in use lift the wall reading by the measured curve; the pod gets the difference."""
    node, name = busy_node
    server = SERVERS[server_of(sandbox, node)]
    expected = server.curve.watts_at(2 / server.cores)

    def wall_watts() -> list[float]:
        return [
            round(watts, 6) for watts in metered(sandbox, "kepler_platform_watts", node_name=node)
        ]

    eventually(wall_watts, [round(expected, 6)])
    of_zone = {"zone": "package", "node_name": node}
    (whole,) = metered(sandbox, "kepler_node_cpu_watts", **of_zone)
    (idle,) = metered(sandbox, "kepler_node_cpu_idle_watts", **of_zone)
    (of_pod,) = metered(sandbox, "kepler_pod_cpu_watts", pod_name=name, **of_zone)
    assert of_pod > 0
    assert idle + of_pod == pytest.approx(whole)

    sandbox.kubectl("delete", "pod", name)
    eventually(wall_watts, [round(server.curve.idle_watts, 6)])


def test_cordoned_node_with_the_taint_draws_its_sleep_watts(sandbox: Sandbox) -> None:
    """Sleep as the node autoscaler marks it, and waking up again."""
    node = "node-0004"
    awake = SERVERS[server_of(sandbox, node)].curve.idle_watts

    def wall_watts() -> list[float]:
        return metered(sandbox, "kepler_platform_watts", node_name=node)

    sandbox.kubectl("cordon", node)
    sandbox.kubectl("taint", "node", node, "negawatt.dev/asleep=:NoSchedule")
    eventually(wall_watts, [5.0])
    sandbox.kubectl("taint", "node", node, "negawatt.dev/asleep-")
    sandbox.kubectl("uncordon", node)
    eventually(wall_watts, [awake])


def test_usage_that_kwok_reports_follows_requests_and_annotations(sandbox: Sandbox) -> None:
    """At the ratio of one half, four requested cores use as much as an annotation of two."""
    stated = pod("stated", "node-0005")
    asks = {"name": "c", "image": "none", "resources": {"requests": {"cpu": "4"}}}
    requested = pod("requested", "node-0005", containers=[asks])
    del requested["metadata"]["annotations"]
    for manifest in (stated, requested):
        sandbox.kubectl("create", "--filename=-", manifest=manifest)
    eventually(
        lambda: [
            round(ratio * SERVERS[server_of(sandbox, "node-0005")].cores, 6)
            for ratio in metered(sandbox, "kepler_node_cpu_usage_ratio", node_name="node-0005")
        ],
        [4.0],
    )
    port = sandbox.ports["kwokControllerPort"]
    page = f"http://127.0.0.1:{port}/metrics/nodes/node-0005/metrics/resource"

    def core_seconds() -> dict[str, float]:
        return {
            sample.labels["pod"]: sample.value
            for family in text_string_to_metric_families(page_of(page))
            for sample in family.samples
            if sample.name == "pod_cpu_usage_seconds_total"
        }

    eventually(lambda: set(core_seconds()), {"stated", "requested"})
    began = core_seconds()
    time.sleep(2)
    used = {name: value - began[name] for name, value in core_seconds().items()}
    sandbox.kubectl("delete", "pod", "stated", "requested")

    assert used["stated"] > 1
    assert used["requested"] / used["stated"] == pytest.approx(1, abs=0.2)


@pytest.mark.prometheus
@pytest.mark.slow
def test_power_and_load_reach_prometheus(sandbox_factory: SandboxFactory) -> None:
    """The meter, KWOK's usage and the control plane are scraped; a pod shows in all of it."""
    sandbox = sandbox_factory(nodes=6, extras=("prometheus",))
    node, name = "node-0001", f"busy-{uuid.uuid4().hex[:8]}"
    server = SERVERS[server_of(sandbox, node)]
    sandbox.kubectl("create", "--filename=-", manifest=pod(name, node))
    expected = round(server.curve.watts_at(2 / server.cores), 3)

    def rounded(query: str, digits: int) -> Callable[[], list[float]]:
        return lambda: [round(value, digits) for value in asked(sandbox, query)]

    eventually(rounded(f'kepler_platform_watts{{node_name="{node}"}}', 3), [expected])
    used = f'irate(node_cpu_usage_seconds_total{{node="{node}"}}[1m])'
    eventually(rounded(used, 1), [2.0])
    eventually(rounded('count(up{job="kubelet"} == 1)', 0), [6.0])
    for job in ("kepler", "kube-apiserver", "kube-controller-manager", "kube-scheduler"):
        eventually(rounded(f'up{{job="{job}"}}', 0), [1.0])
    sandbox.also_scrape("another", sandbox.ports["powerMeterPort"])
    eventually(rounded('up{job="another"}', 0), [1.0])
    sandbox.reset()


@pytest.mark.prometheus
@pytest.mark.slow
def test_lies_of_the_meter_reach_prometheus(sandbox_factory: SandboxFactory) -> None:
    """What a broken meter says is what a reader of Prometheus gets, until it is mended."""
    sandbox = sandbox_factory(nodes=6, extras=("prometheus",))
    watts = 'kepler_platform_watts{job="kepler",node_name="node-0001"}'
    expected = SERVERS[server_of(sandbox, "node-0001")].curve.idle_watts
    lies = {
        Fault.NAN: f"count({watts} != {watts})",
        Fault.NEGATIVE: f"count({watts} < 0)",
        Fault.ABSURD: f"count({watts} > 1e9)",
        Fault.ABSENT: f"count(absent({watts}))",
        # Last: samples with a time of their own leave no mark that they ended, and stay 5 minutes.
        Fault.STALE: f"count(time() - timestamp({watts}) > 8)",
    }
    for fault, query in lies.items():
        sandbox.set_meter_fault(fault)
        eventually(lambda query=query: asked(sandbox, query), [1.0])
    sandbox.set_meter_fault(Fault.NONE)
    eventually(lambda: asked(sandbox, watts), [expected])
