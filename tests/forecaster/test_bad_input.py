"""Bad input of every kind that is foreseen: what becomes of it, as docs/how-to promises."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from forecaster_stage import START_MINUTE, WEB, Clock, Stage
from plain_engine import PlainEngine

from energy.errors import InputError, UnavailableError
from forecaster.core import Core, CoreOptions
from forecaster.early import EarlySamples
from forecaster.intake import Intake
from forecaster.service import ServiceOptions
from telemetry.messages import TrafficSample
from telemetry.stream.interface import SAMPLES_TOPIC
from telemetry.stream.memory import MemoryStream

GOOD = {"schema_version": 1, "key": WEB, "timestamp_milliseconds": 1_700_000_040_000}


@pytest.mark.parametrize(
    "data",
    [
        json.dumps(GOOD | {"requests_per_second": math.nan}).encode(),
        json.dumps(GOOD | {"requests_per_second": -1.0}).encode(),
        json.dumps(GOOD | {"requests_per_second": 1e15}).encode(),
        b'{"foreign": ["json"]}',
        b"[]",
        b"\xff",
    ],
    ids=["NaN", "negative", "10^15", "foreign", "list", "no text"],
)
def test_what_is_no_sample_never_comes_so_far(data):
    """NaN, negative and absurd rates and foreign JSON: a dead letter, with the reason."""
    with pytest.raises(InputError):
        SAMPLES_TOPIC.decode(data)


def test_an_absurd_rate_that_came_all_the_same_is_refused(tmp_path):
    """A second line of defence: it is counted, and the series goes on."""
    stage = Stage(tmp_path)
    stage.minutes([10.0, 10.0])
    for value in (math.nan, -5.0, math.inf):
        stage.core.take(0, WEB, (stage.clock.minute + 1) * 60_000, value, stage.clock.seconds)
    assert stage.service.figures().refused["no-rate"] == 3

    assert len(stage.minutes([10.0])) == 1


def test_while_the_clock_stands_backwards_nothing_is_forecast(tmp_path):
    """It is counted once and said by /readyz; the last forecasts hold as long as they said."""
    stage = Stage(tmp_path)
    stage.minutes([10.0, 10.0, 10.0])
    stage.clock.at_minute(START_MINUTE - 2)
    stage.send(10.0)

    assert stage.turn(3) == []
    assert stage.service.figures().clock_backwards_total == 1
    assert stage.service.readiness().lines == (
        "the clock stands 5 min before what was forecast last",
    )

    stage.clock.at_minute(START_MINUTE + 3)
    assert len(stage.minutes([10.0])) == 1
    assert stage.service.readiness().ready


def test_samples_from_the_future_are_refused(tmp_path):
    """Those of a clock that is a little ahead are taken."""
    stage = Stage(tmp_path)
    stage.minutes([10.0, 10.0])
    stage.send(99.0, stage.clock.minute + 63)
    stage.send(11.0, stage.clock.minute + 1)
    stage.turn()

    assert stage.service.figures().refused["future"] == 1
    assert stage.service.figures().early_samples == 0
    assert max(stage.core.engine.known[WEB]) == stage.clock.minute + 1


@pytest.mark.parametrize("restarts", [False, True])
def test_samples_wait_for_a_clock_of_ours_that_is_late(tmp_path, restarts):
    """For ten minutes it stands; then it is set right, and nothing that came is lost."""
    stage = Stage(tmp_path)
    stage.minutes([10.0, 10.0])
    began = stage.clock.minute
    for ahead in range(1, 11):
        stage.send(10.0 + ahead, began + ahead)
        stage.send(None, began + ahead, key="shop/Deployment/new")
        stage.turn()
    waiting = stage.service.figures().early_samples
    known = max(stage.core.engine.known[WEB])
    if restarts:
        stage.service.close()
        stage = Stage(tmp_path, stream=stage.stream, clock=stage.clock)
    stage.clock.at_minute(began + 10)
    stage.turn(2)

    assert (waiting, known) == (16, began + 2)
    assert stage.core.engine.known[WEB] | {began - 1: 10.0, began: 10.0} == {
        began + ahead: 10.0 + max(ahead, 0) for ahead in range(-1, 11)
    }
    assert np.isnan(list(stage.core.engine.known["shop/Deployment/new"].values())).all()
    assert stage.service.figures().early_samples == 0
    assert stage.service.figures().refused["future"] == 0


def test_no_more_samples_wait_than_there_is_room_for():
    """The others are refused and counted; those of a partition that goes are forgotten."""
    early = EarlySamples(samples_max=2)
    assert [early.hold(part, WEB, 600_000, 1.0, 0.0) for part in (0, 1, 1)] == [True, True, False]
    early.drop(0)
    assert [each.partition for each in early.due(600.0)] == [1]


def test_a_sample_is_let_go_when_it_may_be_taken():
    """Else it would wait again, for ever: no rounding may say one thing here and another there."""
    moment_seconds, milliseconds = 1_795_000_000.0279999, 1_795_000_120_028
    early, intake = EarlySamples(), Intake()
    assert early.hold(0, WEB, milliseconds, 1.0, moment_seconds - 10)

    for _ in early.due(moment_seconds):
        assert not early.hold(0, WEB, milliseconds, 1.0, moment_seconds)
        assert intake.take(WEB, milliseconds, 1.0, moment_seconds) is None
    assert len(early) == 1
    assert len(list(early.due(moment_seconds + 0.001))) == 1


def test_samples_that_wait_are_restored_once():
    """A start that fails is tried again; and nothing is kept of a state that does not fit."""
    own = Core(PlainEngine(), CoreOptions())
    own.take(0, WEB, 600_000, 1.0, 0.0)
    state = own.export(0)
    after = Core(PlainEngine(), CoreOptions())
    for _ in range(2):
        after.restore(0, state)
    assert len(after.early) == 1

    with pytest.raises(KeyError):
        after.restore(0, state | {"intake": {}})
    assert len(after.early) == 0


def test_samples_that_come_twice_or_late_change_nothing_else(tmp_path):
    """They are upserted: in any order and number they make the same history and forecast."""
    plain, shuffled = Stage(tmp_path / "plain"), Stage(tmp_path / "shuffled")
    expected = plain.minutes([10.0, 20.0, 30.0, 40.0])[-1]
    shuffled.minutes([10.0])
    shuffled.clock.at_minute(START_MINUTE + 4)
    for place in (3, 2, 3, 1, 4, 2):
        shuffled.send(10.0 * place, START_MINUTE + place)
    found = shuffled.turn(2)

    assert shuffled.core.engine.known == plain.core.engine.known
    assert [each.horizons for each in found] == [expected.horizons]
    assert shuffled.core.put.repeated == 1


def test_a_series_of_one_point_warms_up(tmp_path):
    """It is known, says why there is no forecast, and none is published."""
    stage = Stage(tmp_path)

    assert stage.minutes([10.0]) == []
    found = stage.service.workload(WEB)
    assert found.state == "warming up"
    assert found.reason == "warming up"
    assert found.forecast is None
    assert stage.service.figures().gauges[0].requests_per_second is None


def test_when_nothing_comes_for_ten_minutes_forecasts_end_visibly(tmp_path):
    """Prometheus is away: five minutes on what is known, then none; then all is as before."""
    stage = Stage(tmp_path)
    stage.minutes([10.0, 10.0, 10.0])
    last = stage.clock.minute
    for minute in range(last + 1, last + 11):
        stage.clock.at_minute(minute, 40.0)
        found = stage.turn(2)
        assert bool(found) == (minute < last + 5)
    figures = stage.service.figures()

    assert figures.stale_keys == 1
    assert figures.gauges[0].requests_per_second is None
    assert figures.valid_keys == 0
    assert stage.service.workload(WEB).state == "stale"

    # It is back, and what was missed comes with it, the newest first.
    stage.clock.at_minute(last + 11)
    for minute in (last + 11, *range(last + 1, last + 11)):
        stage.send(10.0, minute)
    assert [each.issued_at_milliseconds for each in stage.turn(2)] == [(last + 11) * 60_000]
    assert len(stage.core.engine.known[WEB]) == 14
    assert stage.service.workload(WEB).state == "ready"


class AwayStream(MemoryStream):
    """A broker that is away while `away` is set."""

    away = False

    def consumer(self, topic, group, *callbacks):
        """Make a reader that raises while the broker is away."""
        consumer = super().consumer(topic, group, *callbacks)
        if topic is SAMPLES_TOPIC:
            poll = consumer.poll

            def polled(*arguments):
                if self.away:
                    raise UnavailableError("no broker answers", where="broker:9092")
                return poll(*arguments)

            consumer.poll = polled
        return consumer


def test_when_the_broker_is_away_for_ten_minutes_it_is_told_and_nothing_is_lost(tmp_path):
    """No forecast is made up meanwhile; what was sent in between is caught up with."""
    stream, clock = AwayStream(), Clock()
    stage = Stage(tmp_path, stream=stream, clock=clock)
    stage.minutes([10.0, 10.0])
    last = clock.minute
    stream.away = True
    for minute in range(last + 1, last + 11):
        clock.at_minute(minute)
        stage.send(10.0)
        assert not stage.service.attempt()
    assert not stage.service.readiness().ready
    assert "no broker answers" in stage.service.readiness().lines[0]
    assert stage.service.figures().valid_keys == 0

    stream.away = False
    assert [each.issued_at_milliseconds for each in stage.turn(2)] == [(last + 10) * 60_000]
    assert len(stage.core.engine.known[WEB]) == 12
    assert stage.service.readiness().ready


def test_a_stream_without_room_loses_forecasts_and_not_samples(tmp_path):
    """The next forecast is better than a late one: it is dropped and counted."""
    stage = Stage(tmp_path)
    stage.minutes([10.0, 10.0])

    def send(_message):
        raise UnavailableError("the buffer is full", where="forecasts")

    stage.service._producer.send = send  # noqa: SLF001 - the only thing that fails
    assert stage.minutes([10.0, 10.0]) == []

    assert stage.service.figures().forecasts_dropped_total == 2
    assert len(stage.core.engine.known[WEB]) == 4


def test_a_sample_without_a_rate_is_an_outage(tmp_path):
    """Null is not zero: the forecast goes on from what was measured."""
    stage = Stage(tmp_path)
    stage.minutes([10.0, 10.0])
    stage.clock.at_minute(stage.clock.minute + 1)
    stage.send(None)
    (found,) = stage.turn(2)

    assert found.horizons[0].requests_per_second[2] == 10.0
    assert isinstance(found.horizons[0].requests_per_second[2], float)
    assert TrafficSample(key=WEB, timestamp_milliseconds=0).requests_per_second is None


def test_a_clock_that_is_days_ahead_for_a_moment_forgets_nothing(tmp_path):
    """Age is measured by the samples, and a long fall of the clock is believed."""
    stage = Stage(tmp_path, options=ServiceOptions(state_seconds=60))
    stage.minutes([10.0, 10.0, 10.0])
    right = stage.clock.minute
    stage.clock.at_minute(right + 9 * 1440, 31.0)
    stage.send(10.0, right)
    assert stage.turn(3) == []
    stage.turn_until(stage.committed)
    before = stage.committed()[0]

    stage.clock.at_minute(right + 1)
    stage.send(10.0)
    assert [each.issued_at_milliseconds for each in stage.turn(3)] == [(right + 1) * 60_000]
    assert len(stage.core.engine.known[WEB]) == 4
    assert stage.service.readiness().ready
    assert stage.service.figures().clock_backwards_total == 1
    stage.turn_until(lambda: stage.committed()[0] > before)


def test_samples_that_measure_nothing_make_no_data_younger(tmp_path):
    """Five minutes on what was measured, then none, however many of them come."""
    stage = Stage(tmp_path)
    stage.minutes([10.0, 10.0, 10.0])
    last = stage.clock.minute
    for minute in range(last + 1, last + 10):
        stage.clock.at_minute(minute)
        stage.send(None)
        assert bool(stage.turn(2)) == (minute < last + 5)
    assert stage.service.workload(WEB).state == "stale"
    stage.service.close()

    after = Stage(tmp_path, stream=stage.stream, clock=stage.clock)
    after.clock.at_minute(last + 10, 40)
    assert after.turn(2) == []
    after.clock.at_minute(last + 11)
    after.send(10.0)
    assert len(after.turn(2)) == 1


def test_workloads_beyond_what_may_be_known_are_refused_and_counted(tmp_path):
    """A name that changes with every restart must not fill the memory."""
    stage = Stage(tmp_path, core_options=CoreOptions(keys_max=2))
    for minute in range(1, 4):
        stage.clock.at_minute(START_MINUTE + minute)
        for name in "abc":
            stage.send(1.0, key=f"shop/Deployment/{name}")
        forecasts = stage.turn(2)

    assert {each.key for each in forecasts} == {"shop/Deployment/a", "shop/Deployment/b"}
    figures = stage.service.figures()
    assert (figures.keys, figures.refused["too-many"]) == (2, 3)
