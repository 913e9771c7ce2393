"""How many samples a second go through the stream, and how long one is on its way.

    .venv/bin/python bench/stream_rate.py [--streams memory,kafka,kafka+gzip] [--samples 50000]
        [--rounds 3] [--rate 2000] [--seconds 15] [--output table|json]

Kafka is the toolchain's broker, started on loopback for this on the same machine; every message is
acknowledged and idempotent. *Out* is from the first `send` to the end of `flush`; *in* from the
first record to the last, decoded, with a commit after each batch. *On its way* is from before
`send` to after `poll`, one producer and one consumer in two processes (in memory: two threads), at
a steady rate of samples a second; the median and the 99th percentile of those seconds. The clock is
the machine's. The project's bar: a forecast is published within 1 s of its sample (p99) at 2,000
samples/s, of which the stream carries both ways; so the figure has to be well under half of it.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from telemetry.kafka import KafkaSettings, KafkaStream
from telemetry.messages import TrafficSample
from telemetry.stream.interface import SAMPLES_TOPIC, Consumer, Producer, Stream
from telemetry.stream.memory import MemoryStream

SUPPORT = Path(__file__).parents[1] / "tests" / "support"
KEYS = 1000
MINUTE = 60_000
WARM_SECONDS = 2.0
#: A burst of this share of a second is sent at once, as a bridge does when its queries return.
BURSTS_PER_SECOND = 20
SETTLED_SECONDS_MAX = 30.0
MILLISECONDS = 1000.0

#: Gives a stream without messages, and what a second process needs for the same one.
EmptyStream = Callable[[], tuple[Stream, KafkaSettings | None]]


@dataclass(frozen=True)
class Figure:
    """One row of the table; `worst` is of the rounds."""

    stream: str
    what: str
    unit: str
    median: float
    worst: float


def sample(number: int, stamp: int) -> TrafficSample:
    """Give a sample with all fields, as the bridge makes them."""
    return TrafficSample(
        key=f"team-{number % 20}/Deployment/web-{number % KEYS}",
        timestamp_milliseconds=stamp,
        requests_per_second=12.5 + number / 7,
        response_time_p95_seconds=0.123456789,
        cpu_cores=1.2345678901,
        memory_bytes=1.5e9 + number,
        network_bytes_per_second=123456.789,
        ready_replicas=3.0,
    )


def rates(stream: Stream, count: int) -> tuple[float, float]:
    """Give the samples/s out and in."""
    producer = stream.producer(SAMPLES_TOPIC)
    stamp = int(time.time()) // 60 * MINUTE
    samples = [sample(number, stamp) for number in range(count)]
    started = time.perf_counter()
    for each in samples:
        producer.send(each)
    producer.flush(120.0)
    out_seconds = time.perf_counter() - started
    producer.close()

    consumer = stream.consumer(SAMPLES_TOPIC, "rate")
    found, started = len(first(consumer)), time.perf_counter()
    at_first = found
    while found < count:
        batch = consumer.poll(1.0)
        found += len(batch.records)
        consumer.commit(batch)
    in_seconds = time.perf_counter() - started
    consumer.close()
    return count / out_seconds, (count - at_first) / in_seconds


def first(consumer: Consumer) -> tuple[object, ...]:
    """Give the first records that come: the group has been joined then."""
    while not (batch := consumer.poll(1.0, 1)).records:
        pass
    return batch.records


def send_steadily(producer: Producer, rate: int, seconds: float) -> None:
    """Send samples at a rate; each says in a field when it was sent (seconds of the clock)."""
    burst = rate // BURSTS_PER_SECOND
    started = time.perf_counter()
    for number in range(int(seconds * BURSTS_PER_SECOND)):
        time.sleep(max(0.0, started + number / BURSTS_PER_SECOND - time.perf_counter()))
        stamp = int(time.time()) // 60 * MINUTE
        for each in range(burst):
            made = sample(number * burst + each, stamp)
            producer.send(made.model_copy(update={"memory_bytes": time.time()}))
    producer.flush(30.0)


def delays(consumer: Consumer, count: int) -> list[float]:
    """Give the seconds that samples were on their way, without those of the beginning."""
    found: list[tuple[float, float]] = []
    deadline = time.monotonic() + SETTLED_SECONDS_MAX
    while len(found) < count and time.monotonic() < deadline:
        batch = consumer.poll(1.0)
        now = time.time()
        messages = (each.message for each in batch.records)
        found += [
            (each.memory_bytes or now, now) for each in messages if isinstance(each, TrafficSample)
        ]
        if batch.records:
            consumer.commit(batch)
            deadline = time.monotonic() + SETTLED_SECONDS_MAX
    if len(found) < count:
        raise SystemExit(f"{count - len(found)} of {count} samples did not come")
    since = found[0][0] + WARM_SECONDS
    return [came - sent for sent, came in found if sent >= since]


def _send_from_elsewhere(settings: KafkaSettings, rate: int, seconds: float) -> None:
    producer = KafkaStream(settings).producer(SAMPLES_TOPIC)
    send_steadily(producer, rate, seconds)
    producer.close()


def under_way(
    stream: Stream, settings: KafkaSettings | None, rate: int, seconds: float
) -> tuple[float, float]:
    """Give the median and the 99th percentile of the seconds on the way."""
    consumer = stream.consumer(SAMPLES_TOPIC, "delay")
    consumer.poll(1.0)
    sender: threading.Thread | multiprocessing.process.BaseProcess
    if settings is None:
        producer = stream.producer(SAMPLES_TOPIC)
        sender = threading.Thread(target=send_steadily, args=(producer, rate, seconds))
    else:
        sender = multiprocessing.get_context("spawn").Process(
            target=_send_from_elsewhere, args=(settings, rate, seconds)
        )
    sender.start()
    count = int(seconds * BURSTS_PER_SECOND) * (rate // BURSTS_PER_SECOND)
    found = sorted(delays(consumer, count))
    sender.join()
    consumer.close()
    return statistics.median(found), found[int(0.99 * len(found))]


@contextmanager
def empty_streams(name: str) -> Iterator[EmptyStream]:
    """Give what makes empty streams; the broker, if any, ends with the block."""
    if name == "memory":
        yield lambda: (MemoryStream(partitions=3, records_max=1_000_000), None)
        return
    sys.path.insert(0, str(SUPPORT))
    import kafka_broker

    with tempfile.TemporaryDirectory() as folder:
        broker = kafka_broker.formatted(Path(folder))
        broker.start()
        others = {"compression": name.partition("+")[2] or "none", "session_seconds": 10.0}

        def connect() -> tuple[Stream, KafkaSettings | None]:
            settings = broker.settings(**others)
            return KafkaStream(settings), settings

        try:
            yield connect
        finally:
            broker.kill()


def measured(name: str, count: int, rounds: int, rate: int, seconds: float) -> list[Figure]:
    """Measure one kind of stream."""
    with empty_streams(name) as empty:
        found = [rates(empty()[0], count) for _ in range(rounds)]
        ways = [under_way(*empty(), rate, seconds) for _ in range(rounds)]
    out, into = zip(*found, strict=True)
    medians, tails = zip(*ways, strict=True)
    at = f"on its way at {rate:,} samples/s"
    return [
        Figure(name, "out, acknowledged", "samples/s", statistics.median(out), min(out)),
        Figure(name, "in, committed", "samples/s", statistics.median(into), min(into)),
        *(
            Figure(
                name,
                f"{at}, {what}",
                "ms",
                statistics.median(each) * MILLISECONDS,
                max(each) * MILLISECONDS,
            )
            for what, each in (("median", medians), ("p99", tails))
        ),
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", default="memory,kafka,kafka+gzip")
    parser.add_argument("--samples", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--output", choices=("table", "json"), default="table")
    given = parser.parse_args()
    figures = [
        figure
        for name in given.streams.split(",")
        for figure in measured(name, given.samples, given.rounds, given.rate, given.seconds)
    ]
    if given.output == "json":
        print(json.dumps([asdict(each) for each in figures], indent=2))
        return
    table = Table("stream", "what", "unit", "median", "worst of the rounds")
    for each in figures:
        cells = f"{each.median:,.1f}", f"{each.worst:,.1f}"
        table.add_row(each.stream, each.what, each.unit, *cells)
    Console(width=110).print(table)


if __name__ == "__main__":
    main()
