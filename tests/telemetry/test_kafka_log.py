"""What people read while a broker is away: one line of ours, and none of kafka-python's."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from kafka.errors import KafkaConnectionError

from energy.errors import UnavailableError
from simulator.sandbox.ports import LOOPBACK, free_ports
from telemetry.kafka import KafkaSettings, KafkaStream
from telemetry.kafka.own_log import LIBRARY, OWN_LOG, SILENT_SECONDS, OwnLog, keep_to_itself
from telemetry.stream.interface import SAMPLES_TOPIC

REFUSED = KafkaConnectionError("111 ECONNREFUSED")


@pytest.fixture(autouse=True)
def _heard_at_the_root(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have `caplog` listen at the root alone, also where an earlier test used Kafka or a service.

    It adds itself to each logger that keeps to itself when a test begins, and a service's process
    wants no more than warnings of the library.
    """
    library = logging.getLogger(LIBRARY)
    monkeypatch.setattr(library, "propagate", True)
    level = library.level
    library.setLevel(logging.NOTSET)
    yield
    library.setLevel(level)


def told_of(name: str, words: str, *args: object, level: int = logging.ERROR) -> logging.LogRecord:
    """Give a line as kafka-python logs it."""
    return logging.LogRecord(name, level, __file__, 1, words, args, None)


def test_broker_that_is_away_is_said_long_before_the_time_is_up(caplog, monkeypatch):
    """The line says where, what and how to mend it; kafka-python's own are counted."""
    monkeypatch.setattr("telemetry.kafka.clients.PATIENCE_SECONDS", 0.1)
    caplog.set_level(logging.INFO)
    servers = tuple(f"{LOOPBACK}:{port}" for port in free_ports(2))
    hidden_before = OWN_LOG.hidden_total

    with pytest.raises(UnavailableError, match="nobody listens there; start the broker, or corr"):
        KafkaStream(KafkaSettings(servers=servers, connect_seconds=3600)).producer(SAMPLES_TOPIC)

    assert not [each for each in caplog.records if each.name.startswith("kafka")]
    assert OWN_LOG.hidden_total > hidden_before


def test_name_that_does_not_resolve_is_said(monkeypatch):
    """RFC 2606 keeps .invalid free of names."""
    monkeypatch.setattr("telemetry.kafka.clients.PATIENCE_SECONDS", 0.1)
    settings = KafkaSettings(servers=("broker.invalid:9092",), connect_seconds=3600)

    with pytest.raises(UnavailableError, match="does not resolve; start the broker, or correct"):
        KafkaStream(settings).producer(SAMPLES_TOPIC)


def test_connection_that_is_lost_at_work_is_said_rarely(caplog):
    """Nobody waits for it, so nobody else says it; tasks that take long are nobody's affair."""
    now = [0.0]
    log = OwnLog(monotonic=lambda: now[0])
    log.handle(told_of("kafka.net.selector", "Task %r ran for %.3fs", object(), 0.134))
    assert not caplog.records
    for seconds in (0.0, 1.0, SILENT_SECONDS + 1.0):
        now[0] = seconds
        log.handle(told_of("kafka.net.connection", "%s: Connection lost: %s", "conn", REFUSED))
    with log.left_to_caller():
        now[0] += 2 * SILENT_SECONDS
        log.handle(told_of("kafka.net.connection", "%s: Connection lost: %s", "conn", REFUSED))

    assert [each.getMessage().partition(" failed (")[0] for each in caplog.records] == [
        "a connection to Kafka",
        "a connection to Kafka",
    ]
    assert [each.getMessage()[-3:-1] for each in caplog.records] == [" 2", " 2"]
    assert log.hidden_total == 5


def test_what_broke_inside_is_said_beside_a_lost_connection(caplog):
    """It would be lost in the other's silence; only its traceback says where to look."""
    now = [0.0]
    log = OwnLog(monotonic=lambda: now[0])
    log.handle(told_of("kafka.net.connection", "%s: Connection lost: %s", "conn", REFUSED))
    broken = told_of("kafka.producer.sender", "Uncaught error in kafka producer I/O thread")
    bug = KeyError("inside")
    broken.exc_info = (KeyError, bug, None)
    for _ in range(2):
        now[0] += 1.0
        log.handle(broken)

    lost, failed = caplog.records
    assert not lost.exc_info
    assert failed.getMessage().startswith("kafka-python failed at its work: 'inside'")
    assert failed.exc_info is not None
    assert failed.exc_info[1] is bug


@pytest.mark.parametrize(
    ("level", "shown"), [(logging.DEBUG, ["an attempt", "a node", "lost"]), (logging.INFO, [])]
)
def test_who_debugs_sees_all(caplog, level, shown):
    """Where the root logger is at DEBUG, not the warnings only; else none of it."""
    caplog.set_level(level)
    keep_to_itself()
    library = logging.getLogger("kafka.net.manager")
    library.debug("an attempt")
    library.info("a node")
    library.warning("lost")

    assert [each.getMessage() for each in caplog.records] == shown
