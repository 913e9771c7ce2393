"""The bridge and its stream: a broker that is away, that gives up, whose topic is made anew."""

from __future__ import annotations

from pathlib import Path

from written_minutes import Clock, Tape

from energy.errors import UnavailableError
from telemetry.bridge.bridge import Bridge
from telemetry.bridge.core import BridgeCore
from telemetry.bridge.minutes import MinuteRange, MinuteSet
from telemetry.bridge.state_file import BridgeState, StateFile
from telemetry.messages import TrafficSample


class Broker:
    """A stream that goes away as a test says: a producer's words, kept in order."""

    def __init__(self) -> None:
        self.is_away = False
        self.room = 1000
        self.sent: list[TrafficSample] = []
        self.given_up = 0
        self.opened = 0
        self.waiting = 0
        self.log = "one"

    def open(self):
        """Be connected to, if it is there."""
        self.opened += 1
        if self.is_away:
            raise UnavailableError("no broker answers")
        return self

    def send(self, message: TrafficSample) -> None:
        """Take a message while there is room."""
        if len(self.sent) >= self.room:
            raise UnavailableError("the buffer is full")
        self.waiting += 1
        self.sent.append(message)

    def flush(self, timeout_seconds: float) -> None:
        """Acknowledge if it is there."""
        if self.is_away and self.waiting:
            raise UnavailableError("not all is acknowledged")
        self.waiting = 0

    def failed_total(self) -> int:
        """Say what was given up."""
        return self.given_up

    def identity(self) -> str:
        """Name the topic."""
        return self.log

    def close(self) -> None:
        """Let go."""


def test_a_topic_that_was_made_anew_gets_all_the_history(tmp_path: Path) -> None:
    """While the bridge runs, and before it starts; a broker that names no topic says nothing."""
    tape, broker, clock = Tape(), Broker(), Clock(100)
    tape.rates = {minute: {"x": 1.0} for minute in range(90, 120)}
    file = StateFile(tmp_path / "state.json", of="test")

    def started() -> Bridge:
        core = BridgeCore(tape, backfill_minutes=3, reread_minutes=0, state=file.read())
        return Bridge(core, broker.open, now=clock, state_file=file)

    def minutes() -> list[int]:
        bridge.turn()
        found = [each.timestamp_milliseconds // 60_000 for each in broker.sent]
        broker.sent.clear()
        return found

    bridge = started()
    assert minutes() == [98, 99, 100]
    for log in ("", "one"):
        broker.log = log
        assert minutes() == []
    broker.log = "two"
    assert minutes() == [98, 99, 100]
    bridge = started()
    clock.now += 60
    assert minutes() == [101]
    broker.log = "three"
    bridge = started()
    clock.now += 60
    assert sorted(minutes()) == [100, 101, 102]
    assert file.read() == BridgeState(
        since=100, done=MinuteSet.of([MinuteRange(100, 102)]), log="three"
    )


def test_a_broker_that_is_away_gets_nothing_twice_when_it_comes_back() -> None:
    """What waits in its buffer is settled first; what it gave up is read and sent again."""
    tape, broker, clock = Tape(), Broker(), Clock(100)
    tape.rates = {minute: {"x": 1.0} for minute in range(90, 120)}
    bridge = Bridge(BridgeCore(tape, backfill_minutes=1, reread_minutes=0), broker.open, now=clock)

    def minutes() -> list[int]:
        found = [each.timestamp_milliseconds // 60_000 for each in broker.sent]
        broker.sent.clear()
        return found

    broker.is_away = True
    bridge.turn()
    bridge.turn()
    assert (minutes(), broker.opened, bridge.figures().stream_failed) == ([], 2, 2)
    broker.is_away = False
    bridge.turn()
    assert minutes() == [100]

    broker.is_away = True
    for _ in range(10):  # ten minutes
        clock.now += 60
        bridge.turn()
    assert minutes() == [101]  # in its buffer since
    assert bridge.figures().troubles == ("not all is acknowledged",)
    assert bridge.figures().minutes_behind == 10
    broker.is_away = False
    bridge.turn()
    assert minutes() == list(range(102, 111))
    assert bridge.figures().minutes_behind == 0

    clock.now += 60
    broker.room = 0
    bridge.turn()
    broker.room = 1000
    bridge.turn()
    assert minutes() == [111]

    clock.now += 60
    broker.is_away = True
    bridge.turn()
    broker.given_up, broker.is_away = 1, True
    bridge.turn()
    broker.is_away = False
    bridge.turn()
    assert minutes() == [112, 112]
