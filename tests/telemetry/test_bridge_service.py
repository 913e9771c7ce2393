"""The bridge as people run it: settings, HTTP, and a process between Prometheus and Kafka."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import repository
from asgi_caller import ELSEWHERE, ask
from kafka_broker import KafkaBroker
from scraped_prometheus import wait_until
from traffic_history import History

from energy.errors import InputError, UnavailableError
from simulator.sandbox.ports import free_ports
from telemetry.bridge.__main__ import run
from telemetry.bridge.app import create_app
from telemetry.bridge.figures import BridgeFigures
from telemetry.bridge.metrics import FAMILIES, PREFIX
from telemetry.bridge.reference import PAGES
from telemetry.bridge.settings import BridgeSettings, read_settings
from telemetry.kafka import KafkaStream
from telemetry.stream.interface import SAMPLES_TOPIC, Record
from telemetry.stream.settings import open_stream

TOKEN = "a-token-of-some-length"  # noqa: S105 - it opens nothing


class Still:
    """A bridge that stands still."""

    def __init__(self, figures: BridgeFigures, *, hangs: bool = False) -> None:
        self._figures = figures
        self._hangs = hangs

    def hangs(self) -> bool:
        """Say what the test says."""
        return self._hangs

    def figures(self) -> BridgeFigures:
        """Say what the test says."""
        return self._figures


FULL = BridgeFigures(
    samples=10,
    minutes=5,
    queries_failed={"refused": 2},
    values_refused={"cpu_cores": 3},
    workloads={"cpu_cores": 4},
    minutes_behind=0,
    minutes_missing=7,
    last_success_seconds=1000.0,
    doubts=("own cpu_cores: answered 400",),
)


def test_health_and_readiness_say_what_keeps_it() -> None:
    """A doubt is told and is no trouble; before the first minute it is not ready."""

    def said(path: str, running: Still) -> tuple[int, str]:
        reply = ask(create_app(running, BridgeSettings()), "GET", path)
        return reply.status, reply.sent.decode()

    assert said("/healthz", Still(FULL)) == (200, "ok\n")
    assert said("/healthz", Still(FULL, hangs=True))[0] == 503
    assert said("/readyz", Still(FULL)) == (200, "own cpu_cores: answered 400\n")
    assert said("/readyz", Still(BridgeFigures())) == (503, "no minute was carried yet\n")
    away = BridgeFigures(last_success_seconds=5.0, troubles=("it cannot be reached",))
    assert said("/readyz", Still(away)) == (503, "it cannot be reached\n")


def test_every_series_is_on_the_page_and_the_page_is_what_the_code_says() -> None:
    """`python -m telemetry.bridge.reference docs/reference` makes it so."""
    reply = ask(create_app(Still(FULL), BridgeSettings()), "GET", "/metrics")
    page = (repository.ROOT / "docs/reference/telemetry-metrics.md").read_text("utf-8")

    named = set(re.findall(rf"^# TYPE ({PREFIX}\w+)", reply.sent.decode(), re.MULTILINE))
    assert named == {family.name for family in FAMILIES}
    assert named == set(re.findall(rf"^\| `({PREFIX}\w+)`", page, re.MULTILINE))
    for name, text in PAGES.items():
        assert (repository.ROOT / "docs/reference" / name).read_text("utf-8") == text()


def test_strangers_show_a_token(tmp_path: Path) -> None:
    """Names of workloads and rates are nobody else's business; health is for everybody."""
    file = tmp_path / "token"
    file.write_text(TOKEN)
    app = create_app(Still(FULL), read_settings({"host": "0.0.0.0", "token_file": str(file)}, {}))  # noqa: S104

    assert ask(app, "GET", "/healthz", client=ELSEWHERE).status == 200
    assert ask(app, "GET", "/metrics", client=ELSEWHERE).status == 401


@pytest.mark.parametrize(
    ("flags", "environ", "words"),
    [
        ({"stream": "memory"}, {}, "--stream: input should be 'kafka'"),
        ({"presets": "istio,linkerd"}, {}, "--presets: there is no preset 'linkerd'"),
        ({"duplicate_labels": "a-b"}, {}, "--duplicate-labels: 'a-b' is no label"),
        ({"backfill_hours": "193"}, {}, "--backfill-hours: input should be less than or equal"),
        ({"reread_minutes": "-1"}, {}, "--reread-minutes"),
        ({"rate_window_seconds": "1"}, {}, "--rate-window-seconds"),
        ({"delay_seconds": "nan"}, {}, "--delay-seconds"),
        ({"tls_cert_file": "a.pem"}, {}, "go together"),
        ({}, {"NEGAWATT_TELEMETRY__PORTS": "1"}, "did you mean NEGAWATT_TELEMETRY__PORT?"),
        ({}, {"NEGAWATT_TELEMETRY_PORT": "1"}, "did you mean NEGAWATT_TELEMETRY__PORT?"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_one_line(flags, environ, words) -> None:
    """By the name under which they were given."""
    with pytest.raises(InputError) as refused:
        read_settings(flags, environ)

    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_a_kubelet_tells_of_a_service_of_our_name_is_no_setting() -> None:
    """A Service `negawatt-telemetry` with an address must not keep our pods from starting."""
    told = {
        "SERVICE_HOST": "10.0.0.1",
        "SERVICE_PORT": "10382",
        "SERVICE_PORT_HTTP": "10382",
        "PORT": "tcp://10.0.0.1:10382",
        "PORT_10382_TCP": "tcp://10.0.0.1:10382",
        "PORT_10382_TCP_ADDR": "10.0.0.1",
    }
    environ = {f"NEGAWATT_TELEMETRY_{name}": value for name, value in told.items()}

    assert read_settings({}, environ).port == 10_382


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({}, "--prometheus-url: no Prometheus is named"),
        ({"prometheus_url": "prometheus:9090"}, "--prometheus-url: give an address"),
        ({"prometheus_url": "http://a", "matchers": "a=b"}, "--matchers: give label matchers"),
        ({"prometheus_url": "http://a", "prometheus_password_file": "/none"}, "/none: no such"),
        ({"prometheus_url": "http://a", "prometheus_token_file": "/none"}, "/none: no such"),
        (
            {
                "prometheus_url": "http://a",
                "prometheus_username": "me",
                "prometheus_token_file": "/dev/null",
            },
            "--prometheus-username: give a user or a token",
        ),
        ({"prometheus_url": "http://a", "presets": ","}, "--presets: nothing is to be read"),
        ({"prometheus_url": "http://a", "queries_file": "/none"}, "/none: no such file"),
    ],
)
def test_a_prometheus_that_cannot_be_asked_is_refused_in_one_line(flags, words) -> None:
    """Before anything is asked."""
    with pytest.raises(InputError) as refused:
        read_settings(flags, {}).bridge_core()

    assert str(refused.value).startswith(words)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({}, "--kafka-servers: says no broker"),
        ({"kafka_servers": "kafka"}, "--kafka-servers: a broker is given as host:port"),
        ({"kafka_servers": "a:9092", "kafka_sasl_user": "me"}, "Kafka: --kafka-sasl-mechanism"),
    ],
)
def test_a_broker_that_cannot_be_reached_is_refused_in_one_line(flags, words) -> None:
    """As far as its settings say so."""
    with pytest.raises(InputError) as refused:
        open_stream(read_settings(flags, {}))

    assert str(refused.value).startswith(words)


def test_another_topic_or_query_is_another_work() -> None:
    """What was acknowledged elsewhere says nothing."""
    base = {"prometheus_url": "http://a"}
    found = {
        read_settings(base, {}).fingerprint("kafka one"),
        read_settings(base, {}).fingerprint("kafka two"),
        read_settings({**base, "matchers": 'a="b"'}, {}).fingerprint("kafka one"),
        read_settings({**base, "presets": "istio"}, {}).fingerprint("kafka one"),
    }

    assert len(found) == 4
    assert read_settings(base, {}).fingerprint("kafka one") in found


@contextmanager
def running(folder: Path, **settings: object) -> Iterator[str]:
    """Run `negawatt telemetry run`; give its address, and end it as Kubernetes would."""
    environ = {f"NEGAWATT_TELEMETRY__{name.upper()}": str(v) for name, v in settings.items()}
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "console", "telemetry", "run", "--port", "0"],
            env={**os.environ, **environ},
            cwd=repository.ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        assert said.startswith("listening on "), (folder / "log").read_text()
        yield said.split()[-1]
        process.terminate()
        assert process.wait(30) == 0, (folder / "log").read_text()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def asked(url: str) -> tuple[int, str]:
    """Return a page and its status."""
    try:
        with urlopen(url, timeout=10) as answer:  # noqa: S310 - loopback
            return answer.status, answer.read().decode()
    except URLError as error:
        return getattr(error, "code", 0), ""


@pytest.mark.prometheus
def test_from_prometheus_to_kafka_and_on_after_a_restart(
    traffic_history: History, kafka_broker: KafkaBroker, tmp_path: Path
) -> None:
    """Each minute once; the next process goes on where the first one ended."""
    kafka = kafka_broker.settings()
    told = {
        "prometheus_url": traffic_history.url,
        "presets": "istio,traefik",
        "kafka_servers": kafka_broker.server,
        "kafka_topic_prefix": kafka.topic_prefix,
        "kafka_partitions": 3,
        "backfill_hours": 1.5,
        "reread_minutes": 0,
        "state_file": tmp_path / "state.json",
    }
    with running(tmp_path, **told) as url:
        wait_until(lambda: value_of("missing_minutes", asked(f"{url}/metrics")[1]) == 0)
        assert asked(f"{url}/readyz") == (200, "ok\n")
        _, metrics = asked(f"{url}/metrics")
    with running(tmp_path, **told) as url:
        wait_until(lambda: value_of("missing_minutes", asked(f"{url}/metrics")[1]) == 0)
        _, again = asked(f"{url}/metrics")

    done = json.loads((tmp_path / "state.json").read_text())["done"]
    sent = value_of("samples_total", metrics) + value_of("samples_total", again)
    found = all_of(KafkaStream(kafka), int(sent))
    times = Counter((each.key, each.timestamp_milliseconds // 60_000) for each in found)
    assert {key for key, _ in times} <= {"bank/Deployment/pay", "shop/StatefulSet/cart"}
    assert set(times.values()) == {1}
    assert {minute for _, minute in times} <= {m for a, b in done for m in range(a, b + 1)}
    assert value_of("samples_total", metrics) > 100
    assert sent == len(found) > sum(last - first + 1 for first, last in done)
    assert value_of("minutes_total", again) < 5


def value_of(series: str, metrics: str) -> float:
    """Return the value of one of our series without labels; -1 where it is not there."""
    found = re.search(rf"^negawatt_telemetry_{series} (\S+)$", metrics, re.MULTILINE)
    return float(found[1]) if found else -1.0


def all_of(stream: KafkaStream, count: int) -> list[Record]:
    """Read so many records and what is behind them; each key's are in the order of reading."""
    found: list[Record] = []
    with closing(stream.consumer(SAMPLES_TOPIC, "test")) as consumer:
        wait_until(lambda: found.extend(consumer.poll(0.5).records) or len(found) >= count)
        found += consumer.poll(0.2).records
    for key in {each.key for each in found}:
        times = [each.timestamp_milliseconds for each in found if each.key == key]
        # The newest ten minutes come before the past; within each it goes on in time.
        assert sum(before > after for before, after in pairwise(times)) <= 1
    return found


def test_port_is_had_before_anything_is_begun(tmp_path: Path):
    """Who is started twice by mistake leaves the other one's state alone."""
    (port,) = free_ports(1)
    state_file = tmp_path / "state" / "telemetry.json"
    given = {"prometheus_url": "http://127.0.0.1:1", "kafka_servers": "127.0.0.1:1"}
    settings = read_settings({**given, "port": port, "state_file": state_file})
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(UnavailableError, match="cannot listen there"),
    ):
        run(settings)

    assert not state_file.parent.exists()


def test_state_file_that_is_a_folder_is_refused(tmp_path: Path):
    """At the start, not after eight days were read."""
    given = {"prometheus_url": "http://127.0.0.1:1", "kafka_servers": "127.0.0.1:1", "port": 0}

    with pytest.raises(InputError, match="is a folder; name a file with --state-file"):
        run(read_settings({**given, "state_file": tmp_path}))
