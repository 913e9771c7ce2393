"""A running kube-scheduler places mixed pods one by one; each choice must be one of our best.

State-forced replay: before each decision our table holds what the real scheduler decided so far,
so that one disagreement is one failure and does not hide or cause others.
"""

from __future__ import annotations

import gzip
import json
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kube_objects import node_of, pod_of

from cluster.model import Pod
from cluster.scheduling.feasibility import feasible
from cluster.scheduling.node_order import node_order
from cluster.scheduling.profile import SchedulerProfile
from cluster.scheduling.scheduler import total_scores, why_pending
from cluster.scheduling.table import NodeTable
from simulator.sandbox.control_plane import ControlPlane
from simulator.sandbox.fake_node import fake_node

GOLDEN = Path(__file__).parents[1] / "golden" / "decisions.jsonl.gz"
PODS = 200
WAIT_SECONDS = 60.0
POLL_SECONDS = 0.02
NAMESPACES = {"oracle-shop": {"team": "a"}, "oracle-lab": {"team": "b"}}

Json = Mapping[str, Any]


class RealCluster:
    """Nodes and pods of a control plane, through the official client, as plain JSON."""

    def __init__(self, kubeconfig: Path) -> None:
        from kubernetes import client, config

        api = config.new_client_from_config(str(kubeconfig))
        self._core = client.CoreV1Api(api)
        self._json = api.sanitize_for_serialization

    def create_node(self, manifest: object) -> None:
        """Create a node."""
        self._core.create_node(manifest)

    def create_namespace(self, name: str, labels: Mapping[str, str]) -> None:
        """Create a namespace and wait until pods can be created in it."""
        self._core.create_namespace({"metadata": {"name": name, "labels": dict(labels)}})
        self._until(lambda: self._core.list_namespaced_service_account(name).items)

    def nodes(self) -> list[Json]:
        """Give all nodes in the order in which they were created."""
        listed = self._core.list_node().items
        listed.sort(key=lambda node: (node.metadata.creation_timestamp, node.metadata.name))
        return [self._json(node) for node in listed]

    def wait_for_nodes(self) -> None:
        """Wait until KWOK has made every node ready and the controllers' taints have settled."""
        self._until(lambda: all(map(_settled, self.nodes())))

    def namespaces(self) -> dict[str, dict[str, str]]:
        """Give the labels of all namespaces."""
        listed = self._core.list_namespace().items
        return {each.metadata.name: each.metadata.labels or {} for each in listed}

    def placed(self) -> list[Json]:
        """Give all pods that have a node."""
        listed = self._core.list_pod_for_all_namespaces(field_selector="spec.nodeName!=").items
        return [self._json(pod) for pod in listed]

    def schedule(self, manifest: Json) -> Json:
        """Create a pod and give it back when it has a node or is known to have none."""
        name, namespace = manifest["metadata"]["name"], manifest["metadata"]["namespace"]
        self._core.create_namespaced_pod(namespace, manifest)

        def decided() -> Json | None:
            pod: Json = self._json(self._core.read_namespaced_pod(name, namespace))
            return pod if pod["spec"].get("nodeName") or pending_message(pod) else None

        pod: Json = self._until(decided)
        return pod

    def delete(self, pod: Json) -> None:
        """Delete a pod at once."""
        metadata = pod["metadata"]
        self._core.delete_namespaced_pod(
            metadata["name"], metadata["namespace"], grace_period_seconds=0
        )

    def clean_up(self, nodes: list[str]) -> None:
        """Remove what the test made."""
        for namespace in NAMESPACES:
            self._core.delete_collection_namespaced_pod(namespace, grace_period_seconds=0)
            self._core.delete_namespace(namespace)
        for node in nodes:
            self._core.delete_node(node)
        self._until(lambda: not NAMESPACES.keys() & self.namespaces().keys())

    @staticmethod
    def _until(condition: Any) -> Any:
        deadline = time.monotonic() + WAIT_SECONDS
        while not (found := condition()):
            assert time.monotonic() < deadline, "the control plane did not get there"
            time.sleep(POLL_SECONDS)
        return found


def pending_message(pod: Json) -> str:
    """Give the scheduler's sentence on why the pod has no node, if it said so."""
    for condition in pod["status"].get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition.get("reason") == "Unschedulable":
            return str(condition["message"])
    return ""


def _settled(node: Json) -> bool:
    conditions = {each["type"]: each["status"] for each in node["status"].get("conditions") or ()}
    taints = {taint["key"] for taint in node["spec"].get("taints") or ()}
    cordoned = "node.kubernetes.io/unschedulable" in taints
    return (
        conditions.get("Ready") == "True"
        and "node.kubernetes.io/not-ready" not in taints
        and cordoned == bool(node["spec"].get("unschedulable"))
    )


def recorded() -> list[dict[str, Any]]:
    """Give the golden clusters, with names that belong to this test alone."""
    with gzip.open(GOLDEN, "rt", encoding="utf-8") as lines:
        text = lines.read()
    text = re.sub(r'"(n\d+|shop|lab)"', r'"oracle-\1"', text)
    return [json.loads(line) for line in text.splitlines()]


def node_manifest(node: Json) -> dict[str, Any]:
    """Give a node that KWOK keeps ready."""
    manifest: dict[str, Any] = fake_node(node["metadata"]["name"])
    manifest["metadata"]["labels"] = node["metadata"].get("labels", {})
    manifest["spec"] = node["spec"]
    sizes = node["status"]["allocatable"]
    manifest["status"] |= {"allocatable": sizes, "capacity": sizes}
    return manifest


def pod_manifest(pod: Json, name: str) -> dict[str, Any]:
    """Give a pod that the API server takes: it is stricter than the scheduler."""
    spec = json.loads(json.dumps(pod["spec"]))
    spec.pop("overhead", None)  # needs a RuntimeClass
    spec.pop("resources", None)  # must be at least the sum of the containers
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        container["image"] = "none"
        requests = container["resources"].get("requests", {})
        if "example.com/gpu" in requests:  # extended resources cannot be overcommitted
            container["resources"]["limits"] = {"example.com/gpu": requests["example.com/gpu"]}
    constraints = spec.pop("topologySpreadConstraints", [])
    distinct = {(each["topologyKey"], each["whenUnsatisfiable"]): each for each in constraints}
    spec["topologySpreadConstraints"] = list(distinct.values())
    metadata = {key: pod["metadata"].get(key) for key in ("namespace", "labels")}
    return {"metadata": {"name": name, **metadata}, "spec": spec}


@pytest.fixture
def real(control_plane: ControlPlane) -> Iterator[RealCluster]:
    """Give a cluster of one golden table's nodes."""
    nodes = [*recorded()[3]["nodes"], *_renamed(recorded()[7]["nodes"])]
    cluster = RealCluster(control_plane.kubeconfig)
    for name, labels in NAMESPACES.items():
        cluster.create_namespace(name, labels)
    for node in nodes:
        cluster.create_node(node_manifest(node))
    cluster.wait_for_nodes()
    yield cluster
    cluster.clean_up([node["metadata"]["name"] for node in nodes])


def _renamed(nodes: list[dict[str, Any]]) -> list[Any]:
    return json.loads(re.sub(r'"oracle-(n\d+)"', r'"oracle-more-\1"', json.dumps(nodes)))  # type: ignore[no-any-return]  # a list goes in


def best_rows(table: NodeTable, pod: Pod) -> set[int]:
    """Give the rows with the highest total of the default profile."""
    candidates = np.flatnonzero(feasible(table, pod))
    if len(candidates) == 0:
        return set()
    totals = total_scores(table, pod, SchedulerProfile.default(), candidates, len(candidates))
    return set(candidates[totals == totals.max()].tolist())


@pytest.mark.slow
def test_every_choice_of_the_running_scheduler_is_among_our_best(real: RealCluster) -> None:
    """200 mixed pods: each chosen node is one of our best, each pending pod is one we refuse."""
    table = NodeTable.of(node_order(map(node_of, real.nodes())), real.namespaces())
    for placed in real.placed():
        table.assign(pod_of(placed), table.index_of[placed["spec"]["nodeName"]])
    wanted = [d["pod"] for cluster in recorded()[:24] for d in cluster["decisions"]]
    pending = 0
    for number, golden in enumerate(wanted[:: len(wanted) // PODS][:PODS]):
        bound = real.schedule(pod_manifest(golden, f"pod-{number}"))
        pod = pod_of(bound)
        chosen = bound["spec"].get("nodeName")
        if chosen is None:
            pending += 1
            told = pending_message(bound)
            expected = why_pending(table, pod, SchedulerProfile.default())
            assert expected, (told, pod)
            assert told.startswith(expected), pod
            real.delete(bound)
            continue
        best = {table.nodes[row].name for row in best_rows(table, pod)}
        assert chosen in best, pod
        table.assign(pod, table.index_of[chosen])
    assert 0 < pending < PODS / 2
