"""What the sandbox's Prometheus scrapes: meter, fake nodes, control plane, and our services."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import yaml

from simulator.sandbox import forecast_names as names
from simulator.sandbox.ports import LOOPBACK

METER_SECONDS = 2
DEFAULT_SECONDS = 5
#: Up to so many nodes each is scraped so often; each is a request to KWOK, and the meter's page
#: grows with all of them.
NODE_SECONDS = ((200, 5), (1000, 15), (5000, 60))
LARGE_NODES, LARGE_METER_SECONDS = 1000, 10
#: Below Prometheus' folder: whoever writes a file there is scraped as well.
TARGETS = "targets"
EXTENDER_PORT = 10380  # `negawatt extender run` listens there unless told otherwise
#: The fake nodes' kubelets, by the name that kube-prometheus gives to real ones.
NODES_JOB, METER_JOB, EXTENDER_JOB = "kubelet", "kepler", "negawatt-extender"
TIERS_JOB = "negawatt-tiers"
BRIDGE_JOB, FORECASTER_JOB = "negawatt-telemetry-bridge", "negawatt-forecaster"
SERVED_BY_CONTROL_PLANE = {
    "kube-apiserver": "kubeApiserverPort",
    "kube-controller-manager": "kubeControllerManagerPort",
    "kube-scheduler": "kubeSchedulerPort",
}


def prometheus_configuration(
    ports: Mapping[str, int], *, certificates: Path, node_count: int
) -> str:
    """Write the configuration, YAML; `certificates` is the folder of the control plane's keys.

    The meter stands for the exporters of all nodes, so its own labels are kept (`honor_labels`).
    A fake node's metrics carry its name as `node` and `instance`. Further targets are read from
    the files in `TARGETS` beside the configuration.
    """
    meter_seconds = METER_SECONDS if node_count <= LARGE_NODES else LARGE_METER_SECONDS
    extender = ports.get("extenderPort", EXTENDER_PORT)
    document = {
        "global": {"scrape_interval": f"{DEFAULT_SECONDS}s", "evaluation_interval": "15s"},
        "scrape_configs": [
            {
                "job_name": METER_JOB,
                "scrape_interval": f"{meter_seconds}s",
                "scrape_timeout": f"{meter_seconds}s",
                "honor_labels": True,
                **_target(ports["powerMeterPort"]),
            },
            _fake_nodes(
                ports["kwokControllerPort"], node_count, replayed="trafficReplayPort" in ports
            ),
            *(
                _control_plane(job, ports[port], certificates)
                for job, port in SERVED_BY_CONTROL_PLANE.items()
            ),
            {"job_name": EXTENDER_JOB, "scrape_timeout": "2s", **_target(extender)},
            *(
                [{"job_name": TIERS_JOB, **_target(ports["tiersPort"])}]
                if "tiersPort" in ports
                else []
            ),
            *_forecast(ports),
            {
                "job_name": "others",
                "scrape_interval": "1s",
                "scrape_timeout": "1s",
                "file_sd_configs": [{"files": [f"{TARGETS}/*.json"]}],
            },
        ],
    }
    text: str = yaml.safe_dump(document, sort_keys=False)
    return text


def _target(port: int, **labels: str) -> dict[str, object]:
    return {
        "static_configs": [
            {"targets": [f"{LOOPBACK}:{port}"], **({"labels": labels} if labels else {})}
        ]
    }


def further_target(job: str, port: int) -> str:
    """Write a file for `TARGETS`: scrape this port of loopback each second, under that job."""
    return json.dumps([{"targets": [f"{LOOPBACK}:{port}"], "labels": {"job": job}}])


def lookback_seconds(node_count: int) -> int:
    """For how long a series may end before it is missed, where the past's pods must not linger."""
    return max(names.PAST_STEP_SECONDS, 2 * _node_seconds(node_count)) + 1


def _node_seconds(node_count: int) -> int:
    return next(each for most, each in NODE_SECONDS if node_count <= most)


def _forecast(ports: Mapping[str, int]) -> list[dict[str, object]]:
    """The replayed traffic, under the labels that its past has, and what forecasts it.

    Series of workloads carry their namespace: `honor_labels`.
    """
    if "trafficReplayPort" not in ports:
        return []
    replay = _target(ports["trafficReplayPort"], instance=names.INSTANCE)
    ours = {BRIDGE_JOB: "bridgePort", FORECASTER_JOB: "forecasterPort"}
    return [
        {"job_name": names.JOB, "honor_labels": True, **replay},
        *(
            {"job_name": job, "honor_labels": True, **_target(ports[port])}
            for job, port in ours.items()
        ),
    ]


def _fake_nodes(port: int, node_count: int, *, replayed: bool) -> dict[str, object]:
    seconds = _node_seconds(node_count)
    # KWOK's containers use what an annotation says; the replay knows what the traffic takes.
    pods = {"source_labels": ["__name__", "namespace"], "regex": names.REPLAYED_CONTAINERS}
    name = r"/metrics/nodes/([^/]+)/metrics/resource"
    named = {"source_labels": ["__metrics_path__"], "regex": name, "replacement": "$1"}
    return {
        "job_name": NODES_JOB,
        "scrape_interval": f"{seconds}s",
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
        **({"metric_relabel_configs": [{**pods, "action": "drop"}]} if replayed else {}),
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
