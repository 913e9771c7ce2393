"""One round of reading: against a real Prometheus, a lying one, a hung one and none."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest
from scraped_prometheus import LOOPBACK, Targets, prometheus, wait_until

from cluster.model import ClusterSnapshot, Node, Pod, Resources
from energy.errors import UnavailableError
from energy.metering import Observation, PackageRange, PowerValue, present_watts
from energy.power_curve import PowerCurve
from energy.profile import NodePowerProfile, ProfileSource, Scope
from telemetry.prometheus import Prometheus, PrometheusSettings
from telemetry.reader import Reader, ReaderSettings
from telemetry.readings import NodeState, Readings

GIBIBYTE = 1024**3
ALL_BY_REQUESTS = {"requests"}


def snapshot(nodes: int = 6) -> ClusterSnapshot:
    """Nodes worker-1 and on of 8 cores, each with a pod that requests 4."""
    names = [f"worker-{number}" for number in range(1, nodes + 1)]
    return ClusterSnapshot(
        nodes=tuple(
            Node(name=name, allocatable=Resources(cpu_millicores=8000, memory_bytes=GIBIBYTE))
            for name in names
        ),
        pods=tuple(
            Pod(
                namespace="shop",
                name=f"on-{name}",
                node_name=name,
                requests=Resources(cpu_millicores=4000, memory_bytes=GIBIBYTE),
            )
            for name in names
        ),
    )


def a_reader(connected: Prometheus, **settings: float) -> Reader:
    """Return a reader of that Prometheus alone."""
    return Reader(
        snapshot=snapshot,
        prometheus=connected,
        settings=ReaderSettings.model_validate(settings),
    )


def sources(readings: Readings) -> dict[str, str]:
    """Return where each node's load comes from."""
    return {node: state.load.source for node, state in readings.nodes.items()}


@pytest.mark.prometheus
def test_each_node_is_read_by_the_first_source_that_knows_it(scraping: Prometheus) -> None:
    """Names, addresses that kube-state-metrics knows, host names: all lead to nodes."""
    readings = a_reader(scraping).read(time.time())

    assert readings.failures == ()
    assert sources(readings) == {
        "worker-1": "kubelet",
        "worker-2": "kepler-usage-ratio",
        "worker-3": "requests",
        "worker-4": "node-exporter",
        "worker-5": "requests",
        "worker-6": "requests",
    }
    loads = {node: state.load.cpu_cores for node, state in readings.nodes.items()}
    ratio = (2.5 + 2.0 + 1.6) / 12
    assert readings.usage_ratio == pytest.approx(ratio, rel=0.02)
    assert readings.usage_ratio_source == "measured"
    assert loads == {
        "worker-1": pytest.approx(2.5, rel=0.02),
        "worker-2": 2.0,
        "worker-3": pytest.approx(4 * ratio, rel=0.02),
        "worker-4": pytest.approx(1.6, rel=0.02),
        "worker-5": pytest.approx(4 * ratio, rel=0.02),
        "worker-6": pytest.approx(4 * ratio, rel=0.02),
    }


@pytest.mark.prometheus
def test_power_comes_with_its_scope_and_its_source(scraping: Prometheus) -> None:
    """Wall and package are different things, and each says which meter it was."""
    readings = a_reader(scraping).read(time.time())

    assert meters(readings) == {
        "worker-1": ("kepler-platform-joules", 190, "kepler-joules", 75),
        "worker-2": ("kepler-platform-supplies", 290, "kepler", 110),
        "worker-3": ("kepler-platform", 310, "kepler", 70),
        "worker-4": ("", None, "node-exporter-rapl", 81),
        "worker-5": ("ipmi", 220, "", None),
        "worker-6": ("", None, "", None),
    }
    for state in readings.nodes.values():
        assert state.wall is None or state.wall.scope is Scope.WALL
        assert state.package is None or state.package.scope is Scope.PACKAGE


def meters(readings: Readings) -> dict[str, tuple[str, int | None, str, int | None]]:
    """Return wall and package of each node, in whole watts."""

    def one(state: NodeState) -> tuple[str, int | None, str, int | None]:
        wall, package = state.wall, state.package
        return (
            state.wall_source,
            round(wall.watts) if wall else None,
            state.package_source,
            round(package.watts) if package else None,
        )

    return {node: one(state) for node, state in readings.nodes.items()}


@pytest.mark.prometheus
def test_what_was_asked_is_told(scraping: Prometheus) -> None:
    """Strangers are named, so that somebody can mend a label."""
    readings = a_reader(scraping).read(time.time())

    by_name = {status.name: status for status in readings.sources}
    assert by_name["kepler-usage-ratio"].strangers == ("node_name=elsewhere",)
    assert by_name["kepler-usage-ratio"].unmatched == 1
    assert by_name["cadvisor"].nodes == 0
    assert by_name["kepler"].nodes == 2


@pytest.fixture
def trial(exporters: Targets, scraping: Prometheus) -> Iterator[Callable[[str], None]]:
    """Change what the exporter of a trial puts out."""

    def change(text: str) -> None:
        exporters.pages["/trial"] = text

    usual = exporters.pages["/trial"]
    yield change
    exporters.pages["/trial"] = usual
    # The next test asks the same Prometheus: what was tried must be gone from it, too.
    wait_until(lambda: not scraping.query('{job="trial",__name__!~"trial|up|scrape_.*"}'))


HONEST = 'kepler_node_cpu_usage_ratio{node_name="worker-6"} 0.5\n'


@pytest.mark.prometheus
@pytest.mark.parametrize(
    ("value", "note"),
    [
        ("NaN", "kepler-usage-ratio: no number"),
        ("1e15", "kepler-usage-ratio: absurd, 8e+15 of 8 cores"),
        ("-0.5", "kepler-usage-ratio: absurd, -4 of 8 cores"),
        ("0", "kepler-usage-ratio: a counter that stands still"),
        (None, "prometheus: no sample"),
    ],
)
def test_a_lie_falls_along_the_chain_visibly(
    scraping: Prometheus, trial: Callable[[str], None], value: str | None, note: str
) -> None:
    """One node's meter goes mad or falls silent; the others are read as before."""
    reader = a_reader(scraping)
    trial(HONEST)
    wait_until(lambda: sources(reader.read(time.time()))["worker-6"] == "kepler-usage-ratio")
    trial(HONEST.replace("0.5", value) if value else "trial 1\n")
    wait_until(lambda: sources(reader.read(time.time()))["worker-6"] == "requests")

    readings = reader.read(time.time())

    load = readings.nodes["worker-6"].load
    assert load.notes[0] == note
    assert load.cpu_cores == pytest.approx(4 * readings.usage_ratio)
    assert sources(readings)["worker-1"] == "kubelet"


@pytest.mark.prometheus
def test_an_hour_old_sample_is_seen_as_an_hour_old(tmp_path: Path) -> None:
    """A server that looks back for hours answers with what was; the sample's own time tells."""
    now_seconds = int(time.time())
    old_seconds = now_seconds - 3600
    text = "".join(
        f"# TYPE {metric} gauge\n{metric}{{{labels}}} {value} {old_seconds}\n"
        for metric, labels, value in (
            ("kepler_node_cpu_usage_ratio", 'node_name="worker-1"', 0.1),
            ("kepler_platform_watts", 'node_name="worker-1",source="redfish"', 90),
        )
    )
    (tmp_path / "old.txt").write_text(text + "# EOF\n")
    blocks = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "old.txt", "p/data"]
    subprocess.run(blocks, check=True, capture_output=True, cwd=tmp_path)
    arguments = ("--query.lookback-delta=2h", "--storage.tsdb.retention.time=10y")

    with prometheus(tmp_path / "p", arguments=arguments) as url:
        connected = Prometheus(PrometheusSettings(url=url))
        (found,) = connected.query("kepler_node_cpu_usage_ratio")
        state = a_reader(connected).read(now_seconds).nodes["worker-1"]
        connected.close()

    assert found.value == 0.1  # as fresh as it looks
    assert found.evaluated_at_seconds > now_seconds - 60
    assert state.load.source == "requests"
    assert state.load.notes[0] == "kepler-usage-ratio: stale, 3600 s old"
    assert state.wall is None
    assert state.power_notes == ("kepler-platform: stale, 3600 s old",)


@pytest.mark.prometheus
@pytest.mark.parametrize(
    ("watts", "note"),
    [("NaN", "no number"), ("-250", "absurd, -250 W"), ("1e15", "absurd, 1e+15 W")],
)
def test_a_power_meter_that_lies_is_passed_over(
    scraping: Prometheus, trial: Callable[[str], None], watts: str, note: str
) -> None:
    """The next meter answers, and the note says why the first does not."""
    reader = a_reader(scraping)
    platform = 'kepler_platform_watts{source="redfish",node_name="worker-5"}'
    trial(f"{platform} {watts}\n")

    def state() -> NodeState:
        return reader.read(time.time()).nodes["worker-5"]

    wait_until(lambda: state().power_notes == (f"kepler-platform: {note}",))
    found = state()

    assert found.wall is not None
    assert (found.wall_source, found.wall.watts) == ("ipmi", 220)


def power(state: NodeState, now_seconds: float) -> PowerValue:
    """Return the node's present power as `energy.metering` has it."""
    curve = PowerCurve.linear(100.0, 400.0)
    profile = NodePowerProfile(
        name="p", curve=curve, scope=Scope.WALL, source=ProfileSource.GENERIC_CORES, trust=0.5
    )
    return present_watts(
        profile,
        Observation(
            wall=state.wall,
            package=state.package,
            package_range=PackageRange(idle_watts=20, peak_watts=200),
            utilisation_ratio=state.load.cpu_cores / 8,
        ),
        now_seconds,
    )


@pytest.mark.prometheus
def test_what_was_read_is_what_the_meter_chain_takes(scraping: Prometheus) -> None:
    """Wall, else package on the curve, else the load."""
    now_seconds = time.time()
    states = a_reader(scraping).read(now_seconds).nodes

    nodes = ("worker-2", "worker-4", "worker-6")
    found = [power(states[node], now_seconds).source for node in nodes]

    assert found == [
        ProfileSource.MEASURED_WALL,
        ProfileSource.MEASURED_PACKAGE,
        ProfileSource.GENERIC_CORES,
    ]


def test_without_prometheus_all_is_by_requests() -> None:
    """A refused connection is one line, and no exception."""
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        url = f"http://{LOOPBACK}:{taken.getsockname()[1]}"
        connected = Prometheus(PrometheusSettings(url=url))
        readings = a_reader(connected, usage_ratio_fallback=0.4).read(time.time())
        connected.close()

    assert set(sources(readings).values()) == ALL_BY_REQUESTS
    assert {state.load.cpu_cores for state in readings.nodes.values()} == {4 * 0.4}
    assert readings.usage_ratio_source == "fallback"
    assert len(readings.failures) == 1
    assert "connection refused" in readings.failures[0]
    assert readings.nodes["worker-1"].load.notes[0] == "prometheus: failed"


def test_a_prometheus_that_hangs_costs_two_time_outs() -> None:
    """Not one for each of a dozen queries."""
    accepted = []
    with socket.create_server((LOOPBACK, 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    accepted.append(listener.accept()[0])
                except OSError:
                    return

        thread = Thread(target=accept, daemon=True)
        thread.start()
        url = f"http://{LOOPBACK}:{listener.getsockname()[1]}"
        connected = Prometheus(PrometheusSettings(url=url, timeout_seconds=0.2))
        readings = a_reader(connected).read(time.time())
        connected.close()
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    for connection in accepted:
        connection.close()

    assert len(accepted) == 2
    assert readings.failures == (
        f"{url}: no answer within 0.2 s; see whether it is overloaded, or allow more time",
    )
    assert set(sources(readings).values()) == ALL_BY_REQUESTS


@pytest.mark.prometheus
def test_a_ratio_that_was_measured_stays_for_a_while(scraping: Prometheus) -> None:
    """Nodes without a meter come: too little is measured, and soon nothing is known."""
    nodes = [6]
    reader = Reader(snapshot=lambda: snapshot(nodes[0]), prometheus=scraping)
    now_seconds = time.time()

    measured = reader.read(now_seconds)
    nodes[0] = 40
    lately = reader.read(now_seconds + 1)
    later = reader.read(now_seconds + 122)

    assert measured.usage_ratio_source == lately.usage_ratio_source == "measured"
    assert lately.usage_ratio == measured.usage_ratio
    assert lately.nodes["worker-40"].load.cpu_cores == pytest.approx(4 * measured.usage_ratio)
    assert (later.usage_ratio_source, later.usage_ratio) == ("fallback", 0.5)


def test_a_stated_ratio_is_taken() -> None:
    """Without any meter, the ratio that a person states."""
    reader = Reader(snapshot=snapshot, settings=ReaderSettings(usage_ratio=0.9))

    readings = reader.read(time.time())

    assert readings.usage_ratio_source == "stated"
    assert readings.nodes["worker-1"].load.cpu_cores == pytest.approx(3.6)
    assert readings.sources == ()
    assert readings.failures == ()


def test_a_cluster_that_was_never_seen_is_a_failure_in_the_value() -> None:
    """The thread that reads goes on."""

    def unseen() -> ClusterSnapshot:
        raise UnavailableError("the cluster has not been listed yet")

    readings = Reader(snapshot=unseen).read(1000.0)

    assert readings.nodes == {}
    assert readings.failures == ("the cluster has not been listed yet",)
