"""What `--with forecast` adds: replayed traffic, the telemetry bridge and the forecaster.

Traffic goes from the replay to Prometheus, over the bridge and Kafka to the forecaster, whose
gauges Prometheus scrapes beside the truth.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from energy.errors import UnavailableError
from simulator.sandbox import forecast_names as names
from simulator.sandbox.companions import FORECAST_MODULES, Companion, answer_of, installed
from simulator.sandbox.forecast_history import write_history
from simulator.sandbox.forecast_workloads import manifests, replayed_workloads
from simulator.sandbox.ports import LOOPBACK
from simulator.sandbox.record import (
    BRIDGE,
    FORECAST,
    FORECASTER,
    TRAFFIC_REPLAY,
    Program,
    SandboxOptions,
)

#: The extras telemetry and forecaster; whoever started a sandbox for its control plane has none.
LIBRARIES = ("fastapi", "kafka", "kubernetes", "onnxruntime", "prometheus_api_client", "uvicorn")
READY_PATH = names.READY_PATH
PARTITIONS = 3
LEAD_TIME_SECONDS = 300
DELAY_SECONDS = 6  # the replay is scraped every five
#: Forecasts are there seconds after the past was read; where they are not, the sandbox is up.
FORECAST_SECONDS_MAX, POLL_SECONDS = 90.0, 0.5
GET_PROMETHEUS = "apt-get install --no-install-recommends prometheus"


def require_usable(options: SandboxOptions) -> None:
    """Refuse what cannot be had, before anything is made.

    Raises:
        UnavailableError: libraries, or the traces, are not installed.
    """
    if FORECAST not in options.extras:
        return
    if lacking := [name for name in LIBRARIES if find_spec(name) is None]:
        raise UnavailableError(
            f"the forecaster needs {lacking[0]}, which is not installed",
            mend="see the extras telemetry and forecaster in `negawatt doctor`",
        )
    replayed_workloads(0.0)


def fill_prometheus(folder: Path, start_seconds: int) -> None:
    """Write the days before the start into the data of a Prometheus that does not run yet.

    Raises:
        UnavailableError: promtool is not installed, or fails.
    """
    write_history(
        replayed_workloads(start_seconds),
        start_seconds,
        folder / "prometheus" / "data",
        promtool=installed("promtool", GET_PROMETHEUS),
    )


def workload_manifests(start_seconds: int) -> list[dict[str, object]]:
    """What is created on the nodes."""
    return manifests(replayed_workloads(start_seconds))


def replay(
    program: Program, folder: Path, ports: Mapping[str, int], *, start_seconds: int
) -> Companion:
    """The exporter of the replayed workloads; ready once all that has passed was scraped."""
    command = (
        *(sys.executable, "-m", FORECAST_MODULES[TRAFFIC_REPLAY]),
        f"--kubeconfig={folder / 'kubeconfig.yaml'}",
        f"--port={ports['trafficReplayPort']}",
        f"--start-seconds={start_seconds}",
    )
    return Companion(
        name=TRAFFIC_REPLAY,
        program=program,
        command=command,
        port=ports["trafficReplayPort"],
        ready_path=READY_PATH,
    )


def bridge(program: Program, folder: Path, ports: Mapping[str, int]) -> Companion:
    """The telemetry bridge, from the sandbox's Prometheus to its Kafka."""
    told = {
        "prometheus_url": f"http://{LOOPBACK}:{ports['prometheusPort']}",
        "kafka_servers": f"{LOOPBACK}:{ports['kafkaPort']}",
        "kafka_partitions": str(PARTITIONS),
        "state_file": str(folder / "telemetry.json"),
        "port": str(ports["bridgePort"]),
        "presets": "ingress-nginx,kubernetes",
        "namespaces": ",".join(names.NAMESPACES),
        "rate_window_seconds": str(2 * names.PAST_STEP_SECONDS),
        "stale_seconds": str(2 * names.PAST_STEP_SECONDS),
        "delay_seconds": str(DELAY_SECONDS),
    }
    environ = _named("NEGAWATT_TELEMETRY__", told)
    return _service(BRIDGE, program, folder, ports["bridgePort"], environ)


def forecaster(program: Program, folder: Path, ports: Mapping[str, int]) -> Companion:
    """The forecaster, which reads the bridge's samples."""
    told = {
        "stream": "kafka",
        "kafka_servers": f"{LOOPBACK}:{ports['kafkaPort']}",
        "kafka_partitions": str(PARTITIONS),
        "port": str(ports["forecasterPort"]),
        "state_directory": str(folder / "forecaster"),
        "models_directory": str(folder / "models"),
        "opt_in": "all",
        "lead_time_seconds": str(LEAD_TIME_SECONDS),
        "wait_seconds": str(DELAY_SECONDS + 4),
        "retrain": "false",
    }
    environ = _named("NEGAWATT_FORECASTER__", told)
    return _service(FORECASTER, program, folder, ports["forecasterPort"], environ)


def wait_until_forecast(port: int, start_seconds: int) -> None:
    """Return when there is a forecast of each workload, or it takes too long."""
    left = {one.key for one in replayed_workloads(start_seconds)}
    deadline = time.monotonic() + FORECAST_SECONDS_MAX
    while left and time.monotonic() < deadline:
        left = {key for key in left if not _is_forecast(answer_of(port, f"/forecast/{key}"))}
        time.sleep(POLL_SECONDS)


def _is_forecast(answer: bytes | None) -> bool:
    return answer is not None and json.loads(answer)["forecast"] is not None


def _named(prefix: str, told: Mapping[str, str]) -> dict[str, str]:
    return {f"{prefix}{name.upper()}": value for name, value in told.items()}


def _service(
    name: str, program: Program, folder: Path, port: int, environ: Mapping[str, str]
) -> Companion:
    return Companion(
        name=name,
        program=program,
        # Its settings are variables, and it is known by its folder.
        command=(sys.executable, "-X", f"sandbox={folder}", "-m", FORECAST_MODULES[name]),
        port=port,
        environ=environ,
        ready_path=READY_PATH,
    )
