"""What `--with forecast` adds to a sandbox, and what it tells bridge and forecaster."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from energy.errors import InputError, UnavailableError
from forecaster.selection import Selection, wishes_of
from forecaster.settings import read_settings as read_forecaster_settings
from simulator.sandbox import companions, forecast_companions
from simulator.sandbox import forecast_names as names
from simulator.sandbox.forecast_workloads import CAST, read_traffic, replayed_workloads
from simulator.sandbox.prometheus_configuration import lookback_seconds, prometheus_configuration
from simulator.sandbox.record import IMPLIED, Program, options_of
from simulator.traffic import HISTORY_DAYS, MINUTES_PER_DAY, SEEN_RATIO, minute_of
from telemetry.bridge.settings import read_settings as read_bridge_settings

NOW = 1_800_000_000
PORTS = {
    "prometheusPort": 1,
    "kafkaPort": 2,
    "trafficReplayPort": 3,
    "bridgePort": 4,
    "forecasterPort": 5,
    "powerMeterPort": 6,
    "kwokControllerPort": 7,
    "kubeApiserverPort": 8,
    "kubeControllerManagerPort": 9,
    "kubeSchedulerPort": 10,
}
PROGRAM = Program(path=Path("/usr/bin/python3"), argument="any")


def told(monkeypatch: pytest.MonkeyPatch, companion: companions.Companion) -> None:
    """Set the variables that a companion is started with."""
    for name, value in companion.environ.items():
        monkeypatch.setenv(name, value)


def test_it_brings_what_it_cannot_do_without() -> None:
    """In the order of the extras, whatever else is asked for."""
    assert IMPLIED["forecast"] == {"prometheus", "kafka"}
    assert options_of(extras=("forecast",)).extras == ("prometheus", "kafka", "forecast")
    both = options_of(extras=("forecast", "metrics-server"))
    assert both.extras == ("prometheus", "metrics-server", "kafka", "forecast")
    started = companions.names_of(both)
    assert started[-3:] == ["traffic-replay", "telemetry-bridge", "forecaster"]
    assert all(companions.PORTS[name] for name in started)
    assert options_of(extras=("kafka",)).extras == ("kafka",)


def test_the_bridge_understands_what_it_is_told(monkeypatch, tmp_path: Path) -> None:
    """Its state is the sandbox's; its rates see the past's samples and the replay's."""
    companion = forecast_companions.bridge(PROGRAM, tmp_path, PORTS)
    told(monkeypatch, companion)
    settings = read_bridge_settings()

    assert settings.port == companion.port == PORTS["bridgePort"]
    assert settings.prometheus_url == "http://127.0.0.1:1"
    assert settings.state_file.is_relative_to(tmp_path)
    assert set(settings.namespaces) == {casting.namespace for casting in CAST}
    assert settings.rate_window_seconds >= 2 * names.PAST_STEP_SECONDS
    assert settings.traffic_options().queries
    assert settings.kafka_servers == ("127.0.0.1:2",)


def test_the_forecaster_understands_what_it_is_told(monkeypatch, tmp_path: Path) -> None:
    """All workloads are gauges; nothing is trained on somebody's laptop, nor kept elsewhere."""
    companion = forecast_companions.forecaster(PROGRAM, tmp_path, PORTS)
    told(monkeypatch, companion)
    settings = read_forecaster_settings()
    selection = Selection(
        wishes=wishes_of(settings.opt_in), lead_time_seconds=settings.lead_time_seconds
    )

    assert settings.port == companion.port == PORTS["forecasterPort"]
    assert (settings.stream, settings.kafka_servers) == ("kafka", ("127.0.0.1:2",))
    assert settings.state_directory.is_relative_to(tmp_path)
    assert settings.models_directory.is_relative_to(tmp_path)
    assert settings.retrain is False
    for workload in replayed_workloads(NOW):
        assert selection.lead_time_of(workload.key) == forecast_companions.LEAD_TIME_SECONDS


def test_prometheus_scrapes_all_three_and_leaves_out_what_kwok_makes_up() -> None:
    """The replay under the labels of its past; the workloads' own labels are kept."""
    text = prometheus_configuration(PORTS, certificates=Path("/pki"), node_count=9)
    jobs = {job["job_name"]: job for job in yaml.safe_load(text)["scrape_configs"]}

    for job in (names.JOB, "negawatt-telemetry-bridge", "negawatt-forecaster"):
        assert jobs[job]["honor_labels"] is True
    (target,) = jobs[names.JOB]["static_configs"]
    assert f'job="{names.JOB}",instance="{target["labels"]["instance"]}"' == names.SCRAPED
    (dropped,) = jobs["kubelet"]["metric_relabel_configs"]
    assert dropped["action"] == "drop"
    without = {name: port for name, port in PORTS.items() if name != "trafficReplayPort"}
    plain = yaml.safe_load(
        prometheus_configuration(without, certificates=Path("/pki"), node_count=9)
    )
    assert "metric_relabel_configs" not in str(plain)
    assert lookback_seconds(9) > names.PAST_STEP_SECONDS
    assert lookback_seconds(5000) > 60


def test_every_trace_is_replayed_behind_its_history_and_the_training() -> None:
    """For a day at least before a week is repeated; the pods keep up with the peak."""
    for workload in replayed_workloads(NOW):
        trace = workload.replay.trace
        now = int(workload.replay.index(np.array([minute_of(NOW)]))[0])
        begin_of_day = now // MINUTES_PER_DAY * MINUTES_PER_DAY

        assert begin_of_day >= HISTORY_DAYS * MINUTES_PER_DAY
        assert begin_of_day >= SEEN_RATIO * len(trace.requests_per_second)
        assert begin_of_day + MINUTES_PER_DAY <= len(trace.requests_per_second)
        busy = np.quantile(trace.requests_per_second, 0.999)
        assert busy < workload.replicas * workload.model.capacity_requests_per_second


def test_a_trace_that_is_not_there_or_broken_is_named(tmp_path: Path) -> None:
    """In one line."""
    with pytest.raises(UnavailableError, match="no trace mongo-01"):
        read_traffic("mongo-01", tmp_path)
    (tmp_path / "mongo-01.csv").write_text("timestamp,value\n2026-01-01T00:00:00Z,x\n")
    with pytest.raises(InputError, match="is no number"):
        read_traffic("mongo-01", tmp_path)
