"""The controller whose API server is killed: it says so, and goes on where it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes.client import CoreV1Api
from lone_api_server import LoneApiServer
from tiers_stage import Clock, controller_of, until

from cluster.kube.client import KubeClient, connect
from cluster.kube.node_labels import NodeLabels
from cluster.kube.settings import KubeSettings
from extender.fleet import CPU_MODEL
from extender.tiers.controller import Alone
from extender.tiers.settings import read_settings
from simulator.sandbox.fake_node import fake_node
from simulator.sandbox.toolchain import Toolchain

pytestmark = pytest.mark.kube


@pytest.fixture
def server(toolchain: Toolchain, tmp_path: Path) -> Iterator[LoneApiServer]:
    """Return an API server of this test's own."""
    with LoneApiServer(toolchain, tmp_path) as running:
        yield running


@pytest.fixture
def lone(server: LoneApiServer) -> Iterator[KubeClient]:
    """Return a client of that server."""
    client = connect(KubeSettings(kubeconfig=server.kubeconfig), environment={})
    yield client
    client.close()


def create(client: KubeClient, name: str, cpu_model: str) -> None:
    """Create a node whose watts the catalogue knows."""
    node = fake_node(name, cpu="64", annotations={CPU_MODEL: cpu_model})
    CoreV1Api(client.api).create_node(node)


def test_it_changes_nothing_while_the_server_is_away_and_goes_on_afterwards(
    server: LoneApiServer, lone: KubeClient
) -> None:
    """A node that joins then is labelled as ever, one that has a label keeps it."""
    create(lone, "a", "AMD EPYC 7742")
    settings = read_settings({"mode": "act"}, environ={})

    def labels() -> dict[str, str | None]:
        return {label.node: label.value for label in NodeLabels(lone).read_all()}

    with controller_of(settings, lone, Clock(), Alone(), lambda *_: None) as controller:
        until(lambda: labels() == {"a": "0"}, "no label")
        assert controller.readiness().ready

        server.kill()
        until(lambda: not controller.readiness().ready, "nothing said")
        assert "check that the API server runs" in str(controller.readiness().lines)
        assert controller.figures().troubles

        server.start()
        create(lone, "b", "AMD EPYC 7702P")
        until(lambda: labels() == {"a": "0", "b": "1"}, "not gone on")
        until(lambda: controller.readiness().ready, "not ready again")
        assert not controller.hangs()
    results = controller.figures().results
    assert (results["set"], results["changed"]) == (2, 0)
