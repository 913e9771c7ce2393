"""Three forecasters on a real broker: they share the workloads, and hand over what they know."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from forecaster_stage import START_MINUTE, WEB, Clock, Stage

from energy.errors import UnavailableError
from forecaster.__main__ import service_options
from forecaster.settings import read_settings
from telemetry.kafka import KafkaSettings, KafkaStream
from telemetry.kafka.writer import KafkaWriter
from telemetry.stream.settings import open_stream

pytestmark = pytest.mark.kafka

KEYS = tuple(f"shop/Deployment/web-{number}" for number in range(24))
SECONDS_MAX = 60.0


class Group:
    """Forecasters of one group, turned in turn."""

    def __init__(self, folder, stream) -> None:
        self.folder, self.stream, self.clock = folder, stream, Clock()
        self.stages: list[Stage] = []
        self.sent: dict[str, dict[int, float]] = {key: {} for key in KEYS}
        self.published: dict[tuple[str, int], int] = {}

    def join(self) -> None:
        """Let one more forecaster come."""
        self.stages.append(Stage(self.folder, stream=self.stream, clock=self.clock))

    def leave(self) -> None:
        """Let the first one end as on SIGTERM."""
        stage = self.stages.pop(0)
        stage.service.close()
        stage.close_clients()

    def minute(self) -> None:
        """Send a minute of every workload, and wait until all have been forecast of it."""
        minute = self.clock.minute + 1
        self.clock.at_minute(minute)
        for place, key in enumerate(KEYS):
            value = float(100 * (minute - START_MINUTE) + place)
            self.sent[key][minute] = value
            self.stages[0].send(value, key=key)
        self.until(lambda: all(minute in self.held().get(key, {}) for key in KEYS))

    def until(self, condition) -> None:
        """Turn everybody until something is so."""
        deadline = time.monotonic() + SECONDS_MAX
        while not condition():
            assert time.monotonic() < deadline, "the group did not get there"
            for stage in self.stages:
                stage.service.turn(0.02)

    def held(self) -> dict[str, dict[int, float]]:
        """What is known of each workload, by whoever has it; nobody has one that another has."""
        found: dict[str, dict[int, float]] = {}
        for stage in self.stages:
            for key, known in stage.core.engine.known.items():
                if key not in found or len(known) > len(found[key]):
                    found[key] = known
        return found

    def shares(self) -> list[frozenset[int]]:
        """The partitions of each."""
        return [stage.service.assigned() for stage in self.stages]

    def is_shared(self) -> bool:
        """Whether everybody has a part, and all parts are had once."""
        shares = self.shares()
        return all(shares) and sum(map(len, shares)) == 3 == len(frozenset().union(*shares))


@pytest.mark.slow
def test_three_forecasters_share_and_hand_over_on_kafka(tmp_path, kafka_broker):
    """One, then three, then two: no minute is lost, and none counts twice."""
    group = Group(tmp_path, KafkaStream(kafka_broker.settings()))
    group.join()
    group.until(lambda: bool(group.shares()[0]))
    for _ in range(3):
        group.minute()
    group.join()
    group.join()
    group.until(group.is_shared)
    for _ in range(2):
        group.minute()
    group.leave()
    group.until(lambda: sum(map(len, group.shares())) == 3)
    for _ in range(2):
        group.minute()

    assert group.held() == group.sent
    owners = [set(stage.core.engine.known) for stage in group.stages]
    assert owners[0] | owners[1] == set(KEYS)
    assert not owners[0] & owners[1]
    for stage in group.stages:
        # Whoever took a workload over knew its past from the state, and read none of it again.
        assert stage.core.put.repeated == 0
        assert stage.core.put.accepted + stage.core.put.late < 7 * len(KEYS)
    for stage in group.stages:
        stage.service.close()
        stage.close_clients()


def test_messages_that_cannot_be_unpacked_are_told_of(tmp_path, kafka_broker, monkeypatch):
    """Somebody else's lz4, say: the partition stands still, and readiness says why."""
    stage = Stage(tmp_path, stream=KafkaStream(kafka_broker.settings(compression="gzip")))
    stage.send(1.0)
    stage.flush()
    with monkeypatch.context() as patched:
        patched.setattr("kafka.codec.has_gzip", lambda: False)
        deadline = time.monotonic() + SECONDS_MAX
        while stage.service.attempt():
            assert time.monotonic() < deadline, "it was read"
        lines = stage.service.readiness().lines
    stage.service.close()
    stage.close_clients()

    assert "messages are compressed in a way that we cannot read" in lines[0]


def adapters_message(minute: int, value: str, name: str = "workload:requests:rate1m") -> bytes:
    """Give what prometheus-kafka-adapter writes at the end of a minute."""
    at = datetime.fromtimestamp(minute * 60, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    labels = {"__name__": name, "namespace": "shop", "workload": "web"}
    return json.dumps({"timestamp": at, "value": value, "name": name, "labels": labels}).encode()


def adapters_settings(folder, kafka: KafkaSettings):
    """Give the forecaster's settings for a topic of the adapter."""
    mapping = folder / "mapping.yaml"
    mapping.write_text(
        "fields_by_metric: {'workload:requests:rate1m': requests_per_second}\n"
        "name_label: workload\n",
        encoding="utf-8",
    )
    given = {
        "stream": "kafka",
        "kafka_servers": ",".join(kafka.servers),
        "kafka_topic_prefix": kafka.topic_prefix,
        "samples_format": "adapter",
        "samples_topic": "metrics",
        "adapter_mapping": str(mapping),
    }
    return read_settings(given, {})


def test_samples_of_the_adapter_are_forecast(tmp_path, kafka_broker):
    """From its JSON to a published forecast; what is none of ours, or no rate, costs none."""
    kafka = kafka_broker.settings()
    settings = adapters_settings(tmp_path, kafka)
    stage = Stage(tmp_path, stream=open_stream(settings), options=service_options(settings))
    stage.turn_until(lambda: stage.service.assigned() == {0})
    writer = KafkaWriter(kafka, f"{kafka.topic_prefix}metrics", messages_max=100)
    for minute in range(1, 4):
        writer.send(adapters_message(START_MINUTE + minute, "12.5"))
        writer.send(adapters_message(START_MINUTE + minute, "NaN"))
        writer.send(adapters_message(START_MINUTE + minute, "huh", name="up"))
    writer.flush(30.0)
    stage.clock.at_minute(START_MINUTE + 3)
    forecasts = []
    stage.turn_until(lambda: bool(forecasts) or forecasts.extend(stage.turn()))

    known = {START_MINUTE + minute: 12.5 for minute in range(1, 4)}
    assert stage.core.engine.known == {WEB: known}
    assert {each.key for each in forecasts} == {WEB}
    assert stage.service.figures().dead_letters_total == 0
    writer.close()
    stage.service.close()
    stage.close_clients()


def test_a_topic_of_the_adapter_with_several_partitions_is_refused(tmp_path, kafka_broker):
    """Its messages have no key: forecasters would each have a part of each workload."""
    settings = adapters_settings(tmp_path, kafka_broker.settings())
    topic = service_options(settings).samples
    three = KafkaStream(kafka_broker.settings(topic_prefix=settings.kafka_topic_prefix))
    three.producer(replace(topic, is_keyed=True)).close()

    with pytest.raises(UnavailableError, match=r"metrics: it has 3 partitions .* no key"):
        open_stream(settings).consumer(topic, "torn")
