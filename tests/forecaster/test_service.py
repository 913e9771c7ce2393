"""The service over a stream in memory: what it publishes, and that a restart changes nothing."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from threading import Event

import numpy as np
import pytest
from forecaster_stage import START_MINUTE, WEB, Clock, Stage
from plain_engine import PlainEngine

from energy.errors import UnavailableError
from forecaster import core
from forecaster.core import CoreOptions
from forecaster.selection import Selection
from forecaster.service import ServiceOptions
from ledger.action import ActionDecision
from ledger.forecast_error import ForecastError
from telemetry.messages import TrafficForecast, TrafficSample
from telemetry.stream.interface import Batch, Record
from telemetry.stream.memory import MemoryConsumer, MemoryStream

VALUES = [10.0, 12.0, 11.0, 15.0, 14.0, 13.0, 16.0, 18.0]


def rates(forecast: TrafficForecast) -> list[tuple[float, ...]]:
    """Give what was foreseen."""
    return [each.requests_per_second for each in forecast.horizons]


def test_a_forecast_is_published_as_soon_as_the_minute_is_there(tmp_path):
    """As of its end, valid for a while, with all horizons and quantiles."""
    stage = Stage(tmp_path, core_options=CoreOptions(valid_seconds=240))
    forecasts = stage.minutes(VALUES)

    assert [each.issued_at_milliseconds // 60_000 - START_MINUTE for each in forecasts] == [
        2, 3, 4, 5, 6, 7, 8,
    ]  # fmt: skip
    last = forecasts[-1]
    assert last.valid_until_milliseconds == last.issued_at_milliseconds + 240_000
    assert [each.horizon_seconds for each in last.horizons] == [300, 600, 900, 1200, 1500, 1800]
    assert last.model == "mixture"
    assert stage.service.readiness().ready


def test_who_sends_nothing_is_waited_for_and_then_forecast_without_the_minute(tmp_path):
    """All others are not kept waiting."""
    stage = Stage(tmp_path, core_options=CoreOptions(wait_seconds=20))
    other = "shop/Deployment/cart"
    stage.minutes([1.0, 1.0], key=other)
    stage.minutes([1.0, 1.0])
    minute = stage.clock.minute + 1
    stage.clock.at_minute(minute, 1)
    stage.send(2.0)
    assert [each.key for each in stage.turn(2)] == [WEB]

    stage.clock.at_minute(minute, 19)
    assert stage.turn(2) == []

    stage.clock.at_minute(minute, 20)
    assert [each.key for each in stage.turn(2)] == [other]
    assert stage.turn(2) == []


def test_a_restart_changes_no_forecast(tmp_path):
    """The state is kept at the end: the next process goes on as if nothing had been."""
    whole = Stage(tmp_path / "whole")
    expected = whole.minutes(VALUES)

    first = Stage(tmp_path / "parts")
    got = first.minutes(VALUES[:5])
    first.service.close()
    second = Stage(tmp_path / "parts", stream=first.stream, clock=first.clock)
    got += second.minutes(VALUES[5:])

    assert list(map(rates, got)) == list(map(rates, expected))
    assert second.core.put.repeated == 0
    assert second.core.engine.known == whole.core.engine.known
    assert second.core.errors.of(WEB) == whole.core.errors.of(WEB)


def test_what_came_after_the_last_state_is_read_again_after_a_crash(tmp_path):
    """Nothing is lost, and what is read twice counts once."""
    whole = Stage(tmp_path / "whole")
    whole.minutes(VALUES)
    stream, clock = MemoryStream(), Clock()
    crashed = Stage(
        tmp_path / "parts", stream=stream, clock=clock, options=ServiceOptions(state_seconds=200)
    )
    crashed.minutes(VALUES[:5])
    crashed.turn_until(crashed.committed)
    crashed.minutes(VALUES[5:])
    committed = crashed.committed()[0]
    kept = crashed.files.read(0)
    crashed.crash()
    second = Stage(tmp_path / "parts", stream=stream, clock=clock)
    second.turn(3)

    assert kept is not None
    assert committed == kept.offset < len(VALUES)
    assert second.core.engine.known == whole.core.engine.known
    assert second.core.put.accepted == len(VALUES) - kept.offset


def test_without_a_state_file_eight_days_are_read_again(tmp_path):
    """What is older is passed over; nothing is forecast of the past."""
    stream, clock = MemoryStream(), Clock()
    before = Stage(tmp_path / "before", stream=stream, clock=clock)
    for days in (9, 7, 3, 0):
        before.send(float(days), START_MINUTE - days * 1440)
    before.turn()
    before.crash()
    second = Stage(tmp_path / "fresh", stream=stream, clock=clock)
    second.turn(2)

    known = second.core.engine.known[WEB]
    assert sorted(START_MINUTE - minute for minute in known) == [0, 3 * 1440, 7 * 1440]
    assert {minute for minute, _ in second.core.engine.asked} <= {START_MINUTE}


def test_offsets_are_committed_only_with_the_state(tmp_path):
    """What is not kept is read again by whoever comes next."""
    stage = Stage(tmp_path, options=ServiceOptions(state_seconds=1000))
    stage.minutes(VALUES)
    assert stage.committed() == {}

    stage.service.close()
    assert stage.committed() == {0: len(VALUES)}


def test_a_state_that_cannot_be_written_is_told_and_nothing_is_committed(tmp_path):
    """Forecasts go on."""
    stage = Stage(tmp_path, options=ServiceOptions(state_seconds=1))
    stage.minutes(VALUES[:2])
    stage.turn_until(stage.committed)
    before = stage.committed()[0]
    shutil.rmtree(tmp_path / "state")
    forecasts = stage.minutes(VALUES[2:])
    stage.turn_until(lambda: stage.service.figures().state_failures_total > 0)

    assert len(forecasts) == len(VALUES) - 2
    assert stage.committed() == {0: before}


def test_three_forecasters_share_the_work_and_hand_it_over(tmp_path):
    """Each workload is forecast once a minute by whoever has it, whoever comes or goes."""
    stream, clock = MemoryStream(partitions=6), Clock()
    keys = [f"shop/Deployment/web-{number}" for number in range(12)]
    folder = tmp_path  # one volume for all, so that states are handed over
    stages = [Stage(folder, stream=stream, clock=clock)]
    known = {key: {} for key in keys}
    issued: list[tuple[str, int]] = []
    for minute in range(1, 13):
        clock.at_minute(START_MINUTE + minute)
        if minute in {4, 6}:
            stages.append(Stage(folder, stream=stream, clock=clock))
        if minute == 9:
            stages.pop(0).service.close()
        for each in range(8):  # who joins gets partitions when the others have turned
            if each == 4:
                for place, key in enumerate(keys):
                    stages[0].send(float(place + minute), key=key)
                    known[key][START_MINUTE + minute] = float(place + minute)
            issued += [
                (one.key, one.issued_at_milliseconds // 60_000 - START_MINUTE)
                for stage in stages
                for one in stage.turn()
                if stage is stages[0]  # all read the same topic of forecasts
            ]
        for stage in stages[1:]:
            stage.turn()

    held = [set(stage.core.engine.known) for stage in stages]
    assert all(held)
    assert set().union(*held) == set(keys)
    assert sum(map(len, held)) == len(keys)
    for stage in stages:
        assert stage.core.engine.known == {k: known[k] for k in stage.core.engine.known}
    assert {key for key, minute in issued if minute == 12} == set(keys)


def test_opted_in_workloads_have_gauges_and_ledger_rows(tmp_path):
    """Others have neither."""
    stage = Stage(tmp_path, selection=Selection(annotated={WEB: 900.0}))
    stage.minutes([10.0] * 70)
    stage.minutes([10.0], key="shop/Deployment/cart")
    errors = [each for each in stage.records if isinstance(each, ForecastError)]

    gauges = stage.service.figures().gauges
    assert [(each.key, each.horizon_seconds) for each in gauges] == [(WEB, 900)]
    assert {each.forecast_key for each in errors} == {WEB}
    assert {each.model for each in errors} == {"mixture", "lstm", "last-value"}
    assert errors[0].window_end_seconds % 3600 == 0
    assert errors[0].mae_requests_per_second == 0.0
    assert errors[0].coverage_80_ratio == 1.0


def test_an_anomaly_is_recorded_from_its_start_to_its_end(tmp_path):
    """Also where the process is restarted in between."""
    stage = Stage(tmp_path, engine=PlainEngine(anomalous_above=100))
    stage.minutes([10.0, 10.0, 500.0, 500.0])
    assert stage.service.workload(WEB).state == "anomalous"
    stage.service.close()
    after = Stage(
        tmp_path,
        stream=stage.stream,
        clock=stage.clock,
        engine=PlainEngine(anomalous_above=100),
    )
    after.minutes([500.0, 10.0, 10.0])
    records = [
        each for each in (*stage.records, *after.records) if isinstance(each, ActionDecision)
    ]

    assert [each.action for each in records] == ["anomaly-start", "anomaly-end"]
    assert records[1].detail["duration_seconds"] == 180
    assert records[0].forecast_key == WEB
    assert json.dumps(records[0].document())


@pytest.mark.parametrize("rebuilds", [True, False])
def test_in_memory_what_is_taken_is_done_with(tmp_path, rebuilds):
    """Prometheus has it still, so writers need not wait for a state."""
    options = ServiceOptions(rebuilds=rebuilds, publishes=rebuilds, state_seconds=1000)
    stage = Stage(tmp_path, options=options)
    assert bool(stage.minutes(VALUES)) == rebuilds
    assert stage.service.workload(WEB).state == "ready"

    assert stage.committed() == ({} if rebuilds else {0: len(VALUES)})


def test_in_memory_no_message_is_made_that_nobody_reads(tmp_path, monkeypatch):
    """Ten thousand messages a minute take a second, and sixty megabytes."""

    def refuse(*_):
        raise AssertionError("a message is made")

    monkeypatch.setattr(core, "messages_of", refuse)
    stage = Stage(tmp_path, options=ServiceOptions(rebuilds=False, publishes=False))
    stage.minutes(VALUES)

    assert stage.service.workload(WEB).state == "ready"
    assert stage.core.published_total == len(VALUES) - 1


def test_a_long_past_is_learnt_from_at_once(tmp_path):
    """However many polls bring it; nothing is forecast before, and all is known afterwards."""
    stage = Stage(tmp_path)
    for minute in range(3000):
        stage.send(1.0 + minute % 5, START_MINUTE - 2999 + minute)
        stage.send(2.0, START_MINUTE - 2999 + minute, key="shop/Deployment/cart")
    assert not stage.turn()
    assert stage.service.readiness().lines == ("the past is still being read",)
    stage.clock.at_minute(START_MINUTE)
    forecasts = stage.turn(4)

    assert len(stage.core.engine.known[WEB]) == 3000
    (first, *rest) = [each for each in stage.core.engine.learnt if WEB in each]
    assert first[WEB] > 1000
    assert rest == []
    assert {each.key for each in forecasts} == {WEB, "shop/Deployment/cart"}


def test_what_was_learnt_is_not_learnt_again_when_older_minutes_come(tmp_path):
    """A bridge brings the newest hours first, and then the days before them."""
    stage = Stage(tmp_path)
    stage.minutes([1.0, 2.0])
    for minute in range(5000, 2, -1):
        stage.send(1.0, START_MINUTE - minute)
    forecasts = stage.turn(4)

    assert stage.core.put.late == 4998
    assert len(stage.core.engine.learnt) == 1
    assert forecasts == []
    assert len(stage.minutes([1.0])) == 1


def test_a_batch_of_a_partition_that_went_changes_nothing(tmp_path, monkeypatch):
    """What its owner keeps must not be overwritten with the little that came to us by mistake."""
    stage = Stage(tmp_path, options=ServiceOptions(state_seconds=1))
    stage.minutes(VALUES[:2])
    stray = TrafficSample(
        key="shop/Deployment/gone", timestamp_milliseconds=START_MINUTE * 60_000,
        requests_per_second=1.0,
    )  # fmt: skip
    record = Record(
        partition=7, offset=7, key=stray.key, message=stray,
        timestamp_milliseconds=stray.timestamp_milliseconds,
    )  # fmt: skip
    batch = Batch(records=(record,), positions={7: 8})
    monkeypatch.setattr(MemoryConsumer, "poll", lambda *_: batch)
    for _ in range(3):
        stage.service.turn(0.0)
    stage.service.close()

    assert stage.service.workload(stray.key) is None
    assert stage.files.read(7) is None
    assert stage.files.read(0).offset == 2


def test_partitions_that_could_not_be_prepared_are_prepared_with_the_next_turn(
    tmp_path, monkeypatch
):
    """Their samples are neither taken without their past nor passed over."""
    stage = Stage(tmp_path)
    read, failures = stage.files.read, [UnavailableError("no volume")]

    def fail_once(partition):
        if failures:
            raise failures.pop()
        return read(partition)

    monkeypatch.setattr(stage.files, "read", fail_once)
    stage.send(1.0)
    with pytest.raises(UnavailableError, match="no volume"):
        stage.turn()
    stage.turn(2)

    assert stage.service.assigned() == {0}
    assert stage.core.engine.known[WEB] == {START_MINUTE: 1.0}


@pytest.mark.parametrize("rebuilds", [True, False])
def test_a_state_of_another_stream_is_taken_and_its_offset_is_not(tmp_path, rebuilds):
    """No sample of a topic that was made anew is skipped, and the state is written again."""
    options = ServiceOptions(rebuilds=rebuilds, state_seconds=1.0)
    first = Stage(tmp_path, options=options)
    first.minutes(VALUES)
    first.service.close()
    second = Stage(tmp_path, clock=first.clock, options=options)
    second.minutes([1.0, 2.0])
    second.service.close()

    assert len(second.core.engine.known) == 0  # all is given up
    assert second.service.samples_total == 2
    assert second.service.figures().state_failures_total == 0
    assert second.files.read(0).offset == 2
    third = Stage(tmp_path, stream=second.stream, clock=first.clock, options=options)
    third.turn()
    assert len(third.core.engine.known[WEB]) == len(VALUES) + 2


def test_a_state_that_stays_because_it_is_newer_counts_as_not_kept(tmp_path):
    """Whoever was thought dead sees so."""
    stage = Stage(tmp_path, options=ServiceOptions(state_seconds=1))
    stage.minutes(VALUES[:2])
    stage.turn_until(stage.committed)
    kept = stage.files.read(0)
    stage.files.write(0, replace(kept, offset=1000))
    committed = stage.committed()[0]
    stage.minutes(VALUES[2:4])
    stage.turn_until(lambda: stage.service.figures().state_failures_total > 0)

    assert stage.committed()[0] == committed


class SilentEngine(PlainEngine):
    """Has no forecast while `silent` is set."""

    silent = False

    def forecast(self, minute, keys=None):
        """Give forecasts, or why there are none."""
        found = super().forecast(minute, keys)
        if not self.silent:
            return found
        none = np.full_like(found.requests_per_second, np.nan)
        return replace(found, requests_per_second=none, reasons=("too little is known",))


def test_the_reason_is_that_of_now_also_where_the_figures_are_older(tmp_path):
    """Of what was published last one sees that it is, and why nothing newer was."""
    stage = Stage(tmp_path, engine=SilentEngine())
    published = stage.minutes(VALUES)[-1]
    stage.core.engine.silent = True
    stage.minutes([1.0])
    found = stage.service.workload(WEB)
    assert (found.forecast, found.reason) == (published, "too little is known")

    stage.clock.at_minute(stage.clock.minute + 10, 40)
    stage.turn(2)
    found = stage.service.workload(WEB)
    assert (found.state, found.forecast) == ("stale", published)
    assert found.reason == "nothing was measured in the last 300 s"

    stage.core.engine.silent = False
    stage.minutes([1.0])
    assert stage.service.workload(WEB).reason == "the last value"


def test_who_still_looks_for_a_broker_ends_at_once(tmp_path, monkeypatch):
    """There is nothing to keep, so nobody waits for the broker to be told off."""
    monkeypatch.setattr("forecaster.service.STOP_CONNECTING_SECONDS", 0.01)
    monkeypatch.setattr("forecaster.service.STOP_SECONDS", 3600.0)
    asked, answered = Event(), Event()

    class AwayStream(MemoryStream):
        def producer(self, topic):
            asked.set()
            answered.wait()
            return super().producer(topic)

    service = Stage(tmp_path, stream=MemoryStream()).service
    service.close()
    service._stream = AwayStream()  # noqa: SLF001 - the stage's own producer is there at once
    with service:
        asked.wait()
    assert service.reads_past()
    answered.set()
    service._thread.join()  # noqa: SLF001
