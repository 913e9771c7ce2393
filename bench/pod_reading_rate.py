"""Pods read per second from the API's JSON, one core: our reader beside the client's models.

    .venv/bin/python bench/pod_reading_rate.py

A pod as a Deployment makes it, bound and running, with what a real server adds. The ratio is to the
official client's V1Pod, measured in the same run; both begin at the text that the server sent.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from kubernetes.client import ApiClient
from rich.console import Console
from rich.table import Table

from cluster.kube.convert import read_pod

PODS = 2000
ROUNDS = 5
REQUESTS = {"cpu": "250m", "memory": "512Mi"}
UNREACHABLE = ("not-ready", "unreachable")
POD = {
    "metadata": {
        "name": "web-7c9d8-x2x4z",
        "namespace": "shop",
        "labels": {"app": "web", "pod-template-hash": "7c9d8"},
        "ownerReferences": [
            {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "name": "web-7c9d8",
                "uid": "0",
                "controller": True,
            }
        ],
        "managedFields": [{"manager": "kubelet", "fieldsV1": {"f:status": {"f:phase": {}}}}],
    },
    "spec": {
        "nodeName": "node-1",
        "priority": 0,
        "schedulerName": "default-scheduler",
        "tolerations": [
            {"key": f"node.kubernetes.io/{why}", "operator": "Exists", "effect": "NoExecute"}
            for why in UNREACHABLE
        ],
        "containers": [
            {
                "name": "web",
                "image": "web:1",
                "resources": {"requests": REQUESTS, "limits": {"cpu": "1"}},
                "ports": [{"containerPort": 80, "protocol": "TCP"}],
            }
        ],
    },
    "status": {
        "phase": "Running",
        "conditions": [
            {"type": kind, "status": "True"}
            for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
        ],
        "containerStatuses": [
            {
                "name": "web",
                "image": "web:1",
                "imageID": "",
                "ready": True,
                "restartCount": 0,
                "resources": {"requests": REQUESTS},
                "allocatedResources": REQUESTS,
            }
        ],
    },
}


def rate(read: Callable[[str], object]) -> float:
    """Pods a second, the best of the rounds."""
    text = json.dumps(POD)
    best = 0.0
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(PODS):
            read(text)
        best = max(best, PODS / (time.perf_counter() - began))
    return best


def main() -> None:
    """Print the table."""
    api = ApiClient()
    theirs = rate(lambda text: api.deserialize(text, "V1Pod", "application/json"))
    ours = rate(lambda text: read_pod(json.loads(text)))
    table = Table("reader", "pods/s", "ratio")
    table.add_row("kubernetes V1Pod", f"{theirs:,.0f}", "1.00")
    table.add_row("cluster.kube.convert", f"{ours:,.0f}", f"{ours / theirs:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
