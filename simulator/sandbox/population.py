"""What lives in a sandbox: create and count its nodes, remove its workloads, over kubectl."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from energy.errors import UnavailableError
from energy.power_profile import API_VERSION
from energy.servers import CatalogueServer
from simulator.fleet import Fleet
from simulator.sandbox.fleet_nodes import node_manifests, power_profiles

#: The definition of the PowerProfile resource, in a checkout; a wheel carries none.
PROFILE_DEFINITION = (
    Path(__file__).resolve().parents[2] / "helm/negawatt-crds/templates/powerprofile.yaml"
)
PROFILE_RESOURCE = "powerprofiles.negawatt.dev"
SYSTEM_NAMESPACES = frozenset({"default", "kube-node-lease", "kube-public", "kube-system"})
# Owners first, so that no controller makes the pods anew.
WORKLOADS = (
    "apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers",
    "apis/policy/v1/namespaces/{}/poddisruptionbudgets",
    "apis/batch/v1/namespaces/{}/cronjobs",
    "apis/batch/v1/namespaces/{}/jobs",
    "apis/apps/v1/namespaces/{}/deployments",
    "apis/apps/v1/namespaces/{}/statefulsets",
    "apis/apps/v1/namespaces/{}/daemonsets",
    "apis/apps/v1/namespaces/{}/replicasets",
    "api/v1/namespaces/{}/replicationcontrollers",
    "api/v1/namespaces/{}/pods",
)
CREATORS = 4  # kubectl sends one request after another, at most 50 a second in the long run
PATIENCE = "--request-timeout=30s"
UNCHECKED = "--validate=false"  # what we wrote ourselves needs no schema, a second's download
SETTLED_SECONDS_MAX = 180.0
POLL_SECONDS = 0.2
READY = '{range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\\n"}{end}'
PODS = '{range .items[*]}{.metadata.namespace} {.spec.nodeName}{"\\n"}{end}'


class Kubectl(Protocol):
    """Runs kubectl and gives what it printed; raises UnavailableError where it fails."""

    def __call__(self, *arguments: str, manifest: object = None) -> str:
        """Run it; `manifest` goes to its input."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """Nodes and pods that the API server has; `bound_pods` have a node."""

    nodes: int
    ready_nodes: int
    pods: int
    bound_pods: int


def census(kubectl: Kubectl) -> Census:
    """Count nodes, and pods outside kube-system.

    Raises:
        UnavailableError: the API server does not answer.
    """
    ready = _ready(kubectl)
    pods = [line.split() for line in _pods(kubectl)]
    return Census(
        nodes=len(ready),
        ready_nodes=ready.count("True"),
        pods=len(pods),
        bound_pods=sum(len(fields) > 1 for fields in pods),
    )


def create_nodes(kubectl: Kubectl, fleet: Fleet) -> None:
    """Create the nodes of a fleet and wait until all of them are ready.

    Raises:
        UnavailableError: one cannot be created, or they do not become ready.
    """
    manifests = node_manifests(fleet)
    parts = [manifests[start::CREATORS] for start in range(CREATORS) if manifests[start::CREATORS]]
    with ThreadPoolExecutor(CREATORS) as pool:
        list(pool.map(lambda part: _create(kubectl, part), parts))
    wanted = len(manifests)
    _wait(lambda: _ready(kubectl).count("True") >= wanted, f"{wanted} nodes are not ready")


def create_profiles(kubectl: Kubectl, servers: Sequence[CatalogueServer]) -> int:
    """Define the PowerProfile resource and create one per server; give how many there are now.

    Gives 0 where this installation has no definition of the resource.

    Raises:
        UnavailableError: the API server refuses one.
    """
    if not PROFILE_DEFINITION.is_file():
        return 0
    kubectl("apply", f"--filename={PROFILE_DEFINITION}", UNCHECKED)
    kubectl("wait", "--for=condition=Established", f"crd/{PROFILE_RESOURCE}", "--timeout=60s")
    kubectl("apply", "--filename=-", UNCHECKED, manifest=_list(power_profiles(servers)))
    return len(servers)


def create_workloads(kubectl: Kubectl, manifests: list[dict[str, object]]) -> None:
    """Create namespaces and what is in them, in this order.

    Raises:
        UnavailableError: the API server refuses one.
    """
    kubectl("apply", "--filename=-", UNCHECKED, manifest=_list(manifests))


def remove_workloads(kubectl: Kubectl) -> list[str]:
    """Remove what runs, and begin to remove the namespaces that are not Kubernetes' own.

    Gives those namespaces, for `wait_until_removed`: their controller takes five seconds.

    Raises:
        UnavailableError: the API server does not do it in time.
    """
    named = kubectl("get", "namespaces", "--output=name").split()
    others = sorted({name.removeprefix("namespace/") for name in named} - SYSTEM_NAMESPACES)
    emptied = ["default", *others]
    # A namespace that still holds pods when it is deleted waits for their grace periods.
    for path in WORKLOADS:
        _delete_all(kubectl, path, emptied)

    def gone() -> bool:
        left = {line.split()[0] for line in _pods(kubectl)}
        _delete_all(kubectl, WORKLOADS[-1], sorted(left))  # made meanwhile, or bound meanwhile
        return not left

    _wait(gone, "some pods do not go")
    if others:
        kubectl("delete", "namespace", *others, "--wait=false")
    return others


def wait_until_removed(kubectl: Kubectl, namespaces: Sequence[str]) -> None:
    """Wait until these namespaces are gone.

    Raises:
        UnavailableError: they do not go.
    """
    if namespaces:
        named = [f"namespace/{name}" for name in namespaces]
        kubectl("wait", "--for=delete", *named, "--timeout=120s")


def remove_nodes(kubectl: Kubectl) -> None:
    """Remove every node, and with it taints, cordons and labels that somebody put there."""
    kubectl("delete", "--raw=/api/v1/nodes")


def remove_profiles(kubectl: Kubectl) -> None:
    """Remove every PowerProfile, also those that somebody changed or added."""
    kubectl("delete", f"--raw=/apis/{API_VERSION}/{PROFILE_RESOURCE.partition('.')[0]}")


def _create(kubectl: Kubectl, manifests: list[dict[str, object]]) -> None:
    kubectl("create", "--filename=-", UNCHECKED, manifest=_list(manifests))


def _delete_all(kubectl: Kubectl, path: str, namespaces: Sequence[str]) -> None:
    for namespace in namespaces:
        kubectl("delete", f"--raw=/{path.format(namespace)}")


def _list(items: list[dict[str, object]]) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "List", "items": items}


def _ready(kubectl: Kubectl) -> list[str]:
    """Give every node's condition: True, False, Unknown, or nothing yet."""
    return kubectl("get", "nodes", PATIENCE, f"--output=jsonpath={READY}").split("\n")[:-1]


def _pods(kubectl: Kubectl) -> list[str]:
    """Give `namespace node` of every pod outside kube-system; no node while it waits."""
    printed = kubectl("get", "pods", "-A", PATIENCE, f"--output=jsonpath={PODS}")
    return [line for line in printed.splitlines() if not line.startswith("kube-system ")]


def _wait(done: Callable[[], bool], problem: str) -> None:
    deadline = time.monotonic() + SETTLED_SECONDS_MAX
    while not done():
        if time.monotonic() > deadline:
            raise UnavailableError(f"{problem} after {SETTLED_SECONDS_MAX:g} s")
        time.sleep(POLL_SECONDS)
