"""The door to Prometheus: real answers, and one line for everything that is none."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from pydantic import ValidationError
from scraped_prometheus import LOOPBACK, prometheus, wait_until
from scripted_prometheus import answering, said, text

import telemetry.prometheus as door
from energy.errors import InputError
from telemetry.prometheus import Prometheus, PrometheusError, PrometheusSettings

# The hash is that of the word `test`, as Prometheus' own guide to basic authentication has it.
PASSWORD = "test"  # noqa: S105 - good for one server on loopback
USERS = {"admin": "$2b$12$hNf2lSsxfm0.i4a.1kVpSOVyBCfIB51VRjgBUyv6kdnyTlgWj81Ay"}


@pytest.mark.prometheus
def test_an_instant_vector_comes_back_with_labels_and_values(scraping: Prometheus) -> None:
    """The metric's name is no label, so that a metric and its timestamp() can be joined."""
    (found,) = scraping.query("ipmi_dcmi_power_consumption_watts")

    assert found.labels == {"job": "ipmi", "instance": "10.0.0.5:9290"}
    assert found.value == 220.0
    assert abs(found.evaluated_at_seconds - time.time()) < 60


@pytest.mark.prometheus
@pytest.mark.parametrize("number", ["NaN", "+Inf", "-Inf", "0/0"])
def test_what_is_no_number_is_missing(scraping: Prometheus, number: str) -> None:
    """It is passed on as missing, never as 0."""
    (found,) = scraping.query(f"vector({number})")

    assert found.value is None


@pytest.mark.prometheus
def test_no_series_is_no_error(scraping: Prometheus) -> None:
    """Presets that do not exist here just find nothing."""
    assert scraping.query("no_such_metric") == ()


@pytest.mark.prometheus
def test_a_refusal_carries_the_servers_words(scraping: Prometheus) -> None:
    """The operator reads what Prometheus itself found wrong."""
    with pytest.raises(PrometheusError, match=r"answered 400: .*parse error") as refused:
        scraping.query("sum(")
    with pytest.raises(PrometheusError, match=r"answered 422: .*many-to-many") as unfit:
        scraping.query("up + on () up")

    assert refused.value.kind == "refused"
    assert "\n" not in str(refused.value)
    assert unfit.value.kind == "failing"


@pytest.mark.prometheus
@pytest.mark.parametrize("query", ["1", '"text"', "up[1m]"])
def test_what_is_no_instant_vector_is_refused(scraping: Prometheus, query: str) -> None:
    """A scalar has no labels, and a range has no one value."""
    with pytest.raises(PrometheusError, match="no vector"):
        scraping.query(query)


@pytest.mark.prometheus
def test_tls_and_basic_authentication(tmp_path: Path) -> None:
    """A CA file and a user's name and password, against Prometheus' own web configuration."""
    key, certificate, web = tmp_path / "key.pem", tmp_path / "certificate.pem", tmp_path / "web.yml"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    name = ["-subj", "/CN=prometheus", "-addext", f"subjectAltName=IP:{LOOPBACK}"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*request, *name, *files], check=True, capture_output=True)
    tls = {"cert_file": str(certificate), "key_file": str(key)}
    web.write_text(yaml.safe_dump({"tls_server_config": tls, "basic_auth_users": USERS}))

    def settings(url: str, **more: object) -> PrometheusSettings:
        return PrometheusSettings.model_validate({"url": url} | more)

    with prometheus(
        tmp_path / "prometheus",
        arguments=(f"--web.config.file={web}",),
        is_ready=listens,
        scheme="https",
    ) as url:
        known = settings(url, ca_file=certificate, username="admin", password=PASSWORD)
        stranger = settings(url, ca_file=certificate, username="admin", password="not" + PASSWORD)

        wait_until(lambda: failure(known) is None)
        assert failure(stranger) == ("denied", f"{url}: answered 401: Unauthorized")
        assert failure(settings(url)) == (
            "unreachable",
            f"{url}: cannot be reached: its certificate cannot be verified, or it speaks no TLS",
        )


def listens(url: str) -> bool:
    """Whether anybody accepts connections there."""
    with socket.socket() as trying:
        return trying.connect_ex((LOOPBACK, int(url.rpartition(":")[2]))) == 0


def failure(settings: PrometheusSettings) -> tuple[str, str] | None:
    """Return the kind and the first half of the error of one query, None if it answers."""
    asked = Prometheus(settings)
    try:
        asked.query("vector(1)")
    except PrometheusError as error:
        return error.kind, str(error).partition(";")[0]
    finally:
        asked.close()
    return None


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (text(200, b"<html>hello</html>"), "not-prometheus", "what answers is no Prometheus"),
        (text(200, b"{}"), "not-prometheus", "what answers is no Prometheus"),
        (text(200, b'{"data":{"result":[{}]}}'), "not-prometheus", "no Prometheus"),
        (text(200, b'{"data":{"result":[{"metric":{},"value":[1]}]}}'), "not-prometheus", "no Pro"),
        (
            text(404, b"nothing here"),
            "not-prometheus",
            "Not Found; give the address of a Prometheus",
        ),
        (text(302, b"", Location="http://login.example/"), "denied", "sends us elsewhere (302)"),
        (text(401, b""), "denied", "answered 401: Unauthorized; give bearer_token_file"),
        (text(403, b'{"error":"not\\nyou"}'), "denied", "answered 403: not you; give bearer"),
        (text(502, b"<html>"), "unreachable", "answered 502: Bad Gateway"),
        (text(504, b"<html>"), "timed-out", "answered 504: Gateway Timeout"),
        (said(400, "bad_data", "parse error"), "refused", "answered 400: parse error"),
        (said(400, "bad_data", "too many samples"), "too-large", "narrow the queries"),
        (said(429, "bad_data", "too many outstanding requests"), "failing", "answered 429"),
        (said(422, "execution", "1 stores unavailable"), "failing", "1 stores unavailable"),
        (said(500, "internal", "input/output error"), "failing", "error; see its own log"),
        (said(503, "timeout", "query timed out in it"), "timed-out", "answered 503: query timed"),
        (said(503, "unavailable", "is starting"), "failing", "answered 503: is starting"),
        (text(503, b'{"error":"query timed out"}'), "timed-out", "answered 503: query timed out"),
        (text(200, b"short", **{"Content-Encoding": "gzip"}), "unreachable", "connection broke"),
    ],
)
def test_what_is_not_prometheus_is_told_in_one_line(answer, kind, words) -> None:
    """Whatever stands there instead: a page, a login, a proxy, another API."""
    with answering(answer) as url:
        asked = Prometheus(PrometheusSettings(url=url))
        with pytest.raises(PrometheusError) as raised:
            asked.query("up")
        asked.close()

    assert raised.value.kind == kind
    assert str(raised.value).startswith(url)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_nobody_there_is_unreachable() -> None:
    """Refused connections and names that do not exist, without a second try."""
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        closed = PrometheusSettings(url=f"http://{LOOPBACK}:{taken.getsockname()[1]}")

        assert failure(closed) == (
            "unreachable",
            f"{closed.url}: cannot be reached: connection refused",
        )
    nowhere = PrometheusSettings(url="http://prometheus.invalid:9090")
    found = failure(nowhere)
    assert found is not None
    assert found[0] == "unreachable"


@pytest.mark.parametrize("piece", [b"", b" "], ids=["silent", "drop by drop"])
def test_a_server_that_never_ends_its_answer_is_left(piece: bytes) -> None:
    """One byte every now and then must not hold the reader for ever."""
    done = threading.Event()

    def answer(request: BaseHTTPRequestHandler) -> None:
        if not piece:
            done.wait(30)
            return
        request.send_response(200)
        request.send_header("Content-Length", "1000000")
        request.end_headers()
        while not done.wait(0.05):
            request.wfile.write(piece)

    with answering(answer) as url:
        found = failure(PrometheusSettings(url=url, timeout_seconds=0.3))
        done.set()

    assert found == ("timed-out", f"{url}: no answer within 0.3 s")


def test_an_answer_has_a_largest_size(monkeypatch) -> None:
    """A query for everything must not fill the memory."""
    monkeypatch.setattr(door, "ANSWER_BYTES_MAX", 1024)
    with answering(text(200, b" " * 2000)) as url:
        found = failure(PrometheusSettings(url=url))

    assert found is not None
    assert "larger than" in found[1]


def test_what_is_asked_of_a_time_is_answered_whole_or_not_at_all() -> None:
    """Names from some of Thanos' stores would make strangers of the others' workloads."""
    asked = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked.append(parse_qs(urlsplit(request.path).query).get("partial_response"))
        text(200, b'{"data":{"result":[]}}')(request)

    with answering(answer) as url:
        connected = Prometheus(PrometheusSettings(url=url))
        connected.query("up", at_seconds=60)
        connected.query_range("up", first_seconds=0, last_seconds=60, step_seconds=60)
        connected.query("up")
        connected.close()

    assert asked == [["false"], ["false"], None]


def test_a_native_histogram_is_a_series_without_numbers() -> None:
    """One query of somebody's own that gives such must not pass for no Prometheus at all."""
    histogram = {"count": "1", "sum": "2", "buckets": [[0, "1", "2", "1"]]}
    series = {"metric": {"app": "web"}, "histograms": [[60, histogram]]}
    body = json.dumps({"data": {"result": [series, {**series, "values": [[120, "3"]]}]}})
    with answering(text(200, body.encode())) as url:
        connected = Prometheus(PrometheusSettings(url=url))
        found = connected.query_range("web", first_seconds=0, last_seconds=120, step_seconds=60)
        connected.close()

    assert [each.values.tolist() for each in found] == [[], [3.0]]


def test_a_token_is_read_at_every_query(tmp_path: Path) -> None:
    """Mounted tokens are replaced; neither .netrc nor a proxy of the environment gets a word."""
    token, seen = tmp_path / "token", []

    def answer(request: BaseHTTPRequestHandler) -> None:
        seen.append((request.headers["Authorization"], request.headers["User-Agent"]))
        text(200, b'{"data":{"result":[]}}')(request)

    with answering(answer) as url:
        asked = Prometheus(PrometheusSettings(url=url, bearer_token_file=token))
        for secret in ("first\n", "second\n"):
            token.write_text(secret)
            asked.query("up")
        token.unlink()
        with pytest.raises(PrometheusError, match=r"no such file or directory.*token file") as lost:
            asked.query("up")
        asked.close()

    assert seen == [("Bearer first", "negawatt"), ("Bearer second", "negawatt")]
    assert lost.value.kind == "denied"


def test_the_environments_proxy_is_not_used(monkeypatch) -> None:
    """It would see the token, and a cluster's Prometheus is not behind it."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with answering(text(200, b'{"data":{"result":[]}}')) as url:
        assert failure(PrometheusSettings(url=url)) is None


@pytest.mark.parametrize(
    ("text", "words"), [(None, "no such CA file"), ("no PEM", "used for TLS .*; give CA cert")]
)
def test_a_ca_file_that_does_not_do_is_bad_usage(tmp_path: Path, text, words) -> None:
    """Before anything is asked."""
    file = tmp_path / "ca.pem"
    if text is not None:
        file.write_text(text)
    settings = PrometheusSettings(url="https://prometheus:9090", ca_file=file)

    with pytest.raises(InputError, match=words):
        Prometheus(settings)


def test_what_speaks_no_http_is_told_without_the_name_of_a_class() -> None:
    """A port that says hello in its own way, and closes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            with server.accept()[0] as connection:
                connection.recv(4096)
                connection.sendall(b"220 mail.example ESMTP\r\n")

        thread = threading.Thread(target=greet)
        thread.start()
        found = failure(PrometheusSettings(url=f"http://127.0.0.1:{server.getsockname()[1]}"))
        thread.join()

    assert found is not None
    assert found[1].endswith("it closes the connection, or speaks no HTTP")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("url", "prometheus:9090", "give an address"),
        ("url", "ftp://prometheus", "give an address"),
        ("url", "http://", "give an address"),
        ("url", "http://a:99999", "no such port; give 1 to 65535"),
        ("url", "http://a:0", "no such port"),
        ("url", "http://me:secret@prometheus", "no password in the address"),
        ("url", "http://prometheus/?a=b", "without"),
        ("matchers", 'cluster="prod"} or up{', "label matchers"),
        ("matchers", "cluster=prod", "label matchers"),
        ("timeout_seconds", 0, "greater than 0"),
        ("rate_window_seconds", 1, "greater than or equal to 2"),
    ],
)
def test_settings_that_cannot_work_are_refused(field, value, words) -> None:
    """At the start, in words that say what to write."""
    given = {"url": "http://prometheus:9090", field: value}

    with pytest.raises(ValidationError, match=words):
        PrometheusSettings.model_validate(given)


def test_one_identity_at_most(tmp_path: Path) -> None:
    """Two would leave open which of them is refused."""
    with pytest.raises(ValidationError, match="not both"):
        PrometheusSettings(url="http://a", username="me", bearer_token_file=tmp_path)


def test_an_address_may_be_given_as_it_is_copied() -> None:
    """With a slash, or with the API's own path."""
    assert PrometheusSettings(url="http://a:9090/").url == "http://a:9090"
    assert PrometheusSettings(url="http://a/prom/api/v1").url == "http://a/prom"
    assert PrometheusSettings(url="http://a", matchers=' a="b,}", c=~"d" ').matchers
