"""How long a day of 100 workloads takes from Prometheus to the stream, after an outage.

    .venv/bin/python bench/backfill_rate.py [--workloads 100] [--hours 24] [--rounds 3]
        [--stream memory,kafka,none] [--output table|json]

A real Prometheus is filled by `promtool tsdb create-blocks-from openmetrics` with a day of what
ingress-nginx, cAdvisor and kube-state-metrics say of so many Deployments of one pod each, scraped
every 30 s (ingress-nginx: one counter and a histogram of twelve buckets). The bridge then reads all
of it with its own presets and settings, all six signals, and hands 1,440 samples a workload on; the
time is of its one turn, from the first query to the last acknowledgement. `kafka` is a broker that
is started for it on loopback; `memory` leaves Kafka out; `none` keeps nothing, so that what is
resident is the bridge's own, as for `--workloads 1000 --hours 1 --stream none`. CPU is of
Prometheus and the bridge, which wait for each other: on an idle machine their sum is about the
time. Figures are simulated traffic on real components. The project's bar: a day
of 100 workloads in 30 s.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.request import urlopen

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from traffic_history import Value, constant, counter, history

from telemetry.bridge.bridge import Bridge
from telemetry.bridge.settings import read_settings
from telemetry.stream.interface import SAMPLES_TOPIC, Producer
from telemetry.stream.memory import MemoryStream

BAR_SECONDS = 30.0
SCRAPE_SECONDS = 30
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


def series_of(workloads: int) -> dict[str, Value]:
    """What three exporters say of so many Deployments."""
    found: dict[str, Value] = {}
    for number in range(workloads):
        name = f"web-{number}"
        pod = f'namespace="shop",pod="{name}-x"'
        owner = 'owner_kind="ReplicaSet",owner_name="' + name + '-r",owner_is_controller="true"'
        above = f'owner_kind="Deployment",owner_name="{name}",owner_is_controller="true"'
        found |= {
            f"kube_pod_owner{{{pod},{owner}}}": constant(1),
            f'kube_replicaset_owner{{namespace="shop",replicaset="{name}-r",{above}}}': constant(1),
            f'kube_deployment_status_replicas_ready{{namespace="shop",deployment="{name}"}}': (
                constant(1)
            ),
            f'container_cpu_usage_seconds_total{{{pod},container="main"}}': counter(0.25),
            f'container_memory_working_set_bytes{{{pod},container="main"}}': constant(1e8),
            f'container_network_receive_bytes_total{{{pod},interface="eth0"}}': counter(1000),
            f'container_network_transmit_bytes_total{{{pod},interface="eth0"}}': counter(500),
            **_ingress(name, 1.0 + number),
        }
    return found


def _ingress(name: str, per_second: float) -> dict[str, Value]:
    of = f'namespace="shop",service="{name}",ingress="{name}",status="200",method="GET"'
    metric = "nginx_ingress_controller_request_duration_seconds_bucket"
    found = {f"nginx_ingress_controller_requests{{{of}}}": counter(per_second)}
    for place, bound in enumerate((*BUCKETS, "+Inf")):
        share = min(1.0, (place + 1) / 10)
        found[f'{metric}{{{of},le="{bound}"}}'] = counter(per_second * share)
    return found


def prometheus_cpu_seconds(url: str) -> float:
    """What Prometheus says that it has used."""
    with urlopen(f"{url}/metrics") as answer:  # noqa: S310 - loopback
        text = answer.read().decode()
    found = re.search(r"^process_cpu_seconds_total (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def turn(
    url: str, producer: Callable[[], Producer], end_minute: int, hours: float
) -> tuple[float, float, float]:
    """Carry all of it once; the seconds that it took, Prometheus' CPU seconds, and our own."""
    settings = read_settings({"prometheus_url": url, "backfill_hours": hours}, {})
    now_seconds = end_minute * 60 + settings.delay_seconds
    bridge = Bridge(settings.bridge_core(), producer, now=lambda: now_seconds)
    theirs, ours, began = prometheus_cpu_seconds(url), time.process_time(), time.perf_counter()
    bridge.turn()
    took_seconds, ours = time.perf_counter() - began, time.process_time() - ours
    theirs = prometheus_cpu_seconds(url) - theirs
    figures = bridge.figures()
    if figures.troubles or figures.minutes != hours * 60:
        raise SystemExit(f"not all was carried: {figures}")
    return took_seconds, theirs, ours


class Nobody:
    """Takes everything and keeps nothing."""

    def send(self, message: object) -> None:
        """Take it."""

    def flush(self, timeout_seconds: float) -> None:
        """Have it."""

    def failed_total(self) -> int:
        """Give none up."""
        return 0

    def identity(self) -> str:
        """Have no name."""
        return ""

    def close(self) -> None:
        """Be let go."""


@contextmanager
def streams(kind: str, folder: Path) -> Iterator[Callable[[], Producer]]:
    """Make writers on a stream of that kind."""
    if kind == "none":
        yield Nobody
        return
    if kind == "memory":
        yield lambda: MemoryStream(records_max=10_000_000).producer(SAMPLES_TOPIC)
        return
    from kafka_broker import formatted

    from telemetry.kafka import KafkaStream

    broker = formatted(folder)
    broker.start()
    try:
        yield lambda: KafkaStream(broker.settings(partitions=12)).producer(SAMPLES_TOPIC)
    finally:
        broker.kill()


def measure(
    arguments: argparse.Namespace, kind: str, url: str, end_minute: int
) -> list[tuple[float, float, float]]:
    """What each round took: see `turn`."""
    with (
        tempfile.TemporaryDirectory() as folder,
        streams(kind, Path(folder)) as producer,
    ):
        work = partial(turn, url, producer, end_minute, arguments.hours)
        return [work() for _ in range(arguments.rounds)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workloads", type=int, default=100)
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--stream", default="memory,kafka")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", choices=("table", "json"), default="table")
    arguments = parser.parse_args()
    end_minute = int(time.time() // 60) - 1
    minutes = int(arguments.hours * 60) + 5
    with (
        tempfile.TemporaryDirectory() as folder,
        history(
            Path(folder),
            series_of(arguments.workloads),
            end_minute=end_minute,
            minutes=minutes,
            step=SCRAPE_SECONDS,
        ) as url,
    ):
        found = {
            kind: measure(arguments, kind, url, end_minute) for kind in arguments.stream.split(",")
        }
    show(arguments, found)


def show(arguments: argparse.Namespace, found: dict[str, list[tuple[float, float, float]]]) -> None:
    """Print a row for each stream."""
    samples = int(arguments.hours * 60) * arguments.workloads
    mebibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows = [
        {
            "stream": kind,
            "workloads": arguments.workloads,
            "samples": samples,
            "seconds_median": round(statistics.median(took), 2),
            "seconds_worst": round(max(took), 2),
            "prometheus_cpu_seconds": round(statistics.median(theirs), 2),
            "bridge_cpu_seconds": round(statistics.median(ours), 2),
            "samples_per_second": round(samples / statistics.median(took)),
            "resident_mebibytes_max": round(mebibytes),
        }
        for kind, rounds in found.items()
        for took, theirs, ours in [tuple(zip(*rounds, strict=True))]
    ]
    if arguments.output == "json":
        print(json.dumps({"bar_seconds": BAR_SECONDS, "rows": rows}, indent=2))
        return
    table = Table(title=f"A backfill of {arguments.hours:g} h; the bar is {BAR_SECONDS:g} s")
    for name in rows[0]:
        table.add_column(name, justify="right" if name != "stream" else "left")
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console(width=180).print(table)


if __name__ == "__main__":
    main()
