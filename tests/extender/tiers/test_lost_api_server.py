"""Tiers on an API server of their own: one that is killed, and one that keeps kubelets out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kubernetes.client import CoreV1Api
from lone_api_server import LoneApiServer
from tiers_stage import Clock, controller_of, until

from cluster.kube.client import KubeClient, connect
from cluster.kube.errors import ForbiddenError, KubeRequest
from cluster.kube.node_labels import NodeLabels
from cluster.kube.settings import KubeSettings
from cluster.scheduling.profile import ENERGY_TIER_LABEL
from extender.fleet import CPU_MODEL
from extender.tiers.controller import Alone
from extender.tiers.settings import read_settings
from simulator.sandbox.fake_node import fake_node
from simulator.sandbox.toolchain import Toolchain

pytestmark = pytest.mark.kube


@pytest.fixture(scope="module")
def server(
    toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LoneApiServer]:
    """Return an API server of these tests' own."""
    with LoneApiServer(toolchain, tmp_path_factory.mktemp("tiers")) as running:
        yield running


@pytest.fixture
def lone(server: LoneApiServer) -> Iterator[KubeClient]:
    """Return a client of that server."""
    client = connect(KubeSettings(kubeconfig=server.kubeconfig), environment={})
    yield client
    client.close()


@pytest.fixture(autouse=True)
def no_nodes(lone: KubeClient) -> Iterator[None]:
    """Leave no node behind."""
    yield
    CoreV1Api(lone.api).delete_collection_node()


@pytest.fixture
def kubelet(server: LoneApiServer) -> Iterator[KubeClient]:
    """Return a client of node a's kubelet, whom RBAC allows everything."""
    client = connect(KubeSettings(kubeconfig=server.kubelet_kubeconfig), environment={})
    yield client
    client.close()


def create(client: KubeClient, name: str, cpu_model: str, **labels: str) -> None:
    """Create a node whose watts the catalogue knows."""
    node = fake_node(name, cpu="64", annotations={CPU_MODEL: cpu_model}, labels=labels)
    request = KubeRequest(server=client.server, verb="create", resource="nodes", name=name)
    client.ask(CoreV1Api(client.api).create_node, request, {"body": node})


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


def test_no_kubelet_may_set_change_or_remove_the_label(
    lone: KubeClient, kubelet: KubeClient
) -> None:
    """NodeRestriction knows the key, on the kubelet's own node too, which it may change else."""
    tier = {ENERGY_TIER_LABEL: "0"}
    refused = r"is not allowed to .*node-restriction\.kubernetes\.io/energy-tier"
    with pytest.raises(ForbiddenError, match=refused):
        create(kubelet, "a", "AMD EPYC 7742", **tier)
    create(kubelet, "a", "AMD EPYC 7742", **{"kubernetes.io/os": "linux"})
    with pytest.raises(ForbiddenError, match=refused):
        NodeLabels(kubelet).set("a", 0)

    assert NodeLabels(lone).set("a", 5).value == "5"
    with pytest.raises(ForbiddenError, match=refused):
        NodeLabels(kubelet).set("a", 0, force=True)
    with pytest.raises(ForbiddenError, match=refused):
        NodeLabels(kubelet).remove("a", force=True)
    assert NodeLabels(lone).read("a").value == "5"
