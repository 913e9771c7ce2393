"""A broker that is away or hangs for long costs no file descriptors, and holds nobody up."""

from __future__ import annotations

import gc
import socket
import ssl
from contextlib import suppress
from pathlib import Path

import pytest
from kafka_broker import KafkaBroker

from energy.errors import UnavailableError
from simulator.sandbox.ports import LOOPBACK, free_ports
from telemetry.kafka import KafkaSettings, KafkaStream
from telemetry.kafka.clients import client_options
from telemetry.stream.interface import SAMPLES_TOPIC


def open_sockets() -> int:
    """Count this process's sockets; another thread may close a file while we look."""
    count = 0
    for each in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            count += str(each.readlink()).startswith("socket:")
    return count


def left_open(settings: KafkaSettings) -> int:
    """Count the sockets that two vain trials leave to Python's collector of cycles."""
    stream = KafkaStream(settings)
    gc.collect()
    before = open_sockets()
    gc.disable()
    try:
        for _ in range(2):
            with pytest.raises(UnavailableError):
                stream.producer(SAMPLES_TOPIC)
        return open_sockets() - before
    finally:
        gc.enable()


def test_refused_connections_are_closed():
    """Nobody listens there."""
    (port,) = free_ports(1)

    assert left_open(KafkaSettings(servers=(f"{LOOPBACK}:{port}",), connect_seconds=0.2)) == 0


def test_failed_handshakes_are_closed(kafka_broker: KafkaBroker):
    """Its certificate is of an authority that we do not know."""
    settings = kafka_broker.secure_settings(connect_seconds=0.5, tls_ca_file=None)

    assert left_open(settings) == 0


@pytest.mark.parametrize(("connect_seconds", "limit_seconds"), [(0.2, 0.2), (3600.0, 10.0)])
def test_a_handshake_has_no_longer_than_connecting(connect_seconds, limit_seconds):
    """The reader's dead letters give connecting two seconds, and nothing is read meanwhile."""
    settings = KafkaSettings(servers=("a:1",), connect_seconds=connect_seconds, tls=True)
    context = client_options(settings)["ssl_context"]

    assert isinstance(context, ssl.SSLContext)
    assert context.sslsocket_class.handshake_seconds == limit_seconds


def test_a_broker_that_says_nothing_holds_no_handshake_up():
    """It takes connections, and hangs: without a limit we would wait with it for ever."""
    with socket.create_server((LOOPBACK, 0)) as silent:
        server = f"{LOOPBACK}:{silent.getsockname()[1]}"
        settings = KafkaSettings(servers=(server,), connect_seconds=0.2, tls=True)

        with pytest.raises(UnavailableError, match="TLS failed: the handshake took too long"):
            KafkaStream(settings).producer(SAMPLES_TOPIC)
        assert left_open(settings) == 0
