"""Kafka when things break: a broker restarted, a reader killed, readers that come and go."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from kafka import KafkaConsumer
from kafka_broker import KafkaBroker
from stream_reading import by_key, read, samples, send, until

from energy.errors import UnavailableError
from telemetry.kafka import KafkaSettings, KafkaStream
from telemetry.kafka.dead_letters import DeadLetters
from telemetry.kafka.handover import Change, Rebalances, Request
from telemetry.messages import TrafficSample
from telemetry.stream.interface import SAMPLES_TOPIC, Batch, Record

POISON = SimpleNamespace(value=b"{rubbish", key=None, partition=0, offset=7)
READER = Path(__file__).parents[1] / "support" / "sample_reader.py"


def values(found: list[Record]) -> dict[tuple[str, int], float]:
    """Upsert samples by key and time, as a reader does."""
    return {
        (each.key, each.timestamp_milliseconds): each.message.requests_per_second for each in found
    }


def test_broker_restarted_in_the_middle_costs_no_sample(kafka_broker: KafkaBroker, monkeypatch):
    """While it is away the buffer fills, and says so; then all goes on by itself, in order."""
    monkeypatch.setattr("telemetry.kafka.consumer.CLOSE_COMMIT_SECONDS_MAX", 0.01)
    settings = kafka_broker.settings(buffer_messages=100, send_seconds_max=0.2, commit_seconds=0.5)
    stream = KafkaStream(settings)
    producer, consumer = stream.producer(SAMPLES_TOPIC), stream.consumer(SAMPLES_TOPIC, "steady")
    dead = DeadLetters(
        settings.model_copy(update={"connect_seconds": 0.2}),
        "samples",
        f"{settings.topic_prefix}{SAMPLES_TOPIC.dead_letters}",
    )
    before, meanwhile = samples(keys=20, minutes=5), samples(keys=20, minutes=10, first=5)
    after = samples(keys=20, minutes=5, first=10)
    leaver = Leaver(stream)
    send(producer, before)
    found = read(consumer, count=50)

    kafka_broker.kill()
    leaver.consumer.close()
    queued = list(queued_until_full(producer, meanwhile))
    dead.put(POISON, "rubbish")
    late = consumer.poll(0.5)
    found += late.records
    for refused, words in (
        (lambda: producer.flush(0.1), "100 messages are not acknowledged yet"),
        (lambda: consumer.commit(late if late.positions else positions(consumer)), "commit to"),
        (dead.flush, "1 dead letters wait"),
    ):
        with pytest.raises(UnavailableError, match=words):
            refused()
    kafka_broker.start()

    producer.flush(30.0)
    send(producer, after)
    sent = before + queued + after
    until(lambda: len(values(found)) == len(sent), lambda: read_on(consumer, found))
    until(lambda: is_kept(dead), lambda: None)
    consumer.close()
    log = read_whole(stream, len(sent))

    assert len(leaver.failures) == 3
    assert "the brokers do not answer" in leaver.failures[-1]  # each would take all its time
    assert len(queued) == 100
    assert producer.failed_total() == dead.lost_total() == 0
    assert values(found) == {
        (each.key, each.timestamp_milliseconds): each.requests_per_second for each in sent
    }
    assert sum(values(found).values()) == sum(each.requests_per_second for each in sent)
    assert len(log) == len(sent)  # the producer repeated itself, but the log does not
    assert all(times == sorted(times) for times in by_key(log).values())
    dead.close()
    producer.close()


class Leaver:
    """A reader that commits its partitions one by one as they go, as the forecaster does."""

    def __init__(self, stream: KafkaStream) -> None:
        self.failures: list[str] = []
        self.consumer = stream.consumer(SAMPLES_TOPIC, "leaver", on_revoked=self._commit)
        until(lambda: len(self.consumer.assigned()) == 3, lambda: self.consumer.poll(0.1))

    def _commit(self, partitions: frozenset[int]) -> None:
        for each in sorted(partitions):
            try:
                self.consumer.commit(Batch(positions={each: 0}))
            except UnavailableError as error:
                self.failures.append(str(error))


def test_flush_in_vain_shortens_no_close_after_brokers_answer_again(
    kafka_broker: KafkaBroker, monkeypatch
):
    """What is sent after an outage is sent to the end."""
    monkeypatch.setattr("telemetry.kafka.writer.LINGER_MILLISECONDS", 200)
    monkeypatch.setattr("telemetry.kafka.writer.CLOSE_SECONDS_MAX", 0.05)
    producer = KafkaStream(kafka_broker.settings()).producer(SAMPLES_TOPIC)
    before, after = samples(keys=2, minutes=1)
    producer.send(before)
    with suppress(UnavailableError):  # messages wait longer for each other than we for them
        producer.flush(0.05)
    monkeypatch.setattr("telemetry.kafka.writer.CLOSE_SECONDS_MAX", 30.0)
    until(lambda: not producer.waiting(), lambda: None)

    producer.send(after)
    producer.close()

    assert producer.waiting() == producer.failed_total() == 0


def read_on(consumer, found: list[Record]) -> None:
    """Read and commit; a broker that has just come back may not take the commit in time."""
    batch = consumer.poll(0.2)
    found.extend(batch.records)
    with suppress(UnavailableError):
        consumer.commit(batch)


def read_whole(stream: KafkaStream, count: int) -> list[Record]:
    """Give all that is there, as another group sees it."""
    witness = stream.consumer(SAMPLES_TOPIC, "witness")
    log = read(witness, count=count)
    log += witness.poll(0.2).records
    witness.close()
    return log


def is_kept(dead: DeadLetters) -> bool:
    """Whether the broker has acknowledged the dead letters by now."""
    with suppress(UnavailableError):
        dead.flush()
        return True
    return False


def queued_until_full(producer, messages):
    """Send until the buffer says that it is full; give what it took."""
    for each in messages:
        try:
            producer.send(each)
        except UnavailableError as error:
            if "100 messages wait for an acknowledgement" in str(error):
                return
            raise
        yield each
    pytest.fail("the buffer has no bound")


def positions(consumer):
    """Give a batch that commits where a reader stands."""
    return Batch(positions={each: consumer.position(each) for each in consumer.assigned()})


def test_reader_that_is_killed_costs_no_sample(kafka_broker: KafkaBroker, tmp_path: Path):
    """Another has its partitions after the session's end, and reads what was not committed."""
    settings = kafka_broker.settings()
    stream = KafkaStream(settings)
    producer = stream.producer(SAMPLES_TOPIC)
    sent = samples(keys=20, minutes=50)
    send(producer, sent)
    kept = tmp_path / "kept"
    told = {"settings": settings.model_dump(mode="json"), "group": "killed", "file": str(kept)}
    process = subprocess.Popen([sys.executable, str(READER), json.dumps(told)])

    try:
        until(
            lambda: kept.exists() and kept.read_bytes().count(b"\n") >= 100,
            lambda: process.poll() is None or pytest.fail("it ended"),
        )
    finally:
        process.kill()
        process.wait()
    lines = kept.read_bytes().split(b"\n")[:-1]
    state = {
        (each.key, each.timestamp_milliseconds): each.requests_per_second
        for each in map(TrafficSample.from_bytes, lines)
    }
    heir = stream.consumer(SAMPLES_TOPIC, "killed")
    found: list[Record] = []

    def go_on():
        batch = heir.poll(0.5)
        found.extend(batch.records)
        heir.commit(batch)

    until(lambda: len(state | values(found)) == len(sent), go_on)
    nothing_more = heir.poll(0.2).records

    assert 100 <= len(lines) < len(sent)
    assert len(found) < len(sent)  # what was committed did not come again
    assert sum((state | values(found)).values()) == sum(each.requests_per_second for each in sent)
    assert all(times == sorted(times) for times in by_key(found).values())
    assert nothing_more == ()
    heir.close()
    producer.close()


class Reader(threading.Thread):
    """Reads in a thread of its own until it is told to stop, as one of several replicas."""

    def __init__(self, settings: KafkaSettings) -> None:
        super().__init__()
        self.found: list[Record] = []
        self.partitions: frozenset[int] = frozenset()
        self.is_to_stop = threading.Event()
        self._settings = settings
        self._failure: BaseException | None = None

    def run(self) -> None:
        """Read; what goes wrong is kept for `raise_failure`."""
        try:
            self._read()
        except BaseException as error:  # noqa: BLE001 - it is the test's
            self._failure = error

    def raise_failure(self) -> None:
        """Say what went wrong."""
        if self._failure is not None:
            raise self._failure

    def _read(self) -> None:
        """Keep each batch, then commit it."""
        consumer = KafkaStream(self._settings).consumer(SAMPLES_TOPIC, "three")
        while not self.is_to_stop.is_set():
            batch = consumer.poll(0.2, 20)
            self.partitions = consumer.assigned()
            self.found.extend(batch.records)
            consumer.commit(batch)
        self.partitions = frozenset()
        consumer.close()


def test_three_readers_that_come_and_go_lose_nothing(kafka_broker: KafkaBroker, monkeypatch):
    """Each sample reaches one of them, and those of a workload stay in order."""
    settings = kafka_broker.patient_settings(monkeypatch)
    producer = KafkaStream(settings).producer(SAMPLES_TOPIC)
    readers = [Reader(settings) for _ in range(3)]
    minute = 0
    sent: list[TrafficSample] = []

    def work():
        nonlocal minute
        more = samples(keys=20, minutes=1, first=minute)
        send(producer, more)
        sent.extend(more)
        minute += 1
        wait()

    def wait():
        threading.Event().wait(0.05)
        for each in readers:
            each.raise_failure()

    def are_shared(*among: Reader) -> bool:
        shares = [each.partitions for each in among]
        return all(shares) and sum(map(len, shares)) == 3

    try:
        for count, reader in enumerate(readers, start=1):
            reader.start()
            until(lambda count=count: are_shared(*readers[:count]), work)
        readers[0].is_to_stop.set()
        readers[0].join()
        until(lambda: are_shared(*readers[1:]), work)
        until(lambda: sum(len(each.found) for each in readers) >= len(sent), wait)
    finally:
        for each in readers:
            each.is_to_stop.set()
        for each in readers:
            each.join()
    for each in readers:
        each.raise_failure()
    producer.close()

    found = [record for each in readers for record in each.found]
    expected = {(each.key, each.timestamp_milliseconds): each.requests_per_second for each in sent}
    assert values(found) == expected
    assert len(found) == len(sent)  # each left its partitions with all that it had read committed
    for each in readers:
        assert each.found
        assert all(times == sorted(times) for times in by_key(each.found).values())


@pytest.mark.parametrize("comes_back", [False, True])
def test_records_of_partitions_that_change_hands_wait_for_their_owner(
    kafka_broker: KafkaBroker, monkeypatch, comes_back
):
    """They may be on their way to us while a partition goes, or before we know that it came."""
    handed = Rebalances()
    drained: list[object] = []

    class Rebalanced(KafkaConsumer):
        """Loses its partition right after it has drained records of it."""

        def poll(self, *given, **options):
            found = super().poll(*given, **options)
            if found and not drained:
                drained.append(found)
                if not comes_back:
                    self._subscription.assign_from_subscribed([])
                handed.inbox.put(Request(Change.REVOKED, frozenset({0})))
            return found

    monkeypatch.setattr("telemetry.kafka.consumer.KafkaConsumer", Rebalanced)
    monkeypatch.setattr("telemetry.kafka.consumer.Rebalances", lambda: handed)
    stream = KafkaStream(kafka_broker.settings(partitions=1))
    producer, consumer = stream.producer(SAMPLES_TOPIC), stream.consumer(SAMPLES_TOPIC, "moving")
    until(lambda: bool(consumer.assigned()), lambda: consumer.poll(0.1))
    sent = samples(keys=1, minutes=2)
    send(producer, sent)
    meanwhile: list[Batch] = []
    until(lambda: not consumer.assigned(), lambda: meanwhile.append(consumer.poll(0.2)))
    meanwhile.append(consumer.poll(0.2))
    found: list[Record] = []
    if comes_back:
        handed.inbox.put(Request(Change.ASSIGNED, frozenset({0})))
        until(lambda: len(found) == len(sent), lambda: found.extend(consumer.poll(0.2).records))

    assert drained
    assert {(each.records, *each.positions) for each in meanwhile} == {((),)}
    assert [each.message for each in found] == (sent if comes_back else [])
    consumer.close()
    producer.close()
