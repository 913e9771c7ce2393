"""What a stream in memory keeps, and when a writer has to wait."""

from __future__ import annotations

import threading

import pytest
from stream_reading import read, samples

from energy.errors import UnavailableError
from telemetry.stream.interface import SAMPLES_TOPIC
from telemetry.stream.memory import MemoryStream


def test_writer_is_told_when_nobody_reads():
    """The buffer is bounded by what a group has still to read."""
    stream = MemoryStream(records_max=10, send_seconds_max=0.01)
    stream.consumer(SAMPLES_TOPIC, "slow")
    producer = stream.producer(SAMPLES_TOPIC)
    for each in samples(keys=10, minutes=1):
        producer.send(each)

    with pytest.raises(UnavailableError, match="full of messages that nobody has read"):
        producer.send(samples(keys=1, minutes=1)[0])


def test_writer_goes_on_when_a_reader_has_committed():
    """It waits for that, not for what was only read."""
    stream = MemoryStream(records_max=10, send_seconds_max=30.0)
    consumer, producer = stream.consumer(SAMPLES_TOPIC, "slow"), stream.producer(SAMPLES_TOPIC)
    sent = samples(keys=10, minutes=3)
    writer = threading.Thread(target=lambda: [producer.send(each) for each in sent])
    writer.start()

    found = read(consumer, count=len(sent))
    writer.join()

    assert [each.message for each in found] == sent


def test_oldest_goes_first_where_nobody_waits_for_it():
    """Without readers, or when all have committed, memory holds the newest."""
    stream = MemoryStream(records_max=10)
    producer = stream.producer(SAMPLES_TOPIC)
    gone = stream.consumer(SAMPLES_TOPIC, "gone")
    gone.poll(0.0)
    gone.close()
    sent = samples(keys=1, minutes=25)
    for each in sent:
        producer.send(each)
    consumer = stream.consumer(SAMPLES_TOPIC, "late")

    found = read(consumer, count=10)
    consumer.seek(0, 3)  # long gone
    again = read(consumer, count=10)

    assert [each.message for each in found] == sent[15:]
    assert [each.offset for each in again] == list(range(15, 25))


def test_reader_waits_until_something_comes():
    """Without looking again and again."""
    stream = MemoryStream()
    consumer, producer = stream.consumer(SAMPLES_TOPIC, "waiting"), stream.producer(SAMPLES_TOPIC)
    (one,) = samples(keys=1, minutes=1)
    writer = threading.Timer(0.05, producer.send, (one,))
    writer.start()

    batch = consumer.poll(30.0)
    writer.join()

    assert [each.message for each in batch.records] == [one]
    assert consumer.poll(0.0).records == ()


def test_who_cannot_keep_its_state_at_the_end_leaves_the_group_all_the_same():
    """Else nobody could read its partitions."""
    stream = MemoryStream()

    def fail(partitions):
        raise UnavailableError("no disk for the state")

    failing = stream.consumer(SAMPLES_TOPIC, "group", on_revoked=fail)
    failing.poll(0.0)
    with pytest.raises(UnavailableError, match="no disk"):
        failing.close()
    heir = stream.consumer(SAMPLES_TOPIC, "group")
    heir.poll(0.0)

    assert heir.assigned() == {0}
