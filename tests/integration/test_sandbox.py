"""A sandbox comes up, stays, can be emptied, and goes without a trace."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import yaml
from command_line import negawatt
from listening import LOOPBACK_HEXADECIMAL, listening_addresses
from sandbox_fixtures import SANDBOX_NODES, SandboxFactory
from sandbox_readings import eventually, metered, pod

from simulator.sandbox import lifecycle
from simulator.sandbox.exposition import Fault
from simulator.sandbox.fleet_nodes import SERVER_LABEL
from simulator.sandbox.population import census
from simulator.sandbox.prometheus_configuration import EXTENDER_PORT
from simulator.sandbox.record import NO_EXTENDER, options_of
from simulator.sandbox.sandbox import Sandbox


@contextmanager
def usual_port_taken() -> Iterator[None]:
    """Let somebody listen where extenders do, as another sandbox would."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):  # somebody does
            listener.bind(("127.0.0.1", EXTENDER_PORT))
            listener.listen()
        yield


@pytest.mark.kube
@pytest.mark.slow
def test_sandbox_lives_on_after_its_command_and_goes_with_another(tmp_path: Path) -> None:
    """From `up` to `down` on the command line: nothing is left, neither process nor file."""
    folder = tmp_path / "state"
    state = ("--state", folder)
    up = ("sandbox", "up", "--nodes", 9, *state, "--output", "json")
    with usual_port_taken():
        first = json.loads(negawatt(*up).stdout)
    try:
        said = negawatt("sandbox", "up", *state).stdout
        again = negawatt("sandbox", "up", *state, "--output", "json")
        other = negawatt("sandbox", "up", "--nodes", 8, *state)
        acting = negawatt("sandbox", "up", "--act", *state)
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
    assert (acting.returncode, acting.stderr.count("\n")) == (2, 1)
    assert "other mode of the extender (--act, --observe, --no-extender): observe" in acting.stderr
    extender = first["urls"]["extender"]
    assert f"negawatt extender explain NAMESPACE POD --url {extender}" in said
    (component,) = [one for one in seen["components"] if one["name"] == "extender"]
    assert (component["mode"], component["ready"]) == ("observe", True)
    assert seen["ready"] is True
    assert seen["census"] == {"nodes": 9, "ready_nodes": 9, "pods": 0, "bound_pods": 0}
    assert len(names) == 9
    assert len(processes) == 7
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
    assert f"end it       negawatt sandbox down --state {sandbox.folder}" in said


def test_everything_listens_on_loopback_alone(sandbox: Sandbox) -> None:
    """No process of the sandbox can be reached from another machine."""
    process_ids = sandbox.process_ids()

    assert len(process_ids) == 6
    assert {address for pid in process_ids for address in listening_addresses(pid)} == {
        LOOPBACK_HEXADECIMAL
    }


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
    assert done.stdout == f"{SANDBOX_NODES} nodes as new, no pods.\n"
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


@pytest.mark.kube
@pytest.mark.slow
def test_broken_sandbox_is_named_and_can_be_taken_down(tmp_path: Path) -> None:
    """A component that was killed is seen; even without its record everything ends."""
    folder = tmp_path / "state"
    sandbox, _ = lifecycle.up(options_of(nodes=2, extender=NO_EXTENDER), folder)
    processes = sandbox.process_ids()
    etcd = next(pid for pid in processes if "etcd" in Path(f"/proc/{pid}/exe").readlink().name)
    os.kill(etcd, signal.SIGKILL)
    eventually(lambda: etcd in sandbox.process_ids(), expected=False)  # busy machines take a while
    seen = sandbox.status()
    again = negawatt("sandbox", "up", "--state", folder)
    (folder / "sandbox.json").write_text("{")
    gone = negawatt("sandbox", "down", "--state", folder)

    assert not seen.ready
    assert [one.name for one in seen.components if not one.runs] == ["etcd"]
    assert again.returncode == 1
    assert "the sandbox there is not whole: etcd" in again.stderr
    assert f"run `negawatt sandbox down --state {folder}`" in again.stderr
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
    # A shell's background job, as CI may be, has its children ignore SIGINT.
    heeding = ["env", "--default-signal=INT"]
    command = [sys.executable, "-m", "console", "sandbox", "up", "--nodes=2", f"--state={folder}"]
    process = subprocess.Popen(
        [*heeding, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    log = folder / "clusters/negawatt/logs/kube-apiserver.log"
    eventually(log.exists, expected=True)
    process.send_signal(number)
    process.wait()

    if number == signal.SIGKILL:
        assert Sandbox.opened(folder).process_ids()
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
