"""What a client makes of an API server's answers."""

from __future__ import annotations

import re
from pathlib import Path
from threading import Event

import pytest
from follower import PATIENCE_SECONDS
from kubernetes.client import Configuration
from kubernetes.config import ConfigException
from scripted_api import ScriptedApi, ScriptedRequest, node, node_list, status, write_kubeconfig

from cluster.kube.client import NODES, UNFINISHED_PODS, KubeClient, connect
from cluster.kube.errors import (
    RETRY_AFTER_SECONDS_MAX,
    ConflictError,
    ForbiddenError,
    GoneError,
    KubeError,
    NotFoundError,
    RejectedError,
    TooManyRequestsError,
    UnauthorizedError,
    UnreachableError,
)
from cluster.kube.settings import KubeSettings
from energy.errors import UnavailableError


def first_page(client: KubeClient) -> None:
    """Ask for nodes."""
    next(client.pages(NODES, page_objects_max=10))


def test_a_list_is_read_page_by_page(api: ScriptedApi, client: KubeClient) -> None:
    """The continue token of one page asks for the next, and the selector goes with each."""
    api.lists.extend(
        [
            lambda request: request.answer(200, node_list(node("a", 1), version=9, more="token")),
            lambda request: request.answer(200, node_list(node("b", 2), version=9)),
        ]
    )

    pages = list(client.pages(UNFINISHED_PODS, page_objects_max=1))

    assert [item["metadata"]["name"] for page in pages for item in page.items] == ["a", "b"]
    assert [request.query.get("continue") for request in api.requests] == [None, "token"]
    assert {request.query["limit"] for request in api.requests} == {"1"}
    assert {request.query["fieldSelector"] for request in api.requests} == {
        "status.phase!=Succeeded,status.phase!=Failed"
    }


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, RejectedError),
        (401, UnauthorizedError),
        (403, ForbiddenError),
        (404, NotFoundError),
        (409, ConflictError),
        (410, GoneError),
        (422, RejectedError),
        (500, UnreachableError),
        (503, UnreachableError),
    ],
)
def test_each_refusal_has_its_own_error_of_one_line(
    api: ScriptedApi, client: KubeClient, code: int, kind: type[KubeError]
) -> None:
    """The message holds the server's address, the request and the server's own sentence."""
    api.lists.append(lambda request: request.answer(code, status(code, "Reason", "it is\nso")))

    with pytest.raises(kind) as caught:
        first_page(client)

    message = str(caught.value)
    assert isinstance(caught.value, UnavailableError)
    assert message.startswith(client.server)
    assert "list nodes" in message
    assert "\n" not in message
    assert caught.value.transient == (kind in {GoneError, UnreachableError})


def test_load_shedding_carries_the_servers_wish(api: ScriptedApi, client: KubeClient) -> None:
    """429 is not retried behind the caller's back; it says how long to wait."""
    api.lists.append(
        lambda request: request.answer(429, status(429, "Busy", "busy"), {"Retry-After": "7"})
    )

    with pytest.raises(TooManyRequestsError) as caught:
        first_page(client)

    assert caught.value.retry_after_seconds == 7.0
    assert len(api.requests) == 1


@pytest.mark.parametrize(
    ("wish", "heeded_seconds"),
    [
        ("86400", RETRY_AFTER_SECONDS_MAX),
        ("1e10", RETRY_AFTER_SECONDS_MAX),
        ("inf", RETRY_AFTER_SECONDS_MAX),
        ("nan", 1.0),
        ("-5", 0.0),
        ("Sun, 22 Nov 2026 05:00:00 GMT", 1.0),
    ],
)
def test_absurd_wish_to_wait_is_bounded(
    api: ScriptedApi, client: KubeClient, wish: str, heeded_seconds: float
) -> None:
    """No header makes a copy a day old, or a number that no clock can wait for."""
    api.lists.append(
        lambda request: request.answer(429, status(429, "Busy", "busy"), {"Retry-After": wish})
    )

    with pytest.raises(TooManyRequestsError) as caught:
        first_page(client)

    assert caught.value.retry_after_seconds == heeded_seconds <= 600.0


def test_credentials_that_cannot_be_renewed_are_unauthorized(
    api: ScriptedApi, client: KubeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library renews a token inside a request, and complains in its own words."""

    def refuse(_: Configuration) -> None:
        raise ConfigException("exec: process returned 1.\nlog in again")

    api.lists.append(lambda request: request.answer(200, node_list(version=1)))
    configuration = client.api.configuration
    monkeypatch.setitem(configuration.api_key, "authorization", "Bearer expired")
    monkeypatch.setattr(configuration, "refresh_api_key_hook", refuse)

    with pytest.raises(UnauthorizedError, match=r"process returned 1\. log in again"):
        first_page(client)


def test_answer_nested_too_deeply_is_unreadable(api: ScriptedApi, client: KubeClient) -> None:
    """A parser that gives up is one more answer that cannot be read."""
    api.lists.append(lambda request: request.answer(200, b"[" * 200_000))

    with pytest.raises(UnreachableError, match="cannot be read"):
        first_page(client)


def test_a_refusal_without_a_user_still_names_the_rule(
    api: ScriptedApi, client: KubeClient
) -> None:
    """A proxy's bare 403 says nothing, yet the rule to add is known from the request."""
    api.lists.append(lambda request: request.answer(403, b"<html>Forbidden</html>"))

    with pytest.raises(ForbiddenError) as caught:
        first_page(client)

    rule = 'rule {apiGroups: [""], resources: ["nodes"], verbs: ["list", "watch"]}'
    assert rule in str(caught.value)


@pytest.mark.parametrize(
    "message",
    [
        'admission webhook "no.example" denied the request: not on a Sunday',
        'nodes "a" is forbidden: is not allowed to modify labels: x/y',
    ],
)
def test_a_refusal_by_admission_is_told_and_no_rule_is_named(
    api: ScriptedApi, client: KubeClient, message: str
) -> None:
    """More rights would not help where a policy, a webhook or a plugin objects."""
    api.lists.append(lambda request: request.answer(403, status(403, "Forbidden", message)))

    with pytest.raises(ForbiddenError, match=re.escape(message)) as caught:
        first_page(client)

    assert "rule" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"{}", b'{"metadata": {}, "items": [3]}', b'"text"', b"\xff\xfe"],
)
def test_an_answer_that_is_no_list_is_an_error_and_never_an_empty_cluster(
    api: ScriptedApi, client: KubeClient, body: bytes
) -> None:
    """Something else behind the address must not look like a cluster without nodes."""
    api.lists.append(lambda request: request.answer(200, body))

    with pytest.raises(UnreachableError, match="cannot be read"):
        first_page(client)


def test_a_server_that_does_not_listen_is_named_with_the_cause(tmp_path: Path) -> None:
    """Connection refused reads like that, with the address."""
    path = write_kubeconfig(tmp_path / "config", "http://127.0.0.1:1")
    client = connect(KubeSettings(kubeconfig=path), environment={})

    with pytest.raises(
        UnreachableError, match=r"127.0.0.1:1: cannot list nodes: connection refused"
    ):
        first_page(client)


def test_a_server_that_does_not_answer_is_given_up(api: ScriptedApi, client: KubeClient) -> None:
    """The read time-out ends the wait; the message says that it was one."""
    api.lists.append(lambda request: request.closing.wait(30))

    with pytest.raises(UnreachableError, match="did not answer in time"):
        first_page(client)


def test_requests_are_paced(api: ScriptedApi, tmp_path: Path) -> None:
    """Two requests a second with a burst of two: the third waits half a second, by our clock."""
    api.lists.append(lambda request: request.answer(200, node_list(version=1)))
    waits: list[float] = []
    client = connect(
        KubeSettings(
            kubeconfig=api.kubeconfig(tmp_path), requests_per_second_max=2.0, requests_burst_max=2
        ),
        environment={},
        monotonic=lambda: 0.0,
        sleep=waits.append,
    )

    for _ in range(4):
        first_page(client)

    assert waits == [0.5, 1.0]


def test_leaving_a_watch_in_the_middle_closes_its_connection(
    api: ScriptedApi, client: KubeClient
) -> None:
    """The server notices at once that nobody listens any more."""
    left = Event()

    def talk(request: ScriptedRequest) -> None:
        try:
            while not request.closing.wait(0.01):
                request.stream({"type": "ADDED", "object": node("a", 1)})
        finally:
            left.set()

    api.watches.append(talk)
    stream = client.watch(NODES, resource_version="1", lasting_seconds=5, silence_seconds_max=5.0)
    for event in stream:
        assert event.kind == "ADDED"
        break

    assert left.wait(PATIENCE_SECONDS)


@pytest.mark.parametrize(
    "line", [b"{", b"[]", b"null", b'{"type": "ADDED"}', b'{"type": "ADDED", "object": 3}']
)
def test_garbage_in_a_watch_is_an_error(api: ScriptedApi, client: KubeClient, line: bytes) -> None:
    """A line that is no event breaks the watch instead of being skipped."""
    api.watches.append(lambda request: request.stream(line))
    stream = client.watch(NODES, resource_version="1", lasting_seconds=5, silence_seconds_max=5.0)

    with pytest.raises(UnreachableError, match="cannot be read"):
        list(stream)
