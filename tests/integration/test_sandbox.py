"""A sandbox comes up, meters what runs on it, and goes without a trace."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import components
import pytest
import yaml
from command_line import negawatt
from listening import LOOPBACK_HEXADECIMAL, listening_addresses
from prometheus_client.parser import text_string_to_metric_families
from sandbox_fixtures import SANDBOX_NODES, SandboxFactory

from energy.catalogue import Catalogue
from simulator.sandbox import sandbox as gateway
from simulator.sandbox.exposition import Fault
from simulator.sandbox.fleet_nodes import SERVER_LABEL
from simulator.sandbox.population import census
from simulator.sandbox.record import options_of
from simulator.sandbox.sandbox import Sandbox

SETTLED_SECONDS_MAX = 120.0
BLOCK = re.compile(r"```yaml\n(.*?)```", re.DOTALL)
SERVERS = Catalogue.shipped().servers


def pod(name: str, node: str | None, **more: object) -> dict[str, object]:
    """Describe a pod that uses two cores, on this node if one is named."""
    selector = {"nodeSelector": {"kubernetes.io/hostname": node}} if node else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "default",
            "annotations": {"kwok.x-k8s.io/usage-cpu": "2"},
        },
        "spec": {"containers": [{"name": "c", "image": "none"}], **selector, **more},
    }


def eventually(look: Callable[[], object], expected: object) -> None:
    """Wait until `look` gives what is expected; say what it gave last."""
    deadline = time.monotonic() + SETTLED_SECONDS_MAX
    while (found := look()) != expected and time.monotonic() < deadline:
        time.sleep(0.2)
    assert found == expected


def page_of(url: str) -> str:
    """Fetch a page of the sandbox."""
    with urlopen(url) as answer:  # noqa: S310 - its scheme is ours
        return str(answer.read().decode())


def metered(sandbox: Sandbox, metric: str, **labels: str) -> list[float]:
    """Read the meter's samples with these labels."""
    page = page_of(f"{sandbox.urls['power_meter']}/metrics")
    return [
        sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == metric and labels.items() <= sample.labels.items()
    ]


def asked(sandbox: Sandbox, query: str) -> list[float]:
    """Ask the sandbox's Prometheus."""
    url = f"{sandbox.urls['prometheus']}/api/v1/query?{urlencode({'query': query})}"
    return [float(one["value"][1]) for one in json.loads(page_of(url))["data"]["result"]]


def server_of(sandbox: Sandbox, node: str) -> str:
    """Give the kind of server that a node is, as the API server has it."""
    labels = json.loads(sandbox.kubectl("get", "node", node, "--output=json"))["metadata"]["labels"]
    return str(labels[SERVER_LABEL])


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


@pytest.mark.kube
@pytest.mark.slow
def test_sandbox_lives_on_after_its_command_and_goes_with_another(tmp_path: Path) -> None:
    """From `up` to `down` on the command line: nothing is left, neither process nor file."""
    folder = tmp_path / "state"
    state = ("--state", folder)
    up = ("sandbox", "up", "--nodes", 9, *state, "--output", "json")
    first = json.loads(negawatt(*up).stdout)
    try:
        again = negawatt("sandbox", "up", *state, "--output", "json")
        other = negawatt("sandbox", "up", "--nodes", 8, *state)
        seen = json.loads(negawatt("sandbox", "status", *state, "--output", "json").stdout)
        processes = Sandbox.opened(folder).process_ids()
        command = [first["kubectl"], "--kubeconfig", first["kubeconfig"], "get", "nodes", "-o=name"]
        names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    finally:
        gone = negawatt("sandbox", "down", *state)

    assert first["started"] is True
    assert json.loads(again.stdout) == {**first, "started": False}
    assert (other.returncode, other.stderr.count("\n")) == (2, 1)
    assert "has other nodes (--nodes): 9" in other.stderr
    assert seen["ready"] is True
    assert seen["census"] == {"nodes": 9, "ready_nodes": 9, "pods": 0, "bound_pods": 0}
    assert len(names) == 9
    assert len(processes) == 6
    assert gone.returncode == 0
    assert [pid for pid in processes if _arguments(Path(f"/proc/{pid}"))] == []
    assert list(tmp_path.iterdir()) == []
    assert negawatt("sandbox", "down", *state).stdout.startswith("There is no sandbox")
    assert negawatt("sandbox", "status", *state).returncode == 1


def test_nodes_power_profiles_and_people_lines_agree(sandbox: Sandbox) -> None:
    """Each node finds its PowerProfile, and `up` says where everything is."""
    read = json.loads(sandbox.kubectl("get", "powerprofiles", "--output=json"))["items"]
    written = {one["spec"]["nodeSelector"][SERVER_LABEL] for one in read}
    nodes = json.loads(sandbox.kubectl("get", "nodes", "--output=json"))["items"]
    said = negawatt("sandbox", "up", "--state", sandbox.folder).stdout

    assert len(nodes) == SANDBOX_NODES
    assert {node["metadata"]["labels"][SERVER_LABEL] for node in nodes} <= written
    assert f"export KUBECONFIG={sandbox.kubeconfig}" in said
    assert f"{sandbox.kubectl_program} get nodes" in said
    assert "runs already" in said


def test_everything_listens_on_loopback_alone(sandbox: Sandbox) -> None:
    """No process of the sandbox can be reached from another machine."""
    process_ids = sandbox.process_ids()

    assert len(process_ids) == 6
    assert {address for pid in process_ids for address in listening_addresses(pid)} == {
        LOOPBACK_HEXADECIMAL
    }


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


def test_reset_gives_the_sandbox_back_as_it_was(sandbox: Sandbox) -> None:
    """Workloads, other people's nodes, taints, labels and lies of the meter are gone."""
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "c", "image": "none"}]},
    }
    for namespace in ("default", "shop"):
        if namespace != "default":
            sandbox.kubectl("create", "namespace", namespace)
        deployment = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": namespace},
            "spec": {
                "replicas": 5,
                "selector": {"matchLabels": {"app": "web"}},
                "template": template,
            },
        }
        sandbox.kubectl("create", "--filename=-", manifest=deployment)
    sandbox.kubectl("cordon", "node-0000")
    sandbox.kubectl("label", "node", "node-0001", "mine=yes")
    sandbox.kubectl("delete", "node", "node-0002")
    sandbox.set_meter_fault(Fault.ABSENT)
    eventually(lambda: census(sandbox.kubectl).bound_pods, 10)

    done = negawatt("sandbox", "reset", "--state", sandbox.folder)

    assert done.returncode == 0
    left = census(sandbox.kubectl)
    assert (left.nodes, left.ready_nodes, left.pods) == (SANDBOX_NODES, SANDBOX_NODES, 0)
    assert "shop" not in sandbox.kubectl("get", "namespaces", "--output=name")
    assert "web" not in sandbox.kubectl("get", "deployments", "--all-namespaces", "--output=name")
    selected = sandbox.kubectl("get", "nodes", "--selector=mine", "--output=name")
    assert selected == ""
    cordons = sandbox.kubectl("get", "nodes", "--output=jsonpath={.items[*].spec.unschedulable}")
    assert cordons == ""
    eventually(lambda: len(metered(sandbox, "kepler_platform_watts")), SANDBOX_NODES)


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


@pytest.mark.prometheus
@pytest.mark.kafka
@pytest.mark.slow
def test_every_component_that_can_be_added_is_well(sandbox_factory: SandboxFactory) -> None:
    """Prometheus, metrics-server and Kafka run beside a small cluster."""
    sandbox = sandbox_factory(nodes=3, extras=("prometheus", "metrics-server", "kafka"))
    seen = sandbox.status()

    assert seen.ready
    assert {"prometheus", "metrics-server", "kafka"} < {one.name for one in seen.components}
    eventually(lambda: "metrics.k8s.io" in sandbox.kubectl("api-versions"), expected=True)


def test_scheduler_configuration_reaches_the_scheduler(
    sandbox_factory: SandboxFactory, tmp_path: Path
) -> None:
    """A pod of a profile's own name is bound, and the client is not held back."""
    file = tmp_path / "scheduler.yaml"
    profiles = "profiles: [{schedulerName: default-scheduler}, {schedulerName: negawatt}]\n"
    head = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"
    file.write_text(head + profiles)
    sandbox = sandbox_factory(nodes=2, scheduler_configuration=file)
    sandbox.kubectl("create", "-f", "-", manifest=pod("ours", None, schedulerName="negawatt"))

    eventually(lambda: census(sandbox.kubectl).bound_pods, 1)
    used = sandbox.folder / "clusters/negawatt/scheduler.yaml"
    assert yaml.safe_load(used.read_text())["clientConnection"]["qps"] == 5000


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


@pytest.mark.kube
@pytest.mark.slow
def test_broken_sandbox_is_named_and_can_be_taken_down(tmp_path: Path) -> None:
    """A component that was killed is seen; even without its record everything ends."""
    folder = tmp_path / "state"
    sandbox, _ = gateway.up(options_of(nodes=2), folder)
    processes = sandbox.process_ids()
    etcd = next(pid for pid in processes if "etcd" in Path(f"/proc/{pid}/exe").readlink().name)
    os.kill(etcd, signal.SIGKILL)
    seen = sandbox.status()
    again = negawatt("sandbox", "up", "--state", folder)
    (folder / "sandbox.json").write_text("{")
    gone = negawatt("sandbox", "down", "--state", folder)

    assert not seen.ready
    assert [one.name for one in seen.components if not one.runs] == ["etcd"]
    assert again.returncode == 1
    assert "the sandbox there is not whole: etcd" in again.stderr
    assert "run `negawatt sandbox down`" in again.stderr
    assert gone.returncode == 0
    assert [pid for pid in processes if _arguments(Path(f"/proc/{pid}"))] == []
    assert not folder.exists()


@pytest.mark.kube
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_start_that_is_cut_off_leaves_nothing_that_down_does_not_find(
    tmp_path: Path, number: signal.Signals
) -> None:
    """Asked to stop, it ends what it began; killed, it leaves a record that `down` follows."""
    folder = tmp_path / "state"
    command = [sys.executable, "-m", "console", "sandbox", "up", "--nodes=2", f"--state={folder}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    log = folder / "clusters/negawatt/logs/kube-apiserver.log"
    eventually(log.exists, expected=True)
    process.send_signal(number)
    process.wait()

    if number == signal.SIGKILL:
        assert gateway.Sandbox.opened(folder).process_ids()
        assert negawatt("sandbox", "down", "--state", folder).returncode == 0
    assert not folder.exists()
    left = [
        entry.name
        for entry in Path("/proc").iterdir()
        if entry.name.isdecimal() and str(folder) in _arguments(entry)
    ]
    assert left == []


def _arguments(entry: Path) -> str:
    """Give what a process was called with; nothing once it has ended, reaped or not."""
    try:
        return (entry / "cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--nodes", "0"], "--nodes: 0 nodes cannot be simulated"),
        (["--fleet", "mixd"], "--fleet: no fleet is named 'mixd'"),
        (["--with", "grafana"], "--with: 'grafana' cannot be added"),
        (["--usage-ratio", "2"], "--usage-ratio: 2.0 cannot be used"),
        (["--output", "html"], "--output: there is no output 'html'"),
        (["--scheduler-config", "/none.yaml"], "/none.yaml: no such file or directory"),
        (["--nodes", "many"], "Invalid value for '--nodes'"),
    ],
)
def test_option_that_cannot_be_used_is_one_line(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    """What, where and how to mend; nothing is started and nothing is left."""
    done = negawatt("sandbox", "up", "--state", tmp_path / "state", *arguments)

    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_folder_with_other_things_in_it_is_not_taken(tmp_path: Path) -> None:
    """Neither to start in nor to remove."""
    (tmp_path / "thesis.tex").touch()
    for command in ("up", "down"):
        done = negawatt("sandbox", command, "--state", tmp_path)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "something else in this folder" in done.stderr

    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_tutorial_tells_what_happens(sandbox: Sandbox) -> None:
    """The Deployment of the page runs, spread over as many nodes, and lifts the watts it names."""
    page = (components.CHECKOUT / "docs/tutorials/sandbox.md").read_text(encoding="utf-8")
    (manifest,) = [text for text in BLOCK.findall(page) if text.startswith("apiVersion")]
    sandbox.reset()

    def fleet_watts() -> float:
        return round(sum(metered(sandbox, "kepler_platform_watts")))

    eventually(fleet_watts, 1377)
    sandbox.kubectl("create", "--filename=-", manifest=yaml.safe_load(manifest))
    eventually(lambda: census(sandbox.kubectl).bound_pods, 12)
    eventually(lambda: round(fleet_watts(), -2), 1500)
    nodes = sandbox.kubectl("get", "pods", "--output=jsonpath={.items[*].spec.nodeName}").split()
    assert len(set(nodes)) == 12
    sandbox.reset()
