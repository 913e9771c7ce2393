"""An HTTP server that lists so many nodes and pods as an API server would, and never changes.

    .venv/bin/python bench/listing_server.py NODES PODS

A part of bench/extender_memory.py: a real API server takes an hour to be filled with 100,000 pods.
Objects look like those of a cluster in use: owners, probes, volumes, managed fields, some 5 kB a
pod. Watches are accepted and stay silent. It prints `listening on http://127.0.0.1:PORT`.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

PODS_PER_WORKLOAD = 20
NAMESPACES = 50
SHAPES = ((100, 128), (250, 256), (500, 1024), (1000, 2048), (2000, 4096), (250, 2048))
FOR_EVER = threading.Event()
Json = dict[str, Any]


def namespace(number: int) -> Json:
    """One namespace."""
    return {"metadata": {"name": f"team-{number}", "resourceVersion": "1", "labels": {"a": "b"}}}


def node(number: int) -> Json:
    """One node with the conditions and images of a real one."""
    name = f"node-{number:05d}"
    sizes = {"cpu": "64", "memory": "256Gi", "pods": "250", "ephemeral-storage": "200Gi"}
    conditions = [
        {"type": kind, "status": "False", "lastHeartbeatTime": "2026-01-01T00:00:00Z"}
        for kind in ("MemoryPressure", "DiskPressure", "PIDPressure")
    ]
    return {
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "resourceVersion": str(number + 2),
            "labels": {
                "kubernetes.io/hostname": name,
                "topology.kubernetes.io/zone": f"zone-{number % 3}",
                "node.kubernetes.io/instance-type": f"kind-{number % 8}",
            },
        },
        "spec": {"podCIDR": "10.0.0.0/24", "providerID": f"metal://{name}"},
        "status": {
            "allocatable": sizes,
            "capacity": sizes,
            "conditions": [*conditions, {"type": "Ready", "status": "True"}],
            "images": [
                {"names": [f"registry.example/app-{image}:1"], "sizeBytes": 100_000_000}
                for image in range(20)
            ],
        },
    }


def pod(number: int, nodes: int) -> Json:
    """One running pod of a Deployment."""
    workload = number // PODS_PER_WORKLOAD
    name = f"app-{workload}-{number:07d}"
    cpu, memory = SHAPES[workload % len(SHAPES)]
    fields = {f"f:field-{field}": {"f:inner": {}, "f:other": {}} for field in range(40)}
    return {
        "metadata": {
            "name": name,
            "namespace": f"team-{workload % NAMESPACES}",
            "uid": f"00000000-0000-0000-0000-{number:012d}",
            "resourceVersion": str(number + 2),
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app": f"app-{workload}", "pod-template-hash": f"{workload:010d}"},
            "annotations": {"example.com/config": "c" * 64},
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "name": f"app-{workload}",
                    "uid": f"owner-{workload}",
                    "controller": True,
                }
            ],
            "managedFields": [{"manager": "kube-controller-manager", "fieldsV1": fields}],
        },
        "spec": {
            "nodeName": f"node-{number % nodes:05d}",
            "schedulerName": "default-scheduler",
            "containers": [
                {
                    "name": "main",
                    "image": f"registry.example/app-{workload}:1",
                    "resources": {"requests": {"cpu": f"{cpu}m", "memory": f"{memory}Mi"}},
                    "env": [{"name": f"V{index}", "value": "x" * 20} for index in range(10)],
                    "livenessProbe": {"httpGet": {"path": "/healthz", "port": 80}},
                    "volumeMounts": [{"name": "token", "mountPath": "/var/run/secrets"}],
                }
            ],
            "volumes": [{"name": "token", "projected": {"sources": []}}],
            "tolerations": [
                {"key": f"node.kubernetes.io/{kind}", "operator": "Exists", "effect": "NoExecute"}
                for kind in ("not-ready", "unreachable")
            ],
        },
        "status": {
            "phase": "Running",
            "podIP": "10.0.0.1",
            "conditions": [{"type": "PodScheduled", "status": "True"}],
            "containerStatuses": [{"name": "main", "ready": True, "restartCount": 0}],
        },
    }


class Listing:
    """What is there, by the path of its list."""

    def __init__(self, nodes: int, pods: int) -> None:
        self._kinds: dict[str, tuple[int, Callable[[int], Json]]] = {
            "/api/v1/nodes": (nodes, node),
            "/api/v1/pods": (pods, lambda number: pod(number, nodes)),
            "/api/v1/namespaces": (NAMESPACES, namespace),
        }

    def page(self, path: str, query: dict[str, list[str]]) -> bytes | None:
        """One page of a list; None where there is no such list."""
        if path not in self._kinds:
            return None
        count, make = self._kinds[path]
        start = int(query.get("continue", ["0"])[0])
        end = min(count, start + int(query.get("limit", [str(count)])[0]))
        told = {"resourceVersion": str(count + 2), "continue": str(end) if end < count else ""}
        return json.dumps(
            {"metadata": told, "items": [make(number) for number in range(start, end)]}
        ).encode()


def serve(listing: Listing) -> None:
    """Answer until ended."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_GET(self) -> None:  # the library's name
            parts = urlsplit(self.path)
            query = parse_qs(parts.query)
            if "watch" in query:
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.wfile.flush()
                FOR_EVER.wait()
            body = listing.page(parts.path, query)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        print(f"listening on http://127.0.0.1:{server.server_address[1]}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    serve(Listing(int(sys.argv[1]), int(sys.argv[2])))
