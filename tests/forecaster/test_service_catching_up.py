"""While a past is still read: nothing is lost, all is learnt from, and others are served."""

from __future__ import annotations

import pytest
from forecaster_stage import START_MINUTE, WEB, Clock, Stage
from plain_engine import PlainEngine

from forecaster import core
from forecaster.core import Core, CoreOptions
from forecaster.service import ServiceOptions
from telemetry.stream.interface import SAMPLES_TOPIC
from telemetry.stream.memory import MemoryStream

CART = "shop/Deployment/cart"
MINUTES = 2500


def send_past(stage: Stage, minutes: int = MINUTES, keys: tuple[str, ...] = (WEB, CART)) -> None:
    """Put minutes of workloads on the stream, as of now."""
    for minute in range(minutes):
        for key in keys:
            stage.send(1.0 + minute % 5, START_MINUTE - minutes + 1 + minute, key=key)
    stage.clock.at_minute(START_MINUTE)


@pytest.mark.parametrize("state_seconds", [1.0, 1000.0])
def test_who_ends_while_it_catches_up_loses_nothing(tmp_path, state_seconds):
    """No state says that it holds what only waits to be learnt from."""
    first = Stage(tmp_path, options=ServiceOptions(state_seconds=state_seconds))
    send_past(first)
    first.turn()
    first.clock.seconds += 2
    first.turn()
    assert first.service.samples_total < 2 * MINUTES
    first.service.close()

    second = Stage(tmp_path, stream=first.stream, clock=first.clock)
    second.turn(4)
    known = second.core.engine.known
    assert {key: len(known[key]) for key in known} == {WEB: MINUTES, CART: MINUTES}


class FailingEngine(PlainEngine):
    """Cannot take one workload's minutes while `fails` is set."""

    fails = True

    def put(self, key, minutes, requests_per_second):
        """Upsert, or fail."""
        if self.fails and key == CART:
            raise RuntimeError("a broken series")
        return super().put(key, minutes, requests_per_second)


def test_a_workload_that_cannot_be_taken_fails_alone_and_loses_nothing(tmp_path):
    """Its minutes wait, its partition's state with them; then all is there."""
    engine = FailingEngine()
    stage = Stage(tmp_path, engine=engine, options=ServiceOptions(state_seconds=1))
    for minute in range(1, 4):
        stage.clock.at_minute(START_MINUTE + minute)
        stage.send(2.0, key=CART)
        stage.send(1.0)
        found = stage.turn(2)
    assert {each.key for each in found} == {WEB}
    assert stage.service.figures().turn_failures_total > 0
    assert "samples of 1 workloads" in stage.service.readiness().lines[0]
    assert stage.files.read(0) is None
    assert stage.committed() == {}

    engine.fails = False
    stage.clock.seconds += 61
    stage.turn_until(stage.committed)
    assert len(engine.known[CART]) == len(engine.known[WEB]) == 3
    assert stage.service.readiness().ready


class LearningFailsOnce(PlainEngine):
    """Cannot learn the first time."""

    failed = False

    def put_all(self, values):
        """Fail once."""
        if not self.failed:
            self.failed = True
            raise RuntimeError("once")
        return super().put_all(values)


def test_a_failure_in_learning_drops_nothing(tmp_path):
    """Workloads are learnt from one by one where they cannot be together."""
    stage = Stage(tmp_path, engine=LearningFailsOnce())
    send_past(stage, 100)
    stage.turn(2)
    assert {key: len(known) for key, known in stage.core.engine.known.items()} == {
        WEB: 100,
        CART: 100,
    }


def test_a_past_beyond_what_may_gather_is_learnt_from_all_the_same(tmp_path):
    """What is only looked back on is handed on early; the young minutes are learnt from at once."""
    stage = Stage(tmp_path, core_options=CoreOptions(gathered_max=1000))
    send_past(stage, 5 * 1440)
    for _ in range(4):
        stage.turn()
        assert stage.core.intake.fresh_count < 2 * core.LEARNT_MINUTES + 1000 + 2000
    stage.turn(8)

    known = stage.core.engine.known
    assert {key: len(known[key]) for key in known} == {WEB: 5 * 1440, CART: 5 * 1440}
    learnt = [each for each in stage.core.engine.learnt if each]
    assert learnt == [{WEB: core.LEARNT_MINUTES + 1, CART: core.LEARNT_MINUTES + 1}]


def test_who_learns_a_lot_serves_others_in_between(monkeypatch):
    """Only so much is learnt in one turn."""
    monkeypatch.setattr(core, "LEARNT_AT_ONCE_MINUTES", 150)
    engine = PlainEngine()
    own = Core(engine, CoreOptions())
    now = START_MINUTE * 60.0
    for minute in range(100):
        for key in "abcd":
            own.take(0, f"x/Y/{key}", (START_MINUTE - minute) * 60_000, 1.0, now)
    own.turn(now)
    assert sorted(map(len, engine.learnt)) == [2]
    assert own.unkept() == {0}
    own.turn(now)
    assert set(engine.known) == {f"x/Y/{key}" for key in "abcd"}
    assert own.unkept() == set()


def test_healthy_workloads_are_forecast_while_those_of_another_are_read_again(tmp_path):
    """Of a forecaster that died, with its state on a volume of its own."""
    stream, clock = MemoryStream(partitions=2), Clock()
    stages = [Stage(tmp_path / name, stream=stream, clock=clock) for name in "ab"]
    keys = [f"shop/Deployment/web-{number}" for number in range(6)]
    for minute in range(1, 4):
        clock.at_minute(START_MINUTE + minute)
        for key in keys:
            stages[0].send(1.0, key=key)
        for _ in range(6):
            for stage in stages:
                stage.turn()
    own = set(stages[0].core.engine.known)
    lost = sorted(set(keys) - own)
    assert own
    assert lost
    for minute in range(6000 // len(lost)):
        for key in lost:
            stages[0].send(1.0, START_MINUTE - 5000 + minute, key=key)
    group = stream._log(SAMPLES_TOPIC).groups["negawatt-forecaster"]  # noqa: SLF001
    gone = stages[1].service._consumer  # noqa: SLF001
    group.members.remove(gone)  # without a word
    for partition in stages[1].service.assigned():
        del group.owners[partition]

    clock.at_minute(START_MINUTE + 4)
    for key in keys:
        stages[0].send(1.0, key=key)
    stages[0].turn(2)
    assert stages[0].service.assigned() == {0, 1}
    assert "the past is still being read" in stages[0].service.readiness().lines
    asked = {key for minute, asked in stages[0].core.engine.asked for key in asked
             if minute == START_MINUTE + 4}  # fmt: skip
    assert asked == own

    stages[0].turn(6)
    asked = {key for minute, asked in stages[0].core.engine.asked for key in asked
             if minute == START_MINUTE + 4}  # fmt: skip
    assert asked == set(keys)


def test_who_cannot_forecast_is_not_ready_until_it_can(tmp_path):
    """A turn with nothing to do in between says nothing of it."""
    engine = FailingEngine()
    engine.fails = False
    stage = Stage(tmp_path, engine=engine)
    stage.minutes([1.0, 1.0])
    forecast, engine.forecast = engine.forecast, None  # not to be called
    stage.clock.at_minute(stage.clock.minute + 1)
    stage.send(1.0)
    assert not stage.service.attempt()
    assert stage.service.attempt()
    assert stage.service.readiness().lines == ("no forecast could be made; see the log",)

    engine.forecast = forecast
    stage.minutes([1.0])
    assert stage.service.readiness().ready


def test_who_does_not_turn_is_not_ready(tmp_path):
    """Also where its last turn went well."""
    stage = Stage(tmp_path)
    stage.minutes([1.0, 1.0])
    stage.clock.at_minute(stage.clock.minute, 40)
    stage.turn()
    stage.clock.seconds += 300

    assert stage.service.readiness().lines == ("nothing was done for 5 min",)
    stage.turn(2)
    assert stage.service.readiness().ready
