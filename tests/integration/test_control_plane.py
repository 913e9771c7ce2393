"""A real control plane comes up, runs a pod on a fake node, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from pathlib import Path

import pytest
from listening import LOOPBACK_HEXADECIMAL, listening_addresses

from energy.errors import InputError, UnavailableError
from simulator.sandbox.control_plane import ControlPlane
from simulator.sandbox.fake_node import fake_node
from simulator.sandbox.kwokctl_configuration import ControlPlaneOptions
from simulator.sandbox.toolchain import Toolchain


def pod(name: str, *, cpu: str = "500m") -> dict[str, object]:
    """Describe a pod that asks for `cpu`."""
    container = {"name": "c", "image": "none", "resources": {"requests": {"cpu": cpu}}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": [container]},
    }


def test_pod_is_bound_to_the_fake_node_and_runs(control_plane: ControlPlane) -> None:
    """The scheduler binds a pod to the only node that its selector admits, and KWOK runs it."""
    node = f"smoke-{uuid.uuid4().hex[:8]}"
    manifest = pod(node)
    manifest["spec"] |= {"nodeSelector": {"kubernetes.io/hostname": node}}
    control_plane.kubectl("create", "-f", "-", manifest=fake_node(node))
    try:
        control_plane.kubectl("create", "-f", "-", manifest=manifest)
        running_phase = "--for=jsonpath={.status.phase}=Running"
        control_plane.kubectl("wait", running_phase, f"pod/{node}", "--timeout=120s")
        seen = json.loads(control_plane.kubectl("get", "pod", node, "--output=json"))

        assert seen["spec"]["nodeName"] == node
    finally:
        control_plane.kubectl("delete", "pod", node, "--force", "--ignore-not-found")
        control_plane.kubectl("delete", "node", node)


def test_pod_that_fits_nowhere_stays_pending_with_a_reason(control_plane: ControlPlane) -> None:
    """It is the real scheduler that decides: a pod larger than the node is not bound."""
    node = f"smoke-{uuid.uuid4().hex[:8]}"
    manifest = pod(node, cpu="64")
    manifest["spec"] |= {"nodeSelector": {"kubernetes.io/hostname": node}}
    control_plane.kubectl("create", "-f", "-", manifest=fake_node(node, cpu="2"))
    try:
        control_plane.kubectl("create", "-f", "-", manifest=manifest)
        unschedulable = "--for=jsonpath={.status.conditions[0].reason}=Unschedulable"
        control_plane.kubectl("wait", unschedulable, f"pod/{node}", "--timeout=120s")
        seen = json.loads(control_plane.kubectl("get", "pod", node, "--output=json"))

        assert "Insufficient cpu" in seen["status"]["conditions"][0]["message"]
        assert "nodeName" not in seen["spec"]
    finally:
        control_plane.kubectl("delete", "pod", node, "--force", "--ignore-not-found")
        control_plane.kubectl("delete", "node", node)


def test_everything_listens_on_loopback_alone(control_plane: ControlPlane) -> None:
    """No process of the control plane can be reached from another machine."""
    process_ids = control_plane.process_ids()

    assert len(process_ids) == 5
    assert {address for pid in process_ids for address in listening_addresses(pid)} == {
        LOOPBACK_HEXADECIMAL
    }


@pytest.mark.kube
def test_leaving_the_block_ends_all_processes_and_removes_the_folder() -> None:
    """A second control plane runs beside the first one and vanishes, also when the block fails."""
    plane = ControlPlane(Toolchain.found(os.environ))

    def fail_within_the_block() -> None:
        with plane:
            assert plane.process_ids()
            raise RuntimeError("from within")

    with pytest.raises(RuntimeError, match="from within"):
        fail_within_the_block()

    folder = plane.kubeconfig.parent
    assert plane.process_ids() == []
    assert not folder.exists()


@pytest.mark.kube
def test_component_that_ends_fails_the_start_with_its_last_words(tmp_path: Path) -> None:
    """A scheduler that cannot read its configuration is noticed, and no process stays behind."""
    configuration = tmp_path / "scheduler.yaml"
    configuration.write_text(
        "apiVersion: kubescheduler.config.k8s.io/v1\n"
        "kind: KubeSchedulerConfiguration\n"
        "profiles: 7\n"
    )
    options = ControlPlaneOptions(scheduler_configuration=configuration)
    toolchain = Toolchain.found(os.environ)
    plane = ControlPlane(toolchain, options)
    with pytest.raises(UnavailableError, match=r"kube-scheduler ended: .*profiles") as caught:
        plane.__enter__()

    assert "\n" not in str(caught.value)
    assert plane.process_ids() == []
    assert Path(caught.value.where).is_dir()

    shutil.rmtree(plane.kubeconfig.parent)


@pytest.mark.kube
def test_scheduler_configuration_that_is_not_there_starts_nothing(tmp_path: Path) -> None:
    """A wrong path is the caller's mistake: named before anything runs or is written."""
    options = ControlPlaneOptions(scheduler_configuration=tmp_path / "none.yaml")
    plane = ControlPlane(Toolchain.found(os.environ), options)
    with pytest.raises(InputError, match="no such scheduler configuration"):
        plane.__enter__()

    assert plane.process_ids() == []
    assert plane.kubeconfig == Path()
