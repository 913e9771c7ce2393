"""Ask a running sandbox: its meter, its Prometheus, its API server; and pods to put on it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from urllib.parse import urlencode
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from simulator.sandbox.fleet_nodes import SERVER_LABEL
from simulator.sandbox.sandbox import Sandbox

SETTLED_SECONDS_MAX = 120.0


def pod(name: str, node: str | None, **more: object) -> dict[str, object]:
    """Describe a pod that uses two cores, on this node if one is named."""
    selector = {"nodeSelector": {"kubernetes.io/hostname": node}} if node else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "default",
            "annotations": {"kwok.x-k8s.io/usage-cpu": "2"},
        },
        "spec": {"containers": [{"name": "c", "image": "none"}], **selector, **more},
    }


def eventually(look: Callable[[], object], expected: object) -> None:
    """Wait until `look` gives what is expected; say what it gave last."""
    deadline = time.monotonic() + SETTLED_SECONDS_MAX
    while (found := look()) != expected and time.monotonic() < deadline:
        time.sleep(0.2)
    assert found == expected


def page_of(url: str) -> str:
    """Fetch a page of the sandbox."""
    with urlopen(url) as answer:  # noqa: S310 - its scheme is ours
        return str(answer.read().decode())


def metered(sandbox: Sandbox, metric: str, **labels: str) -> list[float]:
    """Read the meter's samples with these labels."""
    page = page_of(f"{sandbox.urls['power_meter']}/metrics")
    return [
        sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == metric and labels.items() <= sample.labels.items()
    ]


def asked(sandbox: Sandbox, query: str) -> list[float]:
    """Ask the sandbox's Prometheus."""
    url = f"{sandbox.urls['prometheus']}/api/v1/query?{urlencode({'query': query})}"
    return [float(one["value"][1]) for one in json.loads(page_of(url))["data"]["result"]]


def server_of(sandbox: Sandbox, node: str) -> str:
    """Give the kind of server that a node is, as the API server has it."""
    labels = json.loads(sandbox.kubectl("get", "node", node, "--output=json"))["metadata"]["labels"]
    return str(labels[SERVER_LABEL])
