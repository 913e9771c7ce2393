"""The bridge between a real Prometheus and a stream in memory: each minute, and no other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest
from scraped_prometheus import prometheus
from traffic_history import History, constant, write_blocks
from written_minutes import DELAY_SECONDS, Clock, Tape

from energy.errors import UnavailableError
from simulator.sandbox.ports import free_ports
from telemetry.bridge.bridge import Bridge
from telemetry.bridge.core import BridgeCore
from telemetry.bridge.minutes import MINUTES_MAX, MinuteRange, MinuteSet
from telemetry.bridge.settings import BridgeSettings, read_settings
from telemetry.bridge.state_file import BridgeState, StateFile
from telemetry.messages import TrafficSample
from telemetry.prometheus import PrometheusError
from telemetry.stream.interface import SAMPLES_TOPIC, Consumer
from telemetry.stream.memory import MemoryStream


class Sink:
    """What has come out of a stream in memory."""

    def __init__(self) -> None:
        self.stream = MemoryStream()
        self._consumer: Consumer = self.stream.consumer(SAMPLES_TOPIC, "test")

    def producer(self):
        """Make a writer."""
        return self.stream.producer(SAMPLES_TOPIC)

    def take(self) -> list[TrafficSample]:
        """Read what is new."""
        found: list[TrafficSample] = []
        while (batch := self._consumer.poll(0.0)).records:
            found += [record.message for record in batch.records]
            self._consumer.commit(batch)
        return found

    def minutes(self) -> dict[int, int]:
        """Count what is new by minute."""
        return dict(Counter(sample.timestamp_milliseconds // 60_000 for sample in self.take()))


def settings_of(url: str, **more: object) -> BridgeSettings:
    """Return settings for requests and response times alone."""
    presets = "istio,envoy-gateway,ingress-nginx,traefik"
    return read_settings({"prometheus_url": url, "presets": presets, **more}, {})


class OwnTime(BridgeCore):
    """A core for a test whose clock is not Prometheus'."""

    def now_seconds(self, own_seconds: float) -> float:
        """Ask Prometheus, and believe the test."""
        super().now_seconds(own_seconds)
        return own_seconds


def core_of(settings: BridgeSettings, state: BridgeState | None = None) -> BridgeCore:
    """Make the core that the settings ask for, with the test's time."""
    core = settings.bridge_core(state)
    core.__class__ = OwnTime
    return core


pytestmark = pytest.mark.prometheus
WORKLOADS = 4  # of the four presets


def test_a_start_reads_back_and_then_minute_by_minute(traffic_history: History) -> None:
    """Every minute once, none before it is complete."""
    sink, clock = Sink(), Clock(traffic_history.minute_last - 3)
    core = core_of(settings_of(traffic_history.url, backfill_hours="2"))
    bridge = Bridge(core, sink.producer, now=clock)

    bridge.turn()
    began = range(traffic_history.minute_last - 122, traffic_history.minute_last - 2)
    assert sink.minutes() == dict.fromkeys(began, WORKLOADS)
    bridge.turn()
    clock.now += 59.9
    bridge.turn()
    assert sink.minutes() == {}
    clock.now += 0.1
    bridge.turn()
    assert sink.minutes() == {traffic_history.minute_last - 2: WORKLOADS}
    figures = bridge.figures()
    assert (figures.samples, figures.minutes) == (121 * WORKLOADS, 121)
    assert (figures.minutes_behind, figures.minutes_missing) == (0, 0)
    assert figures.workloads["requests_per_second"] == WORKLOADS
    assert (figures.troubles, figures.samples_late) == ((), 0)


def test_after_a_gap_exactly_what_is_missing_is_read(
    traffic_history: History, tmp_path: Path
) -> None:
    """What was acknowledged is on disk: neither a hole nor the time away is forgotten."""
    last = traffic_history.minute_last
    settings = settings_of(traffic_history.url, backfill_hours="0")
    file = StateFile(tmp_path / "state.json", of="test")
    done = MinuteSet.of([MinuteRange(last - 100, last - 60), MinuteRange(last - 50, last - 10)])
    file.write(BridgeState(since=last - 100, done=done))
    sink = Sink()

    bridge = Bridge(core_of(settings, file.read()), sink.producer, now=Clock(last), state_file=file)
    bridge.turn()

    missing = [*range(last - 59, last - 50), *range(last - 9, last + 1)]
    assert sink.minutes() == dict.fromkeys(missing, WORKLOADS)
    kept = file.read()
    assert kept is not None
    assert kept.done.ranges == (MinuteRange(last - 100, last),)
    assert bridge.figures().minutes_backfilled == 9
    # And the next process has nothing to do.
    Bridge(core_of(settings, kept), sink.producer, now=Clock(last), state_file=file).turn()
    assert sink.minutes() == {}


def test_a_clock_that_goes_back_loses_nothing(traffic_history: History) -> None:
    """What had come too soon is read again when it is over; nothing is left out."""
    last = traffic_history.minute_last
    sink, clock = Sink(), Clock(last - 5)
    core = core_of(settings_of(traffic_history.url, backfill_hours="0.1"))
    bridge = Bridge(core, sink.producer, now=clock)
    bridge.turn()
    assert last - 5 in sink.minutes()

    clock.now -= 120
    bridge.turn()
    assert sink.minutes() == {}
    clock.now += 120 + 60
    bridge.turn()

    assert set(sink.minutes()) == {last - 6, last - 5, last - 4}


def test_no_minute_is_read_that_prometheus_has_not_lived(traffic_history: History) -> None:
    """A clock of ours that is ahead waits for Prometheus'."""
    core = settings_of(traffic_history.url, backfill_hours="0.1").bridge_core()
    ahead = (traffic_history.minute_last + 1000) * 60.0

    assert core.now_seconds(ahead) < ahead - 50_000
    assert core.now_seconds(5.0) == 5.0


@pytest.fixture
def folder_with_history(tmp_path: Path) -> Path:
    """Write an hour of one workload's requests, until minute 29,000,000."""
    series = {'web_rate{app="web"}': constant(5)}
    write_blocks(tmp_path, series, end_minute=29_000_000, minutes=60, step=15)
    return tmp_path


USER = {"admin": "$2b$12$hNf2lSsxfm0.i4a.1kVpSOVyBCfIB51VRjgBUyv6kdnyTlgWj81Ay"}


def test_prometheus_away_and_back(folder_with_history: Path, tmp_path: Path) -> None:
    """Behind a password, restarted in the middle: then all that was missed is there."""
    queries, password, web = (tmp_path / name for name in ("queries.yaml", "password", "web.yml"))
    queries.write_text(
        "queries: [{signal: requests_per_second, promql: web_rate, workload: a/Deployment/web}]"
    )
    password.write_text("test\n")  # the word whose hash Prometheus' own guide has
    web.write_text(f"basic_auth_users: {USER}")
    (port,) = free_ports(1)
    settings = settings_of(
        f"http://127.0.0.1:{port}",
        presets="",
        queries_file=str(queries),
        prometheus_username="admin",
        prometheus_password_file=str(password),
        backfill_hours="0",
    )
    sink, clock = Sink(), Clock(29_000_000 - 30)
    core = core_of(settings)
    bridge = Bridge(core, sink.producer, now=clock)

    def running():
        return prometheus(
            folder_with_history,
            arguments=(f"--web.config.file={web}", "--storage.tsdb.retention.time=100y"),
            is_ready=_answers(settings),
            port=port,
        )

    with running():
        bridge.turn()
        clock.now += 60
        bridge.turn()
    assert sink.minutes() == {29_000_000 - 29: 1}
    clock.now += 10 * 60
    bridge.turn()
    away = bridge.figures()
    with running():
        bridge.turn()

    assert "cannot be reached" in away.troubles[0]
    assert away.queries_failed == {"unreachable": 1}
    assert sink.minutes() == {29_000_000 - 29 + ahead: 1 for ahead in range(1, 11)}
    assert bridge.figures().troubles == ()


def _answers(settings: BridgeSettings) -> Callable[[str], bool]:
    core = settings.bridge_core()

    def answers(_url: str) -> bool:
        try:
            core.now_seconds(0.0)
        except UnavailableError:
            return False
        return True

    return answers


def sent(sink: Sink) -> list[tuple[int, str, float | None]]:
    """List minute, name and rate of what is new."""
    return [
        (each.timestamp_milliseconds // 60_000, each.key[-1], each.requests_per_second)
        for each in sink.take()
    ]


def test_what_comes_late_is_sent_again_only_if_it_changed() -> None:
    """A new value, a new workload; nothing that is the same, has vanished, or is long past."""
    tape, sink, clock = Tape(), Sink(), Clock(100)
    core = BridgeCore(tape, backfill_minutes=3, reread_minutes=3)
    bridge = Bridge(core, sink.producer, now=clock)
    tape.rates = {minute: {"x": 1.0, "y": 2.0} for minute in range(98, 110)}
    bridge.turn()
    assert len(sent(sink)) == 6

    tape.rates[98] = {"x": 9.0}
    tape.rates[99] = {"x": 1.5, "y": 2.0, "z": 3.0}
    tape.rates[100] = {"y": None}
    clock.now += 60
    bridge.turn()
    assert sent(sink) == [
        (98, "x", 9.0),
        (99, "x", 1.5),
        (99, "z", 3.0),
        (100, "y", 2.0),  # its CPU is new, its rate is kept
        (101, "x", 1.0),
        (101, "y", 2.0),
    ]
    clock.now += 60
    bridge.turn()
    assert sent(sink) == [(102, "x", 1.0), (102, "y", 2.0)]
    assert tape.asked[-1] == (99, 102)
    assert bridge.figures().samples_late == 4


@pytest.mark.parametrize("ahead_seconds", [5, 400 * 86_400])
def test_a_clock_of_ours_that_is_ahead_has_nothing_read_again(ahead_seconds: int) -> None:
    """Not the oldest minutes while it is over by our clock alone, and not all that was done."""
    tape, sink, clock = Tape(), Sink(), Clock(20_000)
    tape.rates = {8_480: {"x": 1.0}, 20_000: {"x": 2.0}}
    tape.clock = lambda: clock() - ahead_seconds
    clock.now += ahead_seconds - 60
    bridge = Bridge(BridgeCore(tape, reread_minutes=0), sink.producer, now=clock)
    bridge.turn()
    assert bridge.figures().minutes == MINUTES_MAX
    asked = len(tape.asked)

    for _ in range(2):
        clock.now += 29
        bridge.turn()
    assert len(tape.asked) == asked
    clock.now += 2
    bridge.turn()

    assert tape.asked[asked:] == [(20_000, 20_000)]
    assert sent(sink) == [(8_480, "x", 1.0), (20_000, "x", 2.0)]


def test_a_past_that_is_refused_does_not_keep_the_present() -> None:
    """It is left alone for an hour of turns; what nobody foresaw ends a turn, not the thread."""
    tape, sink, clock = Tape(), Sink(), Clock(100)
    tape.rates = {minute: {"x": 1.0} for minute in range(90, 200)}
    refused = PrometheusError("answered 422", where="there", mend="mend it", kind="refused")
    tape.fault = lambda minute: refused if minute < 94 else None
    core = BridgeCore(tape, backfill_minutes=10, reread_minutes=0, piece_minutes=3)
    bridge = Bridge(core, sink.producer, now=clock)

    bridge.turn()
    clock.now += 60
    bridge.turn()
    assert sorted(minute for minute, _, _ in sent(sink)) == list(range(94, 102))
    assert bridge.figures().queries_failed == {"refused": 1}
    assert bridge.figures().minutes_missing == 3

    tape.fault = lambda minute: ZeroDivisionError() if minute >= 102 else None
    clock.now += 60
    bridge.turn()
    assert bridge.figures().troubles == ("internal error: ZeroDivisionError, see the log",)
    tape.fault = lambda _minute: None
    for _ in range(60):
        bridge.turn()
    assert sorted(minute for minute, _, _ in sent(sink)) == [91, 92, 93, 102]
    assert bridge.figures().minutes_missing == 0


class Pauses(Event):
    """Lets time pass as long as somebody waits, a few times."""

    def __init__(self, clock: Clock, times: int) -> None:
        super().__init__()
        self._clock = clock
        self._times = times
        self.seconds: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        """Pass the time."""
        self.seconds.append(timeout or 0.0)
        self._clock.now += timeout or 0.0
        if len(self.seconds) == self._times:
            self.set()
        return self.is_set()


def test_it_wakes_when_a_minute_is_over_by_both_clocks() -> None:
    """Prometheus' is three seconds behind ours: that is waited for, not another minute."""
    tape, sink, clock = Tape(), Sink(), Clock(100, DELAY_SECONDS + 10)
    tape.rates = {minute: {"x": 1.0} for minute in range(90, 120)}
    tape.now_seconds = lambda: clock.now - 3  # type: ignore[method-assign]
    core = BridgeCore(tape, backfill_minutes=1)
    pauses = Pauses(clock, 5)

    Bridge(core, sink.producer, now=clock).run(pauses)

    assert pauses.seconds == [50, 2, 2, 56, 2]
    assert [minute for minute, _, _ in sent(sink)] == [100, 101]
