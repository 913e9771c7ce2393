"""What we do on a real broker beside reading and writing: topics, dead letters, logging in."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ResourcePattern,
    ResourceType,
)
from kafka_broker import KafkaBroker
from stream_reading import read, samples, send, until

from energy.errors import InputError, UnavailableError
from simulator.sandbox.ports import LOOPBACK, free_ports
from telemetry.kafka import KafkaSettings, KafkaStream
from telemetry.kafka.dead_letters import VALUE_BYTES_MAX
from telemetry.kafka.writer import KafkaWriter
from telemetry.stream.interface import DAY_MILLISECONDS, SAMPLES_TOPIC

GOOD = samples(keys=1, minutes=1)[0]


def write(settings: KafkaSettings, topic: str, *values: bytes) -> None:
    """Put bytes into partitions as they come, as somebody else would."""
    writer = KafkaWriter(settings, f"{settings.topic_prefix}{topic}", messages_max=100)
    for each in values:
        writer.send(each)
    writer.flush(30.0)
    writer.close()


def pass_by(consumer) -> None:
    """Read and commit; while dead letters wait for the broker no commit is taken."""
    batch = consumer.poll(0.2)
    with suppress(UnavailableError):
        consumer.commit(batch)


def dead_letters(settings: KafkaSettings) -> list[tuple[bytes, dict[str, str]]]:
    """Give the value and headers of each dead letter of samples."""
    reader = KafkaConsumer(bootstrap_servers=list(settings.servers), auto_offset_reset="earliest")
    partition = TopicPartition(f"{settings.topic_prefix}{SAMPLES_TOPIC.dead_letters}", 0)
    reader.assign([partition])
    (end,) = reader.end_offsets([partition]).values()
    found = []
    while len(found) < end:
        found += reader.poll(1000).get(partition, [])
    reader.close()
    return [(each.value, {name: value.decode() for name, value in each.headers}) for each in found]


def test_poison_goes_to_the_dead_letters_and_holds_nothing_up(kafka_broker: KafkaBroker):
    """With the reason and its place, cut where it is large; a commit passes it by."""
    settings = kafka_broker.settings(partitions=1)
    stream = KafkaStream(settings)
    stream.producer(SAMPLES_TOPIC).close()
    negative = GOOD.to_bytes().replace(b'"requests_per_second":0.0', b'"requests_per_second":-1')
    large = b"x" * (VALUE_BYTES_MAX + 1)
    write(settings, SAMPLES_TOPIC.name, b"{rubbish", negative, GOOD.to_bytes(), large)
    consumer = stream.consumer(SAMPLES_TOPIC, "poisoned")

    (record,) = read(consumer, count=1)
    until(lambda: consumer.dead_letters_total() == 3, lambda: pass_by(consumer))
    consumer.close()
    letters = dead_letters(settings)
    again = stream.consumer(SAMPLES_TOPIC, "poisoned")

    assert record.message == GOOD
    assert record.offset == 2
    assert consumer.dead_letters_lost_total() == 0
    assert [value for value, _ in letters] == [b"{rubbish", negative, large[:-1]]
    assert [headers["offset"] for _, headers in letters] == ["0", "1", "3"]
    assert {headers["partition"] for _, headers in letters} == {"0"}
    assert letters[1][1]["reason"] == (
        "TrafficSample: requests_per_second: input should be greater than or equal to 0, not -1"
    )
    assert letters[2][1]["bytes"] == str(len(large))
    assert again.poll(1.0).records == ()
    assert again.dead_letters_total() == 0
    again.close()


def test_more_poison_at_once_than_may_wait_is_kept(kafka_broker: KafkaBroker, monkeypatch):
    """A broker that answers makes room."""
    monkeypatch.setattr("telemetry.kafka.dead_letters.WAITING_MAX", 20)
    settings = kafka_broker.settings(partitions=1)
    KafkaStream(settings).producer(SAMPLES_TOPIC).close()
    write(settings, SAMPLES_TOPIC.name, *[b"{rubbish"] * 100)
    consumer = KafkaStream(settings).consumer(SAMPLES_TOPIC, "flooded")

    until(lambda: consumer.dead_letters_total() == 100, lambda: pass_by(consumer))

    assert consumer.dead_letters_lost_total() == 0
    consumer.close()


def test_poison_without_a_place_to_go_is_counted(kafka_broker: KafkaBroker):
    """The stream goes on: a dead-letter topic that lacks is nobody's excuse."""
    settings = kafka_broker.settings(partitions=1)
    KafkaStream(settings).producer(SAMPLES_TOPIC).close()  # creates no dead letters
    write(settings, SAMPLES_TOPIC.name, b"{rubbish", b"more", GOOD.to_bytes())
    consumer = KafkaStream(settings.model_copy(update={"create_topics": False})).consumer(
        SAMPLES_TOPIC, "without"
    )

    (record,) = read(consumer, count=1)

    assert record.message == GOOD
    assert consumer.dead_letters_total() == consumer.dead_letters_lost_total() == 2
    consumer.close()


def test_topic_is_made_as_the_forecaster_needs_it(kafka_broker: KafkaBroker):
    """Partitions, replicas and nine days; one that keeps less is said to."""
    settings = kafka_broker.settings(partitions=5, replication_factor=1)
    stream = KafkaStream(settings)
    name = f"{settings.topic_prefix}{SAMPLES_TOPIC.name}"

    before = stream.look(SAMPLES_TOPIC)
    stream.consumer(SAMPLES_TOPIC, "first").close()
    made = stream.look(SAMPLES_TOPIC)
    longer = stream.look(replace(SAMPLES_TOPIC, retention_milliseconds=10 * DAY_MILLISECONDS))
    admin = KafkaAdminClient(bootstrap_servers=kafka_broker.server)
    topics = admin.list_topics()
    admin.close()

    assert (before.partitions, before.fault) == (0, "it is not there")
    assert (made.name, made.partitions, made.replicas) == (name, 5, 1)
    assert made.retention_milliseconds == 9 * DAY_MILLISECONDS
    assert made.fault == ""
    assert longer.fault == "it keeps messages for 9 days, not 10: set retention.ms=864000000"
    assert f"{name}.dead-letters" in topics


def test_topic_that_lacks_and_may_not_be_made_is_said_with_the_command(kafka_broker: KafkaBroker):
    """So that somebody with the right can make it."""
    settings = kafka_broker.settings(create_topics=False)

    with pytest.raises(
        UnavailableError, match=r"kafka-topics\.sh --create --topic .* --partitions 3"
    ):
        KafkaStream(settings).producer(SAMPLES_TOPIC)


def test_alice_reads_and_writes_over_tls_with_her_password(kafka_broker: KafkaBroker):
    """A client certificate and SASL PLAIN; the password stands in no representation."""
    settings = kafka_broker.secure_settings()
    stream = KafkaStream(settings)
    producer, consumer = stream.producer(SAMPLES_TOPIC), stream.consumer(SAMPLES_TOPIC, "secret")

    send(producer, [GOOD])
    (record,) = read(consumer, count=1)

    assert record.message == GOOD
    assert "correct-horse" not in repr(settings) + repr(stream) + repr(producer) + repr(consumer)
    consumer.close()
    producer.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sasl_user": "eve"}, "(password was refused|while we log in); see --kafka-sasl-user"),
        ({"tls_ca_file": None}, "TLS failed: .* certificate verify failed"),
        (
            {"sasl_mechanism": "SCRAM-SHA-256", "sasl_user": "bob"},
            "topic .*: we may not do this with the topic; grant our user READ, WRITE",
        ),
    ],
)
def test_who_is_not_let_in_is_told_why(kafka_broker: KafkaBroker, change, words):
    """In one line, soon."""
    settings = kafka_broker.secure_settings(connect_seconds=2.0, **change)

    with pytest.raises(UnavailableError, match=words) as raised:
        KafkaStream(settings).producer(SAMPLES_TOPIC)

    assert "\n" not in str(raised.value)


def test_what_is_no_broker_is_named(kafka_broker: KafkaBroker):
    """Nobody listens, or TLS is wanted there."""
    (port,) = free_ports(1)
    nobody = KafkaSettings(servers=(f"{LOOPBACK}:{port}",), connect_seconds=0.5)
    with pytest.raises(UnavailableError, match=f"Kafka at {LOOPBACK}:{port}: nobody listens there"):
        KafkaStream(nobody).producer(SAMPLES_TOPIC)

    plain = kafka_broker.settings(
        servers=(f"{LOOPBACK}:{kafka_broker.secure_port}",), connect_seconds=0.5
    )
    with pytest.raises(UnavailableError, match=r"not speak plain Kafka there; see --kafka-tls"):
        KafkaStream(plain).producer(SAMPLES_TOPIC)


def test_files_of_the_settings_are_read_late_and_named(tmp_path):
    """A password that lacks is an error of its file."""
    absent = tmp_path / "absent"
    login = {"sasl_mechanism": "PLAIN", "sasl_user": "alice"}
    for change, words in (
        ({**login, "sasl_password_file": absent}, "absent: no such file"),
        ({"tls_ca_file": absent}, "absent: no such file"),
    ):
        settings = KafkaSettings(servers=("127.0.0.1:1",), **change)
        with pytest.raises(InputError, match=words):
            KafkaStream(settings).producer(SAMPLES_TOPIC)


def test_message_that_cannot_be_sent_is_not_waited_for(kafka_broker: KafkaBroker):
    """A mistake of the caller raises, and holds up no flush behind it."""
    settings = kafka_broker.settings(partitions=1)
    KafkaStream(settings).producer(SAMPLES_TOPIC).close()
    writer = KafkaWriter(settings, f"{settings.topic_prefix}{SAMPLES_TOPIC.name}", messages_max=1)

    with pytest.raises((TypeError, AssertionError)):
        writer.send("text")
    writer.send(GOOD.to_bytes())
    writer.flush(10.0)

    assert (writer.waiting(), writer.failed_total()) == (0, 0)
    writer.close()


def test_writer_goes_on_once_it_is_given_the_right(kafka_broker: KafkaBroker):
    """What was refused meanwhile is counted, and said; nobody has to restart anything."""
    settings = kafka_broker.settings()
    KafkaStream(settings).consumer(SAMPLES_TOPIC, "first").close()
    bob = kafka_broker.secure_settings(
        sasl_mechanism="SCRAM-SHA-256", sasl_user="bob", topic_prefix=settings.topic_prefix
    )
    name = f"{settings.topic_prefix}{SAMPLES_TOPIC.name}"
    resource = ResourcePattern(ResourceType.TOPIC, name)
    admin = KafkaAdminClient(bootstrap_servers=kafka_broker.server)
    may = {
        right: ACL("User:bob", "*", right, ACLPermissionType.ALLOW, resource)
        for right in (ACLOperation.DESCRIBE, ACLOperation.WRITE)
    }

    admin.create_acls([may[ACLOperation.DESCRIBE]])
    producer = KafkaStream(bob).producer(SAMPLES_TOPIC)
    producer.send(GOOD)
    with pytest.raises(UnavailableError, match="1 messages were given up: our user lacks a right"):
        producer.flush(10.0)
    admin.create_acls([may[ACLOperation.WRITE]])
    admin.close()
    until(lambda: is_sent(producer), lambda: None)

    assert producer.failed_total() >= 1
    assert producer.waiting() == 0
    producer.close()


def is_sent(producer) -> bool:
    """Whether the broker knows of the right by now."""
    with suppress(UnavailableError):
        send(producer, [GOOD])
        return True
    return False
