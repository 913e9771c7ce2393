"""`negawatt telemetry check` and `queries`, and what the doctor says of a Prometheus."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from traffic_history import History
from typer.testing import CliRunner, Result

from console.cli import app
from console.inspection.finding import Finding, State
from console.inspection.traffic import REQUESTS, SERVER, preset_findings, traffic_findings
from energy.errors import InputError, UnavailableError
from telemetry.traffic.check import SignalFinding, SignalState
from telemetry.traffic.presets import PRESETS
from telemetry.traffic.query import Signal, TrafficScope

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def url(traffic_history: History, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the address of a Prometheus whose last minute is the one that is looked at."""
    ago_seconds = time.time() - traffic_history.minute_last * 60
    monkeypatch.setenv("NEGAWATT_TELEMETRY__DELAY_SECONDS", str(ago_seconds))
    return traffic_history.url


def negawatt(*arguments: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(app, ["telemetry", *arguments])


@pytest.mark.prometheus
def test_a_check_says_for_how_many_workloads_each_signal_is_there(url: str) -> None:
    """As a table and for programs."""
    told = negawatt("check", "--prometheus-url", url, "--output", "json")
    table = negawatt("check", "--prometheus-url", url)

    found = json.loads(told.stdout)
    assert (told.exit_code, table.exit_code, found["prometheus"]) == (0, 0, url)
    counts = {(one["source"], one["signal"]): one["workloads"] for one in found["signals"]}
    assert counts[("kubernetes", "cpu_cores")] == 4
    assert counts[("istio", "requests_per_second")] == 1
    assert len(counts) == sum(len(preset.queries) for preset in PRESETS.values())
    assert "no workload is known behind far-away-80" in table.stdout


@pytest.mark.prometheus
def test_a_check_without_requests_fails(url: str) -> None:
    """It names the metric that lacks, and how to get it; whoever gets no answer is told so."""
    matchers = 'cluster="other"'
    told = negawatt("check", "--prometheus-url", url, "--matchers", matchers, "--output", "json")

    assert told.exit_code == 1
    for one in json.loads(told.stdout)["signals"]:
        assert one["state"] == "absent"
        assert one["mend"] in PRESETS[one["source"]].metrics.values()
    nobody = negawatt("check", "--prometheus-url", NOWHERE)
    assert isinstance(nobody.exception, UnavailableError)
    nameless = negawatt("check")
    assert isinstance(nameless.exception, InputError)


def test_queries_are_printed_as_they_are_sent(tmp_path: Path) -> None:
    """With one's own before the presets', which are believed less."""
    file = tmp_path / "queries.yaml"
    file.write_text(
        "queries: [{signal: cpu_cores, promql: 'up{a!=\"\"$match}', workload: a/Deployment/b}]"
    )
    asked = ("--queries-file", str(file), "--matchers", 'c="d"', "--presets", "istio")

    told = json.loads(negawatt("queries", *asked, "--output", "json").stdout)

    istio = PRESETS["istio"].queries[0].render(TrafficScope(matchers='c="d"'))
    assert [one["promql"] for one in told[:2]] == ['up{a!="",c="d"}', istio]
    assert "[120s]" in istio
    assert istio in negawatt("queries", *asked).stdout


def test_no_query_is_printed_that_prometheus_would_refuse() -> None:
    """Matchers are checked before they are put into it."""
    told = negawatt("queries", "--matchers", "x=y")

    assert isinstance(told.exception, InputError)
    assert str(told.exception).startswith("--matchers: give label matchers")
    assert told.stdout == ""


def test_a_check_without_its_token_is_bad_usage() -> None:
    """One line, whether anybody answers or not."""
    told = negawatt("check", "--prometheus-url", NOWHERE, "--prometheus-token-file", "/none")

    assert isinstance(told.exception, InputError)
    assert "--prometheus-token-file" in str(told.exception)


def by_name(url: str) -> dict[str, Finding]:
    """Return what the doctor finds."""
    return {finding.name: finding for finding in traffic_findings(url)}


@pytest.mark.prometheus
def test_the_doctor_asks_each_preset(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that tells of requests is enough; the others are optional."""
    found = by_name(url)
    assert set(found) == {SERVER, REQUESTS, *PRESETS}
    assert {finding.state for finding in found.values()} == {State.PRESENT}
    assert found["kubernetes"].found.startswith("cpu_cores of 4; memory_bytes of 4")

    monkeypatch.setenv("NEGAWATT_TELEMETRY__MATCHERS", 'cluster="other"')
    found = by_name(url)
    assert found[REQUESTS].state is State.MISSING
    assert "kubelet" in found["kubernetes"].get
    lacks = {name for name, one in found.items() if one.state is not State.PRESENT}
    assert lacks == {REQUESTS, *PRESETS}
    assert [name for name in lacks if not found[name].optional] == [REQUESTS]


def test_the_doctor_says_that_nobody_answers() -> None:
    """In one finding."""
    (found,) = traffic_findings(NOWHERE)

    assert (found.name, found.state, found.optional) == (SERVER, State.BROKEN, False)
    assert "connection refused" in found.found


def test_half_a_preset_is_broken() -> None:
    """It says what is there, what lacks and how to get that."""
    there = {"source": "istio", "signal": Signal.REQUESTS, "state": SignalState.FOUND}
    lacks = {"source": "istio", "signal": Signal.RESPONSE_TIME, "state": SignalState.ABSENT}
    found = [
        SignalFinding(**there, workloads=7),
        SignalFinding(**lacks, workloads=0, lacking="a metric", mend="scrape it"),
    ]

    preset, requests = preset_findings(found)

    assert (preset.state, preset.get) == (State.BROKEN, "scrape it")
    assert preset.found == ("requests_per_second of 7; no response_time_p95_seconds: a metric")
    assert (requests.state, requests.found) == (State.PRESENT, "7 workloads or more")
