"""What the bridge does with a Prometheus that fails now and then: no minute is lost for good."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from threading import Semaphore
from urllib.parse import parse_qs, urlsplit

import pytest
from scraped_prometheus import wait_until
from scripted_prometheus import Answer, Script, answering, said

from telemetry.bridge.bridge import AGAIN_TURNS, Bridge
from telemetry.bridge.core import PIECE_SAMPLES, BridgeCore
from telemetry.bridge.service import HANGING_SECONDS, BridgeThread
from telemetry.messages import TrafficSample
from telemetry.prometheus import Prometheus, PrometheusError, PrometheusSettings
from telemetry.stream.interface import SAMPLES_TOPIC
from telemetry.stream.memory import MemoryStream
from telemetry.traffic import check
from telemetry.traffic.assembly import Assembly
from telemetry.traffic.query import Naming, Signal, TrafficQuery
from telemetry.traffic.reader import TrafficOptions, TrafficReader, TrafficReading

TIMED_OUT = said(503, "timeout", "query timed out in expression evaluation")
BROKEN = said(500, "internal", "expanding series: open block: input/output error")
CROWDED = said(429, "bad_data", "too many outstanding requests")
PARTIAL = said(503, "execution", "expanding series: proxy Series(): 1 stores unavailable")
REQUESTS = TrafficQuery(
    source="one", signal=Signal.REQUESTS, promql="requests", workload="a/Deployment/b"
)
CPU = TrafficQuery(source="two", signal=Signal.CPU, promql="cores", workload="a/Deployment/b")


class Stage:
    """A bridge from a scripted Prometheus into a stream in memory."""

    def __init__(self, script: Script, url: str, *queries: TrafficQuery) -> None:
        self.script = script
        prometheus = Prometheus(PrometheusSettings(url=url))
        reader = TrafficReader(prometheus, TrafficOptions(queries=queries or (REQUESTS, CPU)))
        stream = MemoryStream()
        self._consumer = stream.consumer(SAMPLES_TOPIC, "test")
        self.core = BridgeCore(reader, backfill_minutes=100, reread_minutes=0)
        self.now_seconds = time.time() - 600
        self.bridge = Bridge(
            self.core, lambda: stream.producer(SAMPLES_TOPIC), now=lambda: self.now_seconds
        )

    def turn(self, times: int = 1) -> list[TrafficSample]:
        """Turn, and give what came out."""
        for _ in range(times):
            self.bridge.turn()
        return [record.message for record in self._consumer.poll(0.0).records]


@pytest.fixture
def stage() -> Iterator[Stage]:
    """Give a bridge whose Prometheus answers everything."""
    script = Script()
    with answering(script) as url:
        yield Stage(script, url)


@pytest.mark.parametrize("fault", [TIMED_OUT, BROKEN, CROWDED, PARTIAL])
def test_no_minute_is_done_whose_requests_were_not_answered_for(
    stage: Stage, fault: Answer
) -> None:
    """It is trouble, and all of it is read when Prometheus is well again."""
    stage.script.faults = {"requests": fault}
    assert stage.turn() == []
    failed = stage.bridge.figures()
    assert (failed.minutes, failed.minutes_missing) == (0, 100)
    assert "answered" in failed.troubles[0]

    stage.script.faults.clear()
    found = stage.turn()

    assert len(found) == 100
    assert {each.requests_per_second for each in found} == {7}
    assert stage.bridge.figures().troubles == ()


def test_a_signal_that_failed_is_asked_for_again(stage: Stage) -> None:
    """The requests are handed on at once; the state on disk does not call these minutes done."""
    stage.script.faults = {"cores": BROKEN}
    assert {(each.requests_per_second, each.cpu_cores) for each in stage.turn()} == {(7, None)}
    lacking = stage.bridge.figures()
    assert (lacking.minutes, lacking.minutes_missing, lacking.minutes_lacking) == (100, 0, 100)
    assert stage.core.state is not None
    assert len(stage.core.state.done) == 0
    assert "two cpu_cores" in lacking.doubts[0]

    stage.script.faults.clear()
    found = stage.turn(AGAIN_TURNS)

    assert [each.cpu_cores for each in found] == [7] * 100
    mended = stage.bridge.figures()
    assert (mended.minutes, mended.minutes_lacking) == (100, 0)
    assert len(stage.core.state.done) == 100
    assert stage.turn(AGAIN_TURNS) == []


def test_a_signal_that_is_refused_is_done_without(stage: Stage) -> None:
    """Its query is wrong today and tomorrow."""
    stage.script.faults = {"cores": said(400, "bad_data", "parse error")}

    assert len(stage.turn()) == 100
    figures = stage.bridge.figures()
    assert (figures.minutes_lacking, figures.troubles) == (0, ())
    assert figures.queries_failed["refused"] > 0


READY = "kube_deployment_status_replicas_ready"


@pytest.mark.parametrize("part", [READY, "kube_service_info", "kube_endpoint_address"])
def test_no_workload_is_made_up_while_nobody_says_whose_a_service_is(part: str) -> None:
    """An answer that is empty says that there is no kube-state-metrics; a failure says nothing."""
    script = Script()
    service = {"namespace": "shop", "service": "web-svc"}
    workload = {"namespace": "shop", "kind": "Deployment", "name": "web"}
    script.labels = {
        "requests": [service],
        "kube_endpoint_address": [service | workload],
        "kube_service_info": [service],
        READY: [workload],
    }
    behind = replace(
        REQUESTS, naming=Naming.SERVICE, labels=("namespace", "", "service"), workload=""
    )
    with answering(script) as url:
        stage = Stage(script, url, behind)
        script.faults = {part: TIMED_OUT}
        assert stage.turn() == []
        assert "query timed out" in stage.bridge.figures().troubles[0]

        script.faults.clear()
        assert {each.key for each in stage.turn()} == {"shop/Deployment/web"}
        script.faults = {part: TIMED_OUT}  # what is known stays known
        stage.now_seconds += 60
        assert {each.key for each in stage.turn()} == {"shop/Deployment/web"}
        assert "names of" in stage.bridge.figures().doubts[0]


class Crowd:
    """A reader of so many workloads, which keeps how much of them it gave at once."""

    def __init__(self, workloads: int) -> None:
        self.workloads = workloads
        self.asked: list[range] = []

    def queries_total(self) -> int:
        """Have asked as often."""
        return len(self.asked)

    def now_seconds(self) -> float:
        """Be of the test's opinion."""
        return float("inf")

    def read(self, minute_first: int, minute_last: int) -> TrafficReading:
        """Give nothing, of many."""
        self.asked.append(range(minute_first, minute_last + 1))
        found = Assembly(samples=(), workloads={}, refused={}, strangers=(), keys=self.workloads)
        return TrafficReading(assembly=found, failures=(), failed={})


class Sink:
    """A writer that keeps nothing."""

    def send(self, message: object) -> None:
        """Take it."""

    def flush(self, timeout_seconds: float) -> None:
        """Have it."""

    def failed_total(self) -> int:
        """Give none up."""
        return 0

    def identity(self) -> str:
        """Have no name."""
        return ""

    def close(self) -> None:
        """Be let go."""


@pytest.mark.parametrize("workloads", [0, 100, 1_000, 10_000, 100_000])
def test_no_more_is_read_at_once_than_memory_holds(workloads: int) -> None:
    """Ten minutes until it is known of how many, then as many as fit; and every minute once."""
    crowd = Crowd(workloads)
    core = BridgeCore(crowd, backfill_minutes=400, reread_minutes=0)
    Bridge(core, Sink, now=lambda: 1_000_000.0).turn()

    assert len(crowd.asked[0]) == 10
    most = max(len(minutes) for minutes in crowd.asked[1:])
    assert most == max(1, min(360, PIECE_SAMPLES // max(1, workloads)))
    assert sorted(minute for minutes in crowd.asked for minute in minutes) == list(
        range(crowd.asked[0][-1] - 399, crowd.asked[0][-1] + 1)
    )


def test_a_past_that_takes_too_long_does_not_keep_the_present(stage: Stage) -> None:
    """The newest minutes are read alone, and next time there are some again."""
    late = said(503, "timeout", "query timed out in expression evaluation")

    def of_more_than_ten_minutes(request: BaseHTTPRequestHandler) -> None:
        span = parse_qs(urlsplit(request.path).query)
        if float(span["end"][0]) - float(span["start"][0]) > 600:
            late(request)
        else:
            stage.script.answer(request)

    stage.script.faults = {"requests": of_more_than_ten_minutes}
    first = stage.turn()
    stage.now_seconds += 60
    second = stage.turn()

    assert (len(first), len(second)) == (10, 1)
    assert stage.bridge.figures().troubles == ()
    assert stage.bridge.figures().minutes_missing == 90


def test_a_piece_that_takes_long_is_no_hanging_thread() -> None:
    """Each query that ends is a movement, until none does for ten minutes."""
    script, go = Script(), Semaphore(0)
    now_seconds = [0.0]

    def slow(request: BaseHTTPRequestHandler) -> None:
        go.acquire(timeout=30)
        script.answer(request)

    queries = tuple(replace(CPU, source=f"query {number}") for number in range(4))
    script.faults = {"cores": slow}
    with answering(script) as url:
        bridge = Stage(script, url, *queries).bridge
        with BridgeThread(bridge, monotonic=lambda: now_seconds[0]) as thread:
            wait_until(lambda: script.asked.count("cores") == 2)  # by both threads
            assert not thread.hangs()
            waiting = bridge.progress()
            now_seconds[0] += HANGING_SECONDS - 1
            go.release()
            wait_until(lambda: bridge.progress() != waiting)
            assert not thread.hangs()
            now_seconds[0] += HANGING_SECONDS - 1
            assert not thread.hangs()
            now_seconds[0] += 2
            assert thread.hangs()
            go.release(100)


def test_a_check_does_not_wait_for_one_query_after_another(monkeypatch) -> None:
    """Who says nothing at all is left at once; after one that is late none is asked."""
    monkeypatch.setattr(check, "ANSWERING_SECONDS", 0.2)
    queries = tuple(replace(REQUESTS, source=f"query {number}") for number in range(5))
    script, done, told = Script(), Semaphore(0), []

    def silent(_request: BaseHTTPRequestHandler) -> None:
        done.acquire(timeout=30)

    def findings(url: str) -> tuple[check.SignalFinding, ...]:
        prometheus = Prometheus(PrometheusSettings(url=url))
        options = TrafficOptions(queries=queries)
        return check.checked(prometheus, options, 1000, on_query=told.append)

    with answering(script) as url:
        script.faults = {"vector(0)": silent}
        with pytest.raises(PrometheusError, match=r"no answer within 0\.2 s"):
            findings(url)
        assert (script.asked, told) == (["vector(0)"], [])
        done.release()
        script.faults = {"requests": TIMED_OUT}
        found = findings(url)

    assert script.asked == ["vector(0)", "vector(0)", "requests"]
    assert told == [queries[0]]
    assert {each.state for each in found} == {check.SignalState.FAILED}
    assert "query timed out" in found[0].lacking
    assert {each.lacking for each in found[1:]} == {
        "not asked, since query 0 requests_per_second took too long"
    }


def test_prometheus_that_hangs_does_not_keep_the_process() -> None:
    """Who waits for its answers dies with the process; a pool's threads would be waited for."""
    before = set(threading.enumerate())
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        prometheus = Prometheus(PrometheusSettings(url=url))
        reader = TrafficReader(prometheus, TrafficOptions(queries=(REQUESTS, CPU)))
        with suppress(PrometheusError), ThreadPoolExecutor(1) as caller:
            reading = caller.submit(reader.read, 100, 100)
            both = [server.accept()[0] for _ in range(2)]
            asking = set(threading.enumerate()) - before
            for each in both:
                each.close()
            reading.result()

    assert [each.daemon for each in asking if each not in caller._threads] == [True]  # noqa: SLF001
