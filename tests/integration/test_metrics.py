"""The optional parts of the control plane: metrics-server and Prometheus read KWOK's usage."""

from __future__ import annotations

import json
import time
import urllib.request

import pytest

from energy.errors import UnavailableError
from simulator.sandbox.control_plane import ControlPlane

METRICS_SECONDS_MAX = 200  # metrics-server shows a pod after two readings


def used_nanocores(plane: ControlPlane) -> int | None:
    """Give the pod's usage as metrics.k8s.io has it; None while it has none."""
    path = "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods/busy"
    try:
        answer = json.loads(plane.kubectl("get", "--raw", path))
    except UnavailableError:
        return None
    return int(answer["containers"][0]["usage"]["cpu"].removesuffix("n"))


def targets_up(plane: ControlPlane) -> dict[str, str]:
    """Give job -> value of Prometheus' `up`."""
    url = f"http://127.0.0.1:{plane.ports['prometheusPort']}/api/v1/query?query=up"
    with urllib.request.urlopen(url) as answer:
        results = json.load(answer)["data"]["result"]
    return {result["metric"]["job"]: result["value"][1] for result in results}


@pytest.mark.prometheus
@pytest.mark.slow
def test_metrics_server_and_prometheus_read_the_fake_node(measured_plane: ControlPlane) -> None:
    """The usage of a pod's annotation arrives in metrics.k8s.io, and every component is scraped."""
    deadline = time.monotonic() + METRICS_SECONDS_MAX
    while (nanocores := used_nanocores(measured_plane)) is None and time.monotonic() < deadline:
        time.sleep(1)

    assert nanocores == pytest.approx(450e6, rel=0.05)
    found = targets_up(measured_plane)
    found.pop("kwok-controller-metrics-discovery", None)  # nodes that another test of it made
    assert found == {
        "etcd": "1",
        "kube-apiserver": "1",
        "kube-controller-manager": "1",
        "kube-scheduler": "1",
        "kwok-controller": "1",
        "metrics-server": "1",
        "prometheus": "1",
    }
