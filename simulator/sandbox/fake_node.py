"""The manifest of a node that KWOK plays."""

from __future__ import annotations

from collections.abc import Mapping


def fake_node(
    name: str,
    *,
    cpu: str = "8",
    memory: str = "32Gi",
    pods: int = 110,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> dict[str, object]:
    """Describe a node for KWOK to keep ready and to run pods on; quantities as Kubernetes has them.

    The address is set here because KWOK's own choice may lie outside loopback, and metrics-server
    would send its requests there. The metrics path is where KWOK serves the node's usage.
    """
    resources = {"cpu": cpu, "memory": memory, "pods": str(pods)}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {"kubernetes.io/hostname": name, "type": "kwok", **(labels or {})},
            "annotations": {
                "kwok.x-k8s.io/node": "fake",
                "metrics.k8s.io/resource-metrics-path": f"/metrics/nodes/{name}/metrics/resource",
                **(annotations or {}),
            },
        },
        "status": {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "allocatable": resources,
            "capacity": resources,
        },
    }
