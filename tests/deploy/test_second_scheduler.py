"""kube-scheduler and the extender together, each under its own account of the manifests."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import manifests
import pytest
import scheduler_files
from manifests import SCHEDULER, until
from power_profile_files import document_of
from programs import answer, running

from simulator.sandbox.control_plane import ControlPlane
from simulator.sandbox.fake_node import fake_node
from simulator.sandbox.ports import free_ports
from simulator.sandbox.toolchain import Toolchain

pytestmark = [pytest.mark.kube, pytest.mark.slow]

READER, SCHEDULING = "negawatt-extender", "negawatt-scheduler"
RACKS = {"thrifty": (50.0, 100.0), "thirsty": (150.0, 600.0)}


@pytest.fixture
def racks(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """Give a cluster of two nodes whose watts PowerProfiles tell, in the order of `RACKS`."""
    nodes = [fake_node(name, labels={"rack": name}) for name in RACKS]
    profiles = [
        document_of(name, {"rack": name}, idle_watts=idle, peak_watts=peak)
        for name, (idle, peak) in RACKS.items()
    ]
    with manifests.installed(control_plane, SCHEDULER):
        defined = ("wait", "--for=condition=Established", "crd/powerprofiles.negawatt.dev")
        control_plane.kubectl(*defined, "--timeout=60s")
        create(control_plane, [*nodes, *profiles])
        try:
            ready = ("wait", "--for=condition=Ready", "--timeout=60s")
            control_plane.kubectl(*ready, *(f"node/{name}" for name in RACKS))
            yield control_plane
        finally:
            gone = ("--selector=test=second-scheduler", "--force", "--grace-period=0")
            control_plane.kubectl("delete", "pods", *gone)
            control_plane.kubectl("delete", "node", *RACKS)


def create(plane: ControlPlane, items: list[Any]) -> None:
    """Create objects."""
    plane.kubectl(
        "create", "-f", "-", manifest={"apiVersion": "v1", "kind": "List", "items": items}
    )


def pod(name: str, cpu: str, **selector: str) -> dict[str, Any]:
    """Describe a pod for the second scheduler."""
    resources = {"requests": {"cpu": cpu, "memory": "1Gi"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "default",
            "labels": {"test": "second-scheduler"},
        },
        "spec": {
            "schedulerName": "negawatt",
            "nodeSelector": selector,
            "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "rack", "operator": "Exists"}]}]
            }}},
            "containers": [{"name": "c", "image": "none", "resources": resources}],
        },
    }  # fmt: skip


def test_a_pod_goes_where_it_costs_the_fewest_watts(
    racks: ControlPlane, toolchain: Toolchain, tmp_path: Path
) -> None:
    """Although packing would have it on the other node; and the extender says why."""
    (tmp_path / "reader").mkdir()
    reader = manifests.account_kubeconfig(racks, READER, tmp_path / "reader")
    environ = manifests.extender_environ(racks, SCHEDULER, reader, tmp_path)
    url = f"http://127.0.0.1:{environ['NEGAWATT_EXTENDER__PORT']}"
    document = scheduler_files.shipped()
    document["extenders"][0]["urlPrefix"] = f"{url}/scheduler"
    kubeconfig = manifests.account_kubeconfig(racks, SCHEDULING, tmp_path)
    document["clientConnection"]["kubeconfig"] = str(kubeconfig)
    command = [
        str(toolchain.program("kube-scheduler")),
        f"--config={scheduler_files.written(document, tmp_path)}",
        "--bind-address=127.0.0.1",
        f"--secure-port={free_ports(1)[0]}",
    ]

    def explained(name: str) -> dict[str, Any]:
        text = answer(f"{url}/explain/default/{name}")
        found = json.loads(text) if text else {}
        return found if found.get("state") == "bound" else {}

    with ExitStack() as programs:
        extender = [sys.executable, "-m", "extender"]
        programs.enter_context(running(extender, tmp_path / "extender.log", **environ))
        until(lambda: "power-profile" in answer(f"{url}/metrics"))
        programs.enter_context(running(command, tmp_path / "kube-scheduler.log"))
        create(racks, [pod("packed", "4", rack="thirsty")])
        assert until(lambda: explained("packed"))["node_chosen"] == "thirsty"
        create(racks, [pod("free", "1")])
        free = until(lambda: explained("free"))

    assert (free["node_chosen"], free["node_preferred"]) == ("thrifty", "thrifty")
    scores = {each["node"]: each["score"] for each in free["candidates"]}
    assert scores == {"thrifty": 10, "thirsty": 9}
    assert {each["added_watts"]["source"] for each in free["candidates"]} == {"power-profile"}
