"""What Prometheus is told, as its own checker reads it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from simulator.sandbox.prometheus_configuration import prometheus_configuration

PORTS = {
    "powerMeterPort": 20001,
    "kwokControllerPort": 20002,
    "kubeApiserverPort": 20003,
    "kubeControllerManagerPort": 20004,
    "kubeSchedulerPort": 20005,
}


@pytest.mark.prometheus
@pytest.mark.parametrize("nodes", [1, 200, 201, 1000, 5000])
def test_promtool_finds_nothing_to_object_to(tmp_path: Path, nodes: int) -> None:
    """Names, durations and files are what Prometheus 2.42 takes."""
    for name in ("ca.crt", "admin.crt", "admin.key"):
        (tmp_path / name).touch()
    file = tmp_path / "prometheus.yml"
    file.write_text(prometheus_configuration(PORTS, certificates=tmp_path, node_count=nodes))

    checked = subprocess.run(
        ["promtool", "check", "config", file], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr


def test_every_target_is_on_loopback() -> None:
    """Nothing outside is asked, whoever runs there."""
    text = prometheus_configuration(PORTS, certificates=Path("/pki"), node_count=9)
    jobs = {job["job_name"]: job for job in yaml.safe_load(text)["scrape_configs"]}
    targets = [
        target
        for job in jobs.values()
        for group in job.get("static_configs", [])
        for target in group["targets"]
    ]

    assert {target.partition(":")[0] for target in targets} == {"127.0.0.1"}
    assert jobs["kubelet"]["http_sd_configs"][0]["url"].startswith("http://127.0.0.1:20002/")
    assert jobs["kepler"]["honor_labels"] is True
    assert targets[-1] == "127.0.0.1:10380"
