"""What every stream does, whether it is memory or Kafka."""

from __future__ import annotations

import threading

import pytest
from stream_reading import FIRST, MINUTE, by_key, read, samples, send, until

from energy.errors import UnavailableError
from telemetry.messages import HorizonForecast, TrafficForecast
from telemetry.stream.interface import FORECASTS_TOPIC, SAMPLES_TOPIC, Batch, Record

ALL = frozenset({0, 1, 2})


def test_all_that_is_sent_is_read_once_and_in_the_order_of_each_key(streams):
    """Records name their place, their workload and their time."""
    sent = samples(keys=20, minutes=10)
    stream = streams()
    producer, consumer = stream.producer(SAMPLES_TOPIC), stream.consumer(SAMPLES_TOPIC, "all")

    send(producer, sent)
    found = read(consumer, count=len(sent))

    assert sorted(each.message.requests_per_second for each in found) == sorted(
        each.requests_per_second for each in sent
    )
    assert len({(each.partition, each.offset) for each in found}) == len(sent)
    assert {each.partition for each in found} == ALL
    assert all(times == sorted(times) for times in by_key(found).values())
    assert len({(each.key, each.partition) for each in found}) == 20
    assert {each.timestamp_milliseconds for each in found} == {
        FIRST + minute * MINUTE for minute in range(10)
    }
    consumer.close()
    producer.close()


def test_what_was_not_committed_comes_again_and_what_was_does_not(streams):
    """Also to another member of the group, and to no other group."""
    sent = samples(keys=5, minutes=40)
    stream = streams()
    producer = stream.producer(SAMPLES_TOPIC)
    send(producer, sent)

    careless = stream.consumer(SAMPLES_TOPIC, "half")
    read(careless, count=len(sent), commit=False)
    careless.close()
    first = stream.consumer(SAMPLES_TOPIC, "half")
    half = read(first, count=100)
    first.close()
    second = stream.consumer(SAMPLES_TOPIC, "half")
    rest = read(second, count=len(sent) - len(half))
    second.close()
    other = stream.consumer(SAMPLES_TOPIC, "other")
    everything = read(other, count=len(sent))

    assert 100 <= len(half) < len(sent)
    places = [(each.partition, each.offset) for each in half + rest]
    assert len(set(places)) == len(places) == len(sent)
    assert len(everything) == len(sent)
    other.close()
    producer.close()


def test_members_of_a_group_share_the_partitions(streams):
    """A newcomer gets some; when it goes they come back, and nothing is read twice."""
    sent = samples(keys=20, minutes=10)
    told: list[tuple[str, frozenset[int], int]] = []

    def tell(word):
        return lambda partitions: told.append((word, partitions, threading.get_ident()))

    stream = streams()
    producer = stream.producer(SAMPLES_TOPIC)
    first = stream.consumer(SAMPLES_TOPIC, "shared", tell("came"), tell("went"))
    until(lambda: first.assigned() == ALL, lambda: first.poll(0.05))
    second = stream.consumer(SAMPLES_TOPIC, "shared", tell("came to second"), tell("second lost"))

    def both():
        first.poll(0.05)
        second.poll(0.05)

    until(lambda: bool(second.assigned()) and first.assigned() | second.assigned() == ALL, both)
    shares = first.assigned(), second.assigned()
    send(producer, sent)
    found = read(first, second, count=len(sent))
    second.close()
    until(lambda: first.assigned() == ALL, lambda: first.poll(0.05))
    nothing_more = first.poll(0.2).records

    assert not shares[0] & shares[1]
    assert shares[0] | shares[1] == ALL
    assert len({(each.partition, each.offset) for each in found}) == len(found) == len(sent)
    assert nothing_more == ()
    assert {word for word, _, _ in told} == {"came", "went", "came to second", "second lost"}
    assert {thread for _, _, thread in told} == {threading.get_ident()}
    first.close()
    producer.close()


def test_state_can_be_kept_and_committed_when_partitions_go(streams):
    """The new reader has them after that, and so begins behind what was committed."""
    sent = samples(keys=10, minutes=10)
    stream = streams()
    producer = stream.producer(SAMPLES_TOPIC)
    send(producer, sent)
    batches: list[Batch] = []

    def keep(partitions):
        for batch in batches:
            first.commit(batch)
        batches.clear()

    def gather():
        batch = first.poll(0.2, 30)
        batches.append(batch)
        found.extend(batch.records)

    first = stream.consumer(SAMPLES_TOPIC, "kept", on_revoked=keep)
    found: list[object] = []
    until(lambda: len(found) == len(sent), gather)
    second = stream.consumer(SAMPLES_TOPIC, "kept")
    until(lambda: bool(second.assigned()), lambda: (first.poll(0.05), second.poll(0.05)))
    first.close()
    until(lambda: second.assigned() == ALL, lambda: found.extend(second.poll(0.05).records))
    found += second.poll(0.2).records

    assert len(found) == len(sent)
    second.close()
    producer.close()


def test_reader_seeks_by_offset_and_by_time(streams):
    """When it is given partitions, or at any time later; the lag follows."""
    sent = samples(keys=30, minutes=10)
    middle = FIRST + 5 * MINUTE
    stream = streams()
    producer = stream.producer(SAMPLES_TOPIC)
    send(producer, sent)

    identities = set()

    def seek(partitions):
        identities.add(consumer.identity())
        for each in partitions:
            consumer.seek_to_time(each, middle)

    consumer = stream.consumer(SAMPLES_TOPIC, "seeking", seek)
    younger = read(consumer, count=150)
    at_end = consumer.lag_messages()
    for each in ALL:
        consumer.seek_to_time(each, FIRST + 10 * MINUTE)  # later than any
    nothing = consumer.poll(0.2).records
    ends = {each: consumer.position(each) for each in ALL}
    consumer.seek(0, 2)
    behind = consumer.lag_messages()
    again = read(consumer, count=ends[0] - 2)
    consumer.seek(0, len(sent))  # beyond the end: of a topic that was made anew
    few: list[Record] = []
    until(lambda: bool(few), lambda: few.extend(consumer.poll(0.2, 3).records))
    oldest = few + read(consumer, count=ends[0] - len(few))

    assert {each.timestamp_milliseconds for each in younger} == {
        middle + minute * MINUTE for minute in range(5)
    }
    assert len(younger) == 150
    assert at_end == dict.fromkeys(ALL, 0)
    assert nothing == ()
    assert sum(ends.values()) == len(sent)
    assert behind == {0: ends[0] - 2, 1: 0, 2: 0}
    assert [each.offset for each in again] == list(range(2, ends[0]))
    assert len(few) <= 3
    assert [each.offset for each in oldest] == list(range(ends[0]))
    assert identities == {consumer.identity()} == {producer.identity()}
    assert "None" not in consumer.identity()
    consumer.close()
    producer.close()


def test_failure_of_a_callback_comes_out_of_poll_and_costs_nothing(streams):
    """The group is not held up, and what was read with it comes with the next poll."""
    sent = samples(keys=5, minutes=4)
    stream = streams()
    producer = stream.producer(SAMPLES_TOPIC)
    send(producer, sent)

    def fail(partitions):
        raise RuntimeError("no disk for the state")

    consumer = stream.consumer(SAMPLES_TOPIC, "failing", on_assigned=fail)
    with pytest.raises(RuntimeError, match="no disk"):
        until(lambda: False, lambda: consumer.poll(0.2))

    assert len(read(consumer, count=len(sent))) == len(sent)
    consumer.close()
    producer.close()


def test_forecasts_travel_as_samples_do(streams):
    """On a topic of their own, at the time of their issue."""
    forecast = TrafficForecast(
        key="shop/Deployment/web",
        issued_at_milliseconds=FIRST,
        model="mixture",
        quantiles=(0.1, 0.5, 0.9),
        horizons=(HorizonForecast(horizon_seconds=300, requests_per_second=(1.0, 2.0, 3.0)),),
        anomaly=False,
        valid_until_milliseconds=FIRST + 10 * MINUTE,
    )
    stream = streams()
    producer, consumer = stream.producer(FORECASTS_TOPIC), stream.consumer(FORECASTS_TOPIC, "a")

    producer.send(forecast)
    producer.flush(30.0)
    (found,) = read(consumer, count=1)

    assert found.message == forecast
    assert found.timestamp_milliseconds == FIRST
    consumer.close()
    producer.close()


def test_what_is_closed_says_so(streams):
    """Closing twice is no error."""
    stream = streams()
    producer, consumer = stream.producer(SAMPLES_TOPIC), stream.consumer(SAMPLES_TOPIC, "closed")
    for each in (producer, producer, consumer, consumer):
        each.close()

    with pytest.raises(UnavailableError, match="producer is closed"):
        producer.send(samples(1, 1)[0])
    with pytest.raises(UnavailableError, match="consumer is closed"):
        consumer.poll(0.0)
