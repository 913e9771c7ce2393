"""The server around the application: certificates, taken ports, and how it ends."""

from __future__ import annotations

import asyncio
import http.client
import json
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from certificates import Authority
from served_extender import served
from steady_scorer import SteadyScorer

from energy.errors import InputError, UnavailableError
from extender.app import create_app
from extender.settings import ExtenderSettings
from telemetry.serving import access
from telemetry.serving.server import bound, configuration, serve

ANYWHERE = "0.0.0.0"  # noqa: S104 - nothing is bound to it
BODY = b'{"Pod":{},"Nodes":null,"NodeNames":["a","b"]}'
SUPPORT = Path(__file__).parents[1] / "support"
PROGRAM = """
import asyncio, sys, uvloop
from steady_scorer import SteadyScorer
from extender.app import create_app
from telemetry.serving.server import serve
from extender.settings import ExtenderSettings
settings = ExtenderSettings(port=0, drain_seconds=float(sys.argv[1]))
app = create_app(SteadyScorer(), settings)
with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(serve(app, settings, lambda url: print(url, flush=True)))
print("ended", flush=True)
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """Signs servers and clients."""
    return Authority.create(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def tls(authority):
    """Settings of a server that lets in whom our CA signed."""
    server = authority.sign("server")
    return ExtenderSettings(
        port=0,
        tls_cert_file=server.certificate,
        tls_key_file=server.key,
        tls_client_ca_file=authority.root.certificate,
    )


@pytest.fixture
def everybody_is_from_elsewhere(monkeypatch):
    """Tests listen on loopback alone, so the rule that spares loopback is taken away."""
    monkeypatch.setattr(access, "LOCAL", frozenset())


def get(url, path, authority, pair=None):
    """Ask over TLS, with a client certificate or without."""
    context = ssl.create_default_context(cafile=str(authority.root.certificate))
    if pair is not None:
        context.load_cert_chain(pair.certificate, pair.key)
    connection = http.client.HTTPSConnection(
        "127.0.0.1", urlsplit(url).port, context=context, timeout=30
    )
    try:
        connection.request(*path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.usefixtures("everybody_is_from_elsewhere")
def test_off_loopback_a_client_certificate_lets_in(tls, authority):
    """Without one, health alone is answered; a kubelet has none."""
    client = authority.sign("scheduler")
    asked = ("POST", "/scheduler/prioritize", BODY)

    with served(tls) as url:
        known = get(url, asked, authority, client)
        stranger = get(url, asked, authority)
        kubelet = get(url, ("GET", "/healthz"), authority)

    assert known[0] == 200
    assert [entry["Host"] for entry in json.loads(known[1])] == ["a", "b"]
    assert stranger[0] == 401
    assert kubelet == (200, b"ok\n")


@pytest.mark.usefixtures("everybody_is_from_elsewhere")
def test_a_certificate_of_another_authority_ends_the_handshake(tls, authority, tmp_path):
    """It never reaches the application."""
    stranger = Authority.create(tmp_path, "other").sign("scheduler")

    with served(tls) as url, pytest.raises((ssl.SSLError, ConnectionError)):
        get(url, ("GET", "/healthz"), authority, stranger)


def test_a_connection_is_kept_longer_than_go_keeps_it():
    """Were we the first to close it, a question could meet the end."""
    config = configuration(create_app(SteadyScorer(), ExtenderSettings()), ExtenderSettings())

    assert config.timeout_keep_alive > 90
    assert not config.proxy_headers


def test_many_questions_go_over_one_connection():
    """And one that is refused does not end it."""
    with served(ExtenderSettings(port=0, body_limit_bytes=1024)) as url:
        connection = http.client.HTTPConnection("127.0.0.1", urlsplit(url).port, timeout=30)
        try:
            statuses, addresses = [], set()
            for body in (BODY, b"{", BODY, b" " * 300_000, BODY):
                connection.request("POST", "/scheduler/prioritize", body)
                answer = connection.getresponse()
                answer.read()
                statuses.append(answer.status)
                addresses.add(connection.sock.getsockname())
        finally:
            connection.close()

    assert statuses == [200, 400, 200, 413, 200]
    assert len(addresses) == 1


def test_a_taken_port_is_said_in_one_line():
    """With what to do."""
    with bound(ExtenderSettings(port=0)) as taken:
        port = taken.getsockname()[1]
        said = rf"^127.0.0.1:{port}: cannot listen there \([^()]+\); end what listens there"
        with pytest.raises(UnavailableError, match=said):
            bound(ExtenderSettings(port=port))


def test_an_address_that_is_not_ours_is_said_in_one_line():
    """192.0.2.1 is nobody's (RFC 5737)."""
    with pytest.raises(UnavailableError, match="cannot listen there"):
        bound(ExtenderSettings(host="192.0.2.1", port=0))


def test_files_that_are_no_certificates_are_said_in_one_line(tmp_path):
    """Not a traceback of OpenSSL's."""
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("rubbish")
    settings = ExtenderSettings(tls_cert_file=rubbish, tls_key_file=rubbish)

    with pytest.raises(InputError, match=r"rubbish\.pem.*cannot be used for TLS"):
        configuration(create_app(SteadyScorer(), settings), settings)


def test_strangers_without_a_guard_are_refused_before_a_port_is_taken():
    """One line, and exit 2 at the command."""
    settings = ExtenderSettings(host=ANYWHERE, port=0)

    with pytest.raises(InputError, match="can be reached by others"):
        asyncio.run(serve(create_app(SteadyScorer(), settings), settings, print))


def start(drain_seconds):
    """The server as a process of its own, and its port."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(drain_seconds)],
        env={"PYTHONPATH": str(SUPPORT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    return process, urlsplit(process.stdout.readline().strip()).port


def status_of(port, path):
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def test_after_sigterm_it_answers_for_a_while_and_says_that_it_is_going():
    """So that whoever routes to it can route elsewhere; a second signal ends it at once."""
    process, port = start(600)
    try:
        before = status_of(port, "/readyz")
        process.send_signal(signal.SIGTERM)
        while (draining := status_of(port, "/readyz")) == 200:
            pass
        healthy = status_of(port, "/healthz")
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()

    assert (before, draining, healthy) == (200, 503, 200)
    assert (process.returncode, said) == (0, "ended\n")


@pytest.mark.parametrize(
    ("drain_seconds", "number"), [(0, signal.SIGTERM), (0.2, signal.SIGTERM), (600, signal.SIGINT)]
)
def test_it_ends_when_told(drain_seconds, number):
    """Ctrl-C does not drain; nothing listens afterwards."""
    process, port = start(drain_seconds)
    try:
        process.send_signal(number)
        said, _ = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()

    assert (process.returncode, said) == (0, "ended\n")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port)).close()
