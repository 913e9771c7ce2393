"""Who may ask what: loopback, a token, a certificate, and nobody else but for health."""

from __future__ import annotations

import pytest
from asgi_caller import ELSEWHERE, LOOPBACK, ask
from steady_scorer import SteadyScorer

from energy.errors import InputError
from extender.app import create_app
from extender.settings import ExtenderSettings
from telemetry.serving.access import CERTIFICATE, Access, Token, is_loopback, require_guarded

SECRET = "0123456789abcdef0123"  # noqa: S105 - it opens nothing
ANYWHERE = "0.0.0.0"  # noqa: S104 - nothing is bound to it
BODY = b'{"Pod":{},"Nodes":null,"NodeNames":["a","b"]}'
GUARDED = [
    ("POST", "/scheduler/prioritize"),
    ("POST", "/scheduler/filter"),
    ("POST", "/scheduler/bind"),
    ("GET", "/metrics"),
    ("GET", "/explain/shop/web-1"),
    ("GET", "/explain/shop/nobody"),
    ("GET", "/savings"),
    ("GET", "/openapi.json"),
    ("GET", "/nowhere"),
]


@pytest.fixture
def token_file(tmp_path):
    """A token, with the line's end that editors add."""
    file = tmp_path / "token"
    file.write_text(f"{SECRET}\n")
    return file


@pytest.fixture
def app(token_file):
    """An extender with a token."""
    return create_app(SteadyScorer(), ExtenderSettings(token_file=token_file))


def bearer(token):
    """The header that a caller sends."""
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(("method", "path"), GUARDED)
def test_off_loopback_a_token_is_needed_for_all_but_health(app, method, path):
    """The same request, from here, with the token, and without."""
    local = ask(app, method, path, BODY)
    known = ask(app, method, path, BODY, client=ELSEWHERE, headers=bearer(SECRET))
    stranger = ask(app, method, path, BODY, client=ELSEWHERE)

    assert local.status == known.status != 401
    assert stranger.status == 401
    assert stranger.headers["www-authenticate"] == "Bearer"
    assert "a token is needed" in stranger.json()["error"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_is_for_everybody(app, path):
    """A kubelet has neither token nor certificate."""
    assert ask(app, "GET", path, client=ELSEWHERE).status == 200


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", f"Bearer {SECRET}x", f"Bearer {SECRET[:-1]}", f"Basic {SECRET}", "é"],
)
def test_another_token_is_refused(app, header):
    """Also one that is only nearly right, or not even text."""
    reply = ask(app, "GET", "/metrics", client=ELSEWHERE, headers={"Authorization": header})

    assert reply.status == 401
    assert SECRET not in reply.sent.decode()


def test_the_scheme_is_read_in_any_case(app):
    """RFC 9110: schemes have no case."""
    headers = {"Authorization": f"bearer {SECRET}"}

    assert ask(app, "GET", "/savings", client=ELSEWHERE, headers=headers).status == 200


def test_without_a_configured_token_the_way_to_one_is_said():
    """Nothing that a caller sends would do."""
    app = create_app(SteadyScorer(), ExtenderSettings())

    reply = ask(app, "GET", "/metrics", client=ELSEWHERE, headers=bearer(SECRET))

    assert reply.status == 401
    assert "--token-file" in reply.json()["error"]


def test_a_changed_token_file_counts(app, token_file):
    """A mounted Secret rotates without a restart."""
    token_file.write_text("another-token-of-some-length")

    old = ask(app, "GET", "/savings", client=ELSEWHERE, headers=bearer(SECRET))
    new = ask(
        app,
        "GET",
        "/savings",
        client=ELSEWHERE,
        headers=bearer("another-token-of-some-length"),
    )

    assert (old.status, new.status) == (401, 200)


@pytest.mark.parametrize("spoil", ["remove", "empty", "shorten"])
def test_a_token_file_that_is_none_lets_nobody_in(app, token_file, spoil):
    """Least of all with an empty token."""
    if spoil == "remove":
        token_file.unlink()
    else:
        token_file.write_text("" if spoil == "empty" else "short")

    for given in ("", "short", SECRET):
        reply = ask(app, "GET", "/savings", client=ELSEWHERE, headers=bearer(given))
        assert reply.status == 401
    assert "mend the file" in reply.json()["error"]


@pytest.mark.parametrize(
    "name", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "True-Client-IP", "X-Client-Cert"]
)
def test_headers_that_a_proxy_sets_are_never_read(app, name):
    """Else everybody could say that they are local."""
    headers = {name: "for=127.0.0.1" if name == "Forwarded" else "127.0.0.1"}

    assert ask(app, "GET", "/metrics", client=ELSEWHERE, headers=headers).status == 401


@pytest.mark.parametrize("client", [None, ("", 1), ("testclient", 1), ("127.evil.example", 1)])
def test_a_caller_without_an_address_is_not_local(app, client):
    """A name that begins like loopback is a name."""
    assert ask(app, "GET", "/metrics", client=client).status == 401


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_loopback_has_several_addresses(app, address):
    """On a socket for both families, IPv4 callers look like IPv6."""
    assert ask(app, "GET", "/metrics", client=(address, 1)).status == 200


@pytest.mark.parametrize("address", ["127.0.0.6", "127.8.9.1", "::ffff:127.0.0.6"])
def test_what_a_service_mesh_delivers_is_not_local(app, address):
    """Istio's sidecar passes on what strangers send from 127.0.0.6."""
    assert ask(app, "GET", "/metrics", client=(address, 1)).status == 401


REPORTS = [
    ("GET", "/explain/shop/web-1"),
    ("GET", "/savings"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/nowhere"),
]


@pytest.mark.parametrize(("method", "path"), REPORTS)
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:10380", "[", "127.0.0.1.evil.example"]
)
def test_a_name_that_foreign_dns_points_at_us_reads_no_report(app, method, path, host):
    """A browser sends the page's own name, wherever that name points."""
    rebound = ask(app, method, path, headers={"Host": host})

    assert rebound.status == 403
    assert "is no name of this service" in rebound.json()["error"]
    assert "\n" not in rebound.json()["error"]
    assert ask(app, method, path, headers={"Host": host, **bearer(SECRET)}).status != 403
    assert ask(app, method, path, headers={"Host": host, **bearer("x" * 20)}).status == 403


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:10380", "[::1]:10380", "localhost", "LOCALHOST:1", "10.1.2.3", "here.example",
     "tools.example:1"],
)  # fmt: skip
def test_our_own_names_read_reports(host):
    """Addresses, `localhost`, the host that we listen on, and hosts of allowed origins."""
    told = ExtenderSettings(host="here.example", allowed_origins=("https://tools.example:8443",))

    assert (
        ask(create_app(SteadyScorer(), told), "GET", "/savings", headers={"Host": host}).status
        == 200
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/healthz"), ("GET", "/readyz"), ("POST", "/scheduler/prioritize"),
     ("POST", "/scheduler/filter")],
)  # fmt: skip
def test_health_and_the_scheduler_s_verbs_are_answered_by_any_name(app, method, path):
    """A kubelet and kube-scheduler may be told any; a page reads neither's answer."""
    assert ask(app, method, path, BODY, headers={"Host": "negawatt.example"}).status == 200


def test_off_loopback_the_token_is_enough_whatever_the_name(app):
    """Prometheus asks by the name of a service."""
    headers = {"Host": "negawatt.monitoring.svc:10380", **bearer(SECRET)}

    assert ask(app, "GET", "/metrics", client=ELSEWHERE, headers=headers).status == 200


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("127.0.0.2", True),
        ("::1", True),
        (ANYWHERE, False),
        ("::", False),
        ("10.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("my-machine", False),
        ("", False),
    ],
)
def test_a_host_is_this_machine_alone_or_is_not(host, expected):
    """A name may be anybody's."""
    assert is_loopback(host) is expected


def test_a_certificate_will_do():
    """The server's protocol checked it against our CA."""
    access = Access()
    scope = {"path": "/metrics", "client": ELSEWHERE, "headers": []}

    assert access.refusal(scope) is not None
    assert access.refusal({**scope, "extensions": {CERTIFICATE: {}}}) is None
    assert access.refusal({**scope, "client": LOOPBACK}) is None


def test_a_host_off_loopback_wants_a_guard(token_file, tmp_path):
    """Before anything is listened on."""
    with pytest.raises(InputError, match="--token-file or --tls-client-ca-file"):
        require_guarded(ExtenderSettings(host=ANYWHERE))

    require_guarded(ExtenderSettings(host="127.0.0.1"))
    require_guarded(ExtenderSettings(host=ANYWHERE, token_file=token_file))
    require_guarded(
        ExtenderSettings(
            host="::",
            tls_cert_file=tmp_path / "c",
            tls_key_file=tmp_path / "k",
            tls_client_ca_file=tmp_path / "ca",
        )
    )


@pytest.mark.parametrize("content", [None, "", "short\n"])
def test_a_token_that_is_none_is_refused_at_the_start(tmp_path, content):
    """Rather than letting nobody in, an hour later."""
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)

    with pytest.raises(InputError, match="holds no token"):
        require_guarded(ExtenderSettings(token_file=file))


def test_a_token_is_looked_at_once_a_second(token_file):
    """A stranger's questions must not each cost a look at the disk."""
    now = [100.0]
    token = Token(token_file, lambda: now[0])
    assert token.value() == SECRET.encode()

    token_file.write_text("x" * 40)
    now[0] += 0.9
    assert token.value() == SECRET.encode()
    now[0] += 0.1
    assert token.value() == b"x" * 40

    token_file.unlink()
    now[0] += 1.0
    assert token.value() == b""
