"""Create pods on an API server at a steady rate and bind each half a second later.

    .venv/bin/python bench/bind_feed.py KUBECONFIG NODES PODS_PER_SECOND

Each pod that was created is printed as a line of JSON, as the API server answered. Runs until its
standard input is closed. A part of bench/extender_latency.py, in a process of its own so that it
does not slow down what measures.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cluster.kube.client import KubeClient, connect
from cluster.kube.settings import KubeSettings

NAMESPACE = "trial"
PODS_PATH = f"/api/v1/namespaces/{NAMESPACE}/pods"
BIND_AFTER_SECONDS = 0.5
# Pods of a few shapes, small enough that thousands fit.
SHAPES = ((100, 128), (250, 256), (500, 1024), (100, 512))
_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}


def freely(kubeconfig: Path) -> KubeClient:
    """A client that is not held back."""
    return connect(
        KubeSettings(
            kubeconfig=kubeconfig, requests_per_second_max=1e6, requests_burst_max=1_000_000
        )
    )


class Feed:
    """Creates and binds."""

    def __init__(self, client: KubeClient, nodes: int) -> None:
        self._client, self._nodes = client, nodes
        self._lock = threading.Lock()

    def pod(self, number: int) -> None:
        """One pod's life."""
        cpu, memory = SHAPES[number % len(SHAPES)]
        name = f"feed-{number:06d}"
        requests = {"cpu": f"{cpu}m", "memory": f"{memory}Mi"}
        container = {"name": "main", "image": "none", "resources": {"requests": requests}}
        made = self._post(
            PODS_PATH,
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": "feed"}},
                "spec": {"schedulerName": "negawatt", "containers": [container]},
            },
        )
        with self._lock:
            sys.stdout.write(json.dumps(made) + "\n")
            sys.stdout.flush()
        time.sleep(BIND_AFTER_SECONDS)
        target = {"apiVersion": "v1", "kind": "Node", "name": node_name(number % self._nodes)}
        self._post(
            f"{PODS_PATH}/{name}/binding",
            {
                "apiVersion": "v1",
                "kind": "Binding",
                "metadata": {"name": name, "namespace": NAMESPACE},
                "target": target,
            },
        )

    def _post(self, path: str, body: dict[str, object]) -> dict[str, object]:
        answer = self._client.api.call_api(
            "POST", self._client.server + path, dict(_HEADERS), body=body
        )
        made: dict[str, object] = json.loads(answer.read())
        return made


def node_name(number: int) -> str:
    """As simulated fleets name their nodes."""
    return f"node-{number:04d}"


def main() -> None:
    """Feed until told to stop."""
    kubeconfig, nodes, per_second = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    feed = Feed(freely(kubeconfig), nodes)
    begin, number = time.monotonic(), 0
    with ThreadPoolExecutor(max(8, int(2 * per_second))) as pool:
        while not stop.is_set():
            pool.submit(feed.pod, number)
            number += 1
            stop.wait(max(0.0, begin + number / per_second - time.monotonic()))


if __name__ == "__main__":
    main()
