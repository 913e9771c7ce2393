"""The objects of a trial: a fleet's nodes, a stream's pods, and what is told to an extender."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from cluster.model import Node, Pod
from energy.profile import NodePowerProfile
from simulator.fleet import Fleet
from simulator.pod_file import BYTES_PER_MEBIBYTE
from simulator.sandbox.fake_node import fake_node
from simulator.sandbox.fleet_nodes import SERVER_LABEL, power_profile

DEMAND_COLUMNS = "cpu_millicores,memory_mebibytes,count"
BYTES_PER_KIBIBYTE = 1024


def node_manifest(node: Node, profile: NodePowerProfile) -> dict[str, object]:
    """A node that KWOK plays: the model's size and labels, and the server's name as a label."""
    return fake_node(
        node.name,
        cpu=f"{node.allocatable.cpu_millicores}m",
        memory=f"{node.allocatable.memory_bytes // BYTES_PER_KIBIBYTE}Ki",
        pods=node.pods_max,
        labels={**node.labels, SERVER_LABEL: profile.name},
    )


def pod_manifest(pod: Pod, scheduler_name: str, namespace: str) -> dict[str, object]:
    """A pod that requests what the model's does and stays."""
    requests = {
        "cpu": f"{pod.requests.cpu_millicores}m",
        "memory": f"{pod.requests.memory_bytes // BYTES_PER_KIBIBYTE}Ki",
    }
    container = {"name": "main", "image": "none", "resources": {"requests": requests}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": pod.name, "namespace": namespace},
        "spec": {"schedulerName": scheduler_name, "containers": [container]},
    }


def write_power_profiles(path: Path, fleet: Fleet) -> None:
    """Write a PowerProfile for each kind of server of the fleet, chosen by the server's label."""
    kinds = {profile.name: profile for profile in fleet.profiles}
    documents = [power_profile(profile) for profile in kinds.values()]
    path.write_text("\n---\n".join(map(json.dumps, documents)), encoding="utf-8")


def write_expected_demand(path: Path, pods: Sequence[Pod]) -> None:
    """Write the mix and the total of these pods, as the extender's `expected_demand` reads it."""
    counts = Counter(
        (pod.requests.cpu_millicores, pod.requests.memory_bytes // BYTES_PER_MEBIBYTE)
        for pod in pods
    )
    rows = [f"{cpu},{memory},{count}" for (cpu, memory), count in sorted(counts.items())]
    path.write_text("\n".join((DEMAND_COLUMNS, *rows)) + "\n", encoding="utf-8")
