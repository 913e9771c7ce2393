"""What the sandbox's Prometheus scrapes: meter, fake nodes, control plane, and an extender."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from simulator.sandbox.ports import LOOPBACK

METER_SECONDS = 2
DEFAULT_SECONDS = 5
EXTENDER_PORT = 10380  # `negawatt extender run` listens there unless told otherwise
#: The fake nodes' kubelets, by the name that kube-prometheus gives to real ones.
NODES_JOB, METER_JOB, EXTENDER_JOB = "kubelet", "kepler", "negawatt-extender"
SERVED_BY_CONTROL_PLANE = {
    "kube-apiserver": "kubeApiserverPort",
    "kube-controller-manager": "kubeControllerManagerPort",
    "kube-scheduler": "kubeSchedulerPort",
}


def prometheus_configuration(ports: Mapping[str, int], *, certificates: Path) -> str:
    """Write the configuration, YAML; `certificates` is the folder of the control plane's keys.

    The meter stands for the exporters of all nodes, so its own labels are kept (`honor_labels`).
    A fake node's metrics carry its name as `node` and `instance`.
    """
    document = {
        "global": {"scrape_interval": f"{DEFAULT_SECONDS}s", "evaluation_interval": "15s"},
        "scrape_configs": [
            {
                "job_name": METER_JOB,
                "scrape_interval": f"{METER_SECONDS}s",
                "scrape_timeout": f"{METER_SECONDS}s",
                "honor_labels": True,
                **_target(ports["powerMeterPort"]),
            },
            _fake_nodes(ports["kwokControllerPort"]),
            *(
                _control_plane(job, ports[port], certificates)
                for job, port in SERVED_BY_CONTROL_PLANE.items()
            ),
            {"job_name": EXTENDER_JOB, "scrape_timeout": "2s", **_target(EXTENDER_PORT)},
        ],
    }
    text: str = yaml.safe_dump(document, sort_keys=False)
    return text


def _target(port: int) -> dict[str, object]:
    return {"static_configs": [{"targets": [f"{LOOPBACK}:{port}"]}]}


def _fake_nodes(port: int) -> dict[str, object]:
    name = r"/metrics/nodes/([^/]+)/metrics/resource"
    named = {"source_labels": ["__metrics_path__"], "regex": name, "replacement": "$1"}
    return {
        "job_name": NODES_JOB,
        "http_sd_configs": [
            {
                "url": f"http://{LOOPBACK}:{port}/discovery/prometheus",
                "refresh_interval": f"{DEFAULT_SECONDS}s",
            }
        ],
        "relabel_configs": [
            {**named, "target_label": "node"},
            {**named, "target_label": "instance"},
            {"regex": "metrics_name", "action": "labeldrop"},
        ],
    }


def _control_plane(job: str, port: int, certificates: Path) -> dict[str, object]:
    return {
        "job_name": job,
        "scheme": "https",
        "tls_config": {
            "ca_file": str(certificates / "ca.crt"),
            "cert_file": str(certificates / "admin.crt"),
            "key_file": str(certificates / "admin.key"),
            "insecure_skip_verify": True,  # scheduler and controller-manager sign for themselves
        },
        **_target(port),
    }
