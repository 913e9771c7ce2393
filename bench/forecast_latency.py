"""How long it takes from a sample to its published forecast, through real Kafka and the service.

    .venv/bin/python bench/forecast_latency.py [--workloads 10000] [--rate 2000] [--minutes 3]

One forecaster with the shipped models, as `negawatt forecaster run --stream kafka` with a ledger
runs it, in a process of its own whose most resident memory is printed at the end: the project's bar
is 600 MB at 10,000 workloads. The toolchain's broker on loopback; the samples of each minute are
sent at a steady rate after the minute's end, as a bridge sends them. The time is from before `send`
of the sample that completes a workload's minute to after `poll` of the forecast of that minute, by
the clock of one process. A quarter of an hour of history is sent before and not timed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from multiprocessing.queues import Queue
from pathlib import Path

import numpy as np

from telemetry.kafka import KafkaSettings, KafkaStream
from telemetry.messages import TrafficForecast, TrafficSample
from telemetry.stream.interface import FORECASTS_TOPIC, SAMPLES_TOPIC, Consumer, Producer

SUPPORT = Path(__file__).parents[1] / "tests" / "support"
HISTORY_MINUTES = 15
MINUTE_SECONDS, MILLISECONDS = 60, 1000
#: As many samples as a bridge sends between two looks at the clock.
BURSTS_PER_SECOND = 20
SETTLED_SECONDS = 20.0
READY_SECONDS_MAX = 240.0
#: A minute, and when the forecast of each workload came.
Received = tuple[int, dict[str, float]]


def serve(settings: KafkaSettings, folder: str) -> None:
    """Forecast until SIGTERM; then say what it took."""
    from forecaster.__main__ import run
    from forecaster.settings import ForecasterSettings

    run(
        ForecasterSettings(
            stream="kafka",
            kafka_servers=settings.servers,
            kafka_topic_prefix=settings.topic_prefix,
            kafka_partitions=settings.partitions,
            state_directory=Path(folder) / "state",
            models_directory=Path(folder) / "models",
            ledger_url=f"sqlite:///{folder}/ledger.db",
            state_seconds=60.0,
            wait_seconds=45.0,
            retrain=False,
            port=0,
        )
    )
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(
        f"forecaster: {used.ru_utime + used.ru_stime:.1f} s of CPU, "
        f"{used.ru_maxrss * 1024 / 1e6:.0f} MB at most",
        flush=True,
    )


def sample(number: int, minute: int) -> TrafficSample:
    """Give a workload's sample of a minute."""
    rate = (1 + number % 500) * (2 + np.sin(minute / 30 + number) + 0.2 * np.sin(7.0 * minute))
    return TrafficSample(
        key=f"team-{number % 50}/Deployment/web-{number}",
        timestamp_milliseconds=minute * MINUTE_SECONDS * MILLISECONDS,
        requests_per_second=float(rate),
    )


def send_minute(producer: Producer, workloads: int, minute: int, rate: int) -> dict[str, float]:
    """Send a minute of all workloads at a rate; give when each was sent, by the clock."""
    sent: dict[str, float] = {}
    burst = rate // BURSTS_PER_SECOND
    started = time.perf_counter()
    for number in range(workloads):
        if number % burst == 0:
            due = started + number / rate
            time.sleep(max(0.0, due - time.perf_counter()))
        made = sample(number, minute)
        sent[made.key] = time.time()
        producer.send(made)
    producer.flush(60.0)
    return sent


def receive(consumer: Consumer, minute: int, count: int, seconds: float) -> dict[str, float]:
    """Give when the forecast of each workload as of a minute came."""
    came: dict[str, float] = {}
    deadline = time.monotonic() + seconds
    while len(came) < count and time.monotonic() < deadline:
        batch = consumer.poll(0.05, 500)
        now = time.time()
        for record in batch.records:
            message = record.message
            if isinstance(message, TrafficForecast):
                stamp = message.issued_at_milliseconds // (MINUTE_SECONDS * MILLISECONDS)
                if stamp == minute:
                    came[message.key] = now
    return came


def _receive_elsewhere(
    settings: KafkaSettings, given: tuple[int, int, int], results: Queue[Received]
) -> None:
    first, minutes, workloads = given
    consumer = KafkaStream(settings).consumer(FORECASTS_TOPIC, "latency")
    for minute in range(first, first + minutes):
        seconds = (minute + 1) * MINUTE_SECONDS - time.time()
        results.put((minute, receive(consumer, minute, workloads, max(1.0, seconds))))
    consumer.close()


def measure(settings: KafkaSettings, folder: str, arguments: argparse.Namespace) -> None:
    """Send history, then minutes, and print the delays of each."""
    processes = multiprocessing.get_context("spawn")
    producer = KafkaStream(settings).producer(SAMPLES_TOPIC)
    now = int(time.time()) // MINUTE_SECONDS
    for minute in range(now - HISTORY_MINUTES, now):
        send_minute(producer, arguments.workloads, minute, 10**9)
    forecaster = processes.Process(target=serve, args=(settings, folder))
    forecaster.start()
    first = int(time.time()) // MINUTE_SECONDS + 2
    results: Queue[Received] = processes.Queue()
    given = (first, arguments.minutes, arguments.workloads)
    reader = processes.Process(target=_receive_elsewhere, args=(settings, given, results))
    reader.start()
    sent: dict[int, dict[str, float]] = {}
    try:
        for minute in range(now, first + arguments.minutes):
            time.sleep(max(0.0, minute * MINUTE_SECONDS + 0.5 - time.time()))
            sent[minute] = send_minute(producer, arguments.workloads, minute, arguments.rate)
        for _ in range(arguments.minutes):
            minute, came = results.get(timeout=READY_SECONDS_MAX)
            report(minute, sent[minute], came)
    finally:
        producer.close()
        forecaster.terminate()
        forecaster.join(60)
        reader.join(60)


def report(minute: int, sent: dict[str, float], came: dict[str, float]) -> None:
    """Print the delays of one minute."""
    delays = np.array([came[key] - sent[key] for key in came])
    on_grid = " (scores and learns)" if minute % 5 == 0 else ""
    if not len(delays):
        print(f"minute {minute}: none of {len(sent)} came")
        return
    parts = np.percentile(delays, [50, 90, 99, 100])
    print(
        f"minute {minute}{on_grid}: {len(came)} of {len(sent)} forecasts, "
        f"median {parts[0]:.3f} s, p90 {parts[1]:.3f} s, p99 {parts[2]:.3f} s, "
        f"max {parts[3]:.3f} s",
        flush=True,
    )


def main() -> None:
    """Start a broker, measure, and leave nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workloads", type=int, default=10_000)
    parser.add_argument("--rate", type=int, default=2000, help="samples a second")
    parser.add_argument("--minutes", type=int, default=3)
    arguments = parser.parse_args()
    sys.path.insert(0, str(SUPPORT))
    import kafka_broker

    with tempfile.TemporaryDirectory() as folder:
        broker = kafka_broker.formatted(Path(folder))
        broker.start()
        try:
            settings = broker.settings(partitions=12, session_seconds=45.0)
            measure(settings, folder, arguments)
        finally:
            broker.kill()


if __name__ == "__main__":
    main()
