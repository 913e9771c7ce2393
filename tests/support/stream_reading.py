"""Samples for streams, and ways to read one to its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from telemetry.messages import TrafficSample
from telemetry.stream.interface import Consumer, Producer, Record

READ_SECONDS_MAX = 60.0
MINUTE = 60_000
FIRST = 1_795_336_200_000  # a minute's end


def samples(keys: int, minutes: int, first: int = 0) -> list[TrafficSample]:
    """Give samples of some workloads and minutes, minute by minute; each rate is its own."""
    return [
        TrafficSample(
            key=f"shop/Deployment/web-{key}",
            timestamp_milliseconds=FIRST + minute * MINUTE,
            requests_per_second=float(minute * 1000 + key),
        )
        for minute in range(first, first + minutes)
        for key in range(keys)
    ]


def send(producer: Producer, messages: Iterable[TrafficSample]) -> None:
    """Send all, and wait for their acknowledgement."""
    for each in messages:
        producer.send(each)
    producer.flush(30.0)


def read(*consumers: Consumer, count: int, commit: bool = True) -> list[Record]:
    """Read so many records at least, in whole batches, and commit them unless told not to.

    Several readers take turns: a group waits for each of its members.
    """
    found: list[Record] = []

    def turn() -> None:
        for consumer in consumers:
            batch = consumer.poll(0.2 / len(consumers), 50)
            found.extend(batch.records)
            if commit and batch.positions:
                consumer.commit(batch)

    until(lambda: len(found) >= count, turn)
    return found


def until(is_so: Callable[[], bool], meanwhile: Callable[[], object]) -> None:
    """Do something again and again until it is so."""
    deadline = time.monotonic() + READ_SECONDS_MAX
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to be"
        meanwhile()


def by_key(found: Iterable[Record]) -> dict[str, list[int]]:
    """Give the times of each workload in the order in which they came."""
    times: dict[str, list[int]] = {}
    for each in found:
        times.setdefault(each.key, []).append(each.timestamp_milliseconds)
    return times
