"""A sandbox with a forecaster, once through: traffic, Prometheus, bridge, Kafka, forecasts.

One test, because all of it is about one sandbox that takes half a minute to come up.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest
import repository
from command_line import negawatt
from sandbox_readings import eventually, page_of
from scraped_prometheus import targets

from console.sandbox_report import started_lines
from forecaster.figures import Figures, Gauge
from forecaster.horizons import QUANTILE_LEVELS
from forecaster.metrics import exposition, process_registry
from forecaster.own_errors import OwnError
from simulator.sandbox import forecast_names as names
from simulator.sandbox import lifecycle
from simulator.sandbox.forecast_companions import LEAD_TIME_SECONDS
from simulator.sandbox.forecast_workloads import ReplayedWorkload, replayed_workloads
from simulator.sandbox.record import BRIDGE, FORECASTER, NO_EXTENDER, TRAFFIC_REPLAY, options_of
from simulator.sandbox.sandbox import Sandbox

pytestmark = [pytest.mark.kube, pytest.mark.prometheus, pytest.mark.kafka, pytest.mark.slow]

NODES = 3
DASHBOARD = json.loads((repository.ROOT / "deploy/grafana/forecast.json").read_text("utf-8"))
PAGE = (repository.ROOT / "docs/tutorials/forecast-sandbox.md").read_text("utf-8")
FORECAST = "negawatt_forecast_requests_per_second"
MEASURED = "negawatt_forecaster_workload_requests_per_second"
#: What Grafana puts in place of its variables, for a scrape every five seconds.
SUBSTITUTES = {
    "$__rate_interval": "20s",
    "$__range": "60s",
    "$job": ".+",
    "$namespace": ".+",
    "$name": ".+",
    "$lead": "1s",
}
DAY_SECONDS = 86_400


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give a place for the sandbox; nothing of it stays, whatever happens."""
    place = tmp_path_factory.mktemp("forecasting") / "state"
    yield place
    lifecycle.down(place)


class Asked:
    """The sandbox's Prometheus."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._url = sandbox.urls["prometheus"]

    def vector(self, query: str, at_seconds: float | None = None) -> list[dict]:
        """Give the series of an instant query."""
        when = {} if at_seconds is None else {"time": f"{at_seconds}"}
        page = page_of(f"{self._url}/api/v1/query?{urlencode({'query': query, **when})}")
        return json.loads(page)["data"]["result"]

    def by_workload(self, query: str, label: str = "name") -> dict[str, float]:
        """Give the value of each workload."""
        return {one["metric"][label]: float(one["value"][1]) for one in self.vector(query)}

    def range(self, query: str, seconds: float, now_seconds: float) -> list[float]:
        """Give all values of the last seconds."""
        span = {"start": f"{now_seconds - seconds}", "end": f"{now_seconds}", "step": "5"}
        page = page_of(f"{self._url}/api/v1/query_range?{urlencode({'query': query, **span})}")
        found = json.loads(page)["data"]["result"]
        return [float(value) for series in found for _, value in series["values"]]


def filled_page() -> str:
    """A forecaster's page as it is after a day: forecasts that fell due have their errors."""
    error = OwnError(
        scored_count=100.0,
        mae_requests_per_second=3.0,
        wape_ratio=0.1,
        relative_mae_ratio=0.7,
        pinball_requests_per_second=1.0,
        coverage_80_ratio=0.8,
        coverage_95_ratio=0.95,
    )
    counts = dict.fromkeys(
        (name for name in Figures.__dataclass_fields__ if name.endswith(("_total", "keys"))), 1
    )
    gauge = Gauge(
        key="shop/Deployment/web",
        horizon_seconds=600,
        requests_per_second=(1.0, 2.0, 3.0, 4.0, 5.0),
        anomalous=False,
        error=error,
        measured_requests_per_second=3.0,
        weights={"lstm": 1.0},
    )
    figures = Figures(
        **counts,
        version="filled",
        newest_minute_age_seconds=1.0,
        refused={"future": 1},
        lag={0: 1},
        forecast_seconds=0.1,
        state_age_seconds=1.0,
        errors={"mixture": error, "lstm": error},
        trains=False,
        trained_ratio=0.66,
        typical_lstm_ratio=0.6,
        gauges=(gauge,),
    )
    return exposition(process_registry(), figures).decode()


def truth_of(workload: ReplayedWorkload, at_seconds: float) -> float:
    """The trace's rate in the minute that ends at a time."""
    minute = np.array([int(at_seconds // 60)], dtype=np.int64)
    return float(workload.replay.requests_per_second(minute)[0])


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    """Wait for something for so long."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


def mute_queries(asked: Asked) -> list[str]:
    """Give the dashboard's queries that answer nothing finite."""
    mute = []
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            query = target["expr"]
            for name, value in SUBSTITUTES.items():
                query = query.replace(name, value)
            assert "$" not in query
            found = asked.range(query, 15, time.time())
            if not any(math.isfinite(value) for value in found):
                mute.append(f"{panel['title']}: {query}")
            named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            for series in asked.vector(query):
                assert named <= series["metric"].keys(), query
    return mute


def test_traffic_becomes_forecasts_beside_the_truth(folder: Path) -> None:
    """Up, forecasts, dashboard, status, reset, down."""
    options = options_of(nodes=NODES, extras=("forecast",), extender=NO_EXTENDER)
    sandbox, _ = lifecycle.up(options, folder)
    workloads = {one.name: one for one in replayed_workloads(sandbox.record.start_seconds)}
    asked, start = Asked(sandbox), sandbox.record.start_seconds

    past_is_the_trace(asked, workloads, start)
    no_minute_is_lost_since(asked, workloads, start)
    median = f'{FORECAST}{{quantile="0.5"}}'
    assert within(120, lambda: asked.by_workload(median).keys() == workloads.keys())
    forecasts_stand_beside_the_truth(asked, workloads)
    with targets() as served:
        served.pages["/metrics"] = filled_page
        sandbox.also_scrape("filled", served.port)
        assert within(60, lambda: mute_queries(asked) == []), mute_queries(asked)
    services_are_known(sandbox)
    page_tells_what_there_is(sandbox, asked)
    processes = sandbox.process_ids()
    done = negawatt("sandbox", "reset", "--state", folder)
    assert (
        done.stdout
        == f"{NODES} nodes as new; the 3 replayed Deployments are made anew, with 12 pods.\n"
    )
    eventually(
        lambda: ready_replicas(asked), {one.name: one.replicas for one in workloads.values()}
    )
    assert negawatt("sandbox", "down", "--state", folder).returncode == 0
    assert not folder.exists()
    assert [pid for pid in processes if Path(f"/proc/{pid}/exe").exists()] == []


def past_is_the_trace(asked: Asked, workloads: Mapping[str, ReplayedWorkload], start: int) -> None:
    """A week ago and a minute before the start Prometheus has the trace's own rates."""
    for ago in (60, 7 * DAY_SECONDS):
        at_seconds = (start - ago) // 60 * 60
        rate = f"sum by (service) (rate({names.REQUESTS}[60s]))"
        for series in asked.vector(rate, at_seconds):
            workload = workloads[series["metric"]["service"]]
            assert float(series["value"][1]) == pytest.approx(truth_of(workload, at_seconds))
        assert len(asked.vector(rate, at_seconds)) == len(workloads)


def no_minute_is_lost_since(
    asked: Asked, workloads: Mapping[str, ReplayedWorkload], start: int
) -> None:
    """Nobody scraped while it started, and each minute has the trace's rate all the same."""
    rate = f"sum by (service) (rate({names.REQUESTS}[60s]))"
    minutes = [at for at in range(start // 60 * 60, int(time.time()), 60) if at + 5 < time.time()]
    assert minutes
    for at_seconds in minutes:
        found = {one["metric"]["service"]: one for one in asked.vector(rate, at_seconds)}
        for name, workload in workloads.items():
            measured = float(found[name]["value"][1])
            assert measured == pytest.approx(truth_of(workload, at_seconds), rel=0.03), at_seconds


def forecasts_stand_beside_the_truth(
    asked: Asked, workloads: Mapping[str, ReplayedWorkload]
) -> None:
    """Of the same workloads, in order of their quantiles, and of the size of what is measured."""
    measured = asked.by_workload(MEASURED)
    quantiles = [asked.by_workload(f'{FORECAST}{{quantile="{q:g}"}}') for q in QUANTILE_LEVELS]
    for name in workloads:
        told = [each[name] for each in quantiles]
        assert told == sorted(told)
        assert told[0] < told[-1]
        assert measured[name] / 3 < told[2] < measured[name] * 3
    minute_seconds = time.time() // 60 * 60
    for name, workload in workloads.items():
        near = [truth_of(workload, minute_seconds - 60 * back) for back in range(4)]
        assert any(measured[name] == pytest.approx(rate, rel=0.02) for rate in near)


def services_are_known(sandbox: Sandbox) -> None:
    """Status names all three and what they say of themselves; a forecast has its reason."""
    seen = json.loads(
        negawatt("sandbox", "status", "--state", sandbox.folder, "--output", "json").stdout
    )
    components = {one["name"]: one for one in seen["components"]}
    page = page_of(f"{sandbox.urls['forecaster']}/forecast/shop/Deployment/web")

    assert seen["ready"] is True
    assert {TRAFFIC_REPLAY, BRIDGE, FORECASTER} <= components.keys()
    assert components[FORECASTER]["ready"] is True
    assert json.loads(page)["lead_time_seconds"] == LEAD_TIME_SECONDS
    assert json.loads(page)["reason"]


def page_tells_what_there_is(sandbox: Sandbox, asked: Asked) -> None:
    """The tutorial's first lines are those of `up`, and each of its queries has an answer."""
    shown = PAGE.partition("```\n")[2].partition("```")[0].splitlines()
    no_extender = [line for line in shown if not line.startswith(("extender", "ask why"))]
    first, *rest = started_lines(sandbox, fresh=True)
    assert first.startswith("The sandbox is ready: ")
    assert [about(line) for line in no_extender[1:]] == [about(line) for line in rest]
    queries = re.findall(r"^    (\S*(?:negawatt_|sum by|histogram_).*)$", PAGE, re.MULTILINE)
    assert len(queries) == 5
    for query in queries:
        assert asked.vector(query.replace("offset 5m", "offset 1s")), query


def about(line: str) -> str:
    """What a line names, without its address."""
    name, has_address, _ = line.partition("http://")
    return name.strip() if has_address else line[:16].strip() if line[:1] != " " else ""


def ready_replicas(asked: Asked) -> dict[str, float]:
    """What the replay sees of the Deployments."""
    return asked.by_workload(names.READY_REPLICAS, "deployment")
