"""How an informer recovers from what a healthy API server does not do on demand."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from queue import Queue
from random import Random
from threading import Event

import pytest
from follower import PATIENCE_SECONDS, Follower
from scripted_api import ScriptedApi, ScriptedRequest, node, node_list, status

from cluster.kube.client import NODES, JsonObject, KubeClient
from cluster.kube.errors import (
    RETRY_AFTER_SECONDS_MAX,
    ForbiddenError,
    UnexpectedError,
    UnreachableError,
)
from cluster.kube.informer import Informer, object_key
from cluster.kube.settings import WatchSettings
from cluster.kube.snapshot import ClusterObserver
from cluster.kube.store import Change, ChangeKind


@pytest.fixture
def follow(client: KubeClient) -> Iterator[Callable[..., Follower]]:
    """Return a function that starts an informer, which ends with the test."""
    started: list[Follower] = []

    def start(settings: WatchSettings | None = None) -> Follower:
        followed = Follower(client, settings)
        started.append(followed)
        followed.informer.start()
        return followed

    yield start
    for followed in started:
        assert followed.informer.stop()


def event(kind: str, item: JsonObject) -> JsonObject:
    """Return a line of a watch."""
    return {"type": kind, "object": item}


def until(holds: Callable[[], bool]) -> None:
    """Wait for a state that nobody announces."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def quiet(request: ScriptedRequest) -> None:
    """Open a watch that says nothing."""
    request.stream(hold_open=True)


GONE = event("ERROR", status(410, "Expired", "too old resource version: 1 (9)"))
BOOKMARK = event("BOOKMARK", {"kind": "Node", "metadata": {"resourceVersion": "50"}})


def test_the_watch_goes_on_from_the_last_bookmark(
    api: ScriptedApi, follow: Callable[..., Follower]
) -> None:
    """A watch that ends is taken up where the server said, without listing again."""
    api.lists.append(lambda request: request.answer(200, node_list(node("a", 1), version=5)))
    api.watches.append(lambda request: request.stream(event("ADDED", node("b", 6)), BOOKMARK))
    api.watches.append(
        lambda request: request.stream(event("ADDED", node("c", 51)), hold_open=True)
    )
    followed = follow()

    assert [followed.next_change() for _ in range(3)] == [
        (ChangeKind.ADDED, "a"),
        (ChangeKind.ADDED, "b"),
        (ChangeKind.ADDED, "c"),
    ]
    watched = [r.query["resourceVersion"] for r in api.requests if "watch" in r.query]
    assert watched == ["5", "50"]
    assert followed.informer.status().lists == 1


def test_an_expired_version_is_listed_again_at_once_and_what_is_missing_was_deleted(
    api: ScriptedApi, follow: Callable[..., Follower]
) -> None:
    """After 410 Gone nothing is lost: the relist tells what came, changed and went."""
    api.lists.append(
        lambda request: request.answer(200, node_list(node("a", 1), node("b", 2), version=5))
    )
    api.lists.append(
        lambda request: request.answer(200, node_list(node("b", 8), node("c", 9), version=9))
    )
    api.watches.append(lambda request: request.stream(GONE))
    api.watches.append(quiet)
    followed = follow()

    changes = [followed.next_change() for _ in range(5)]

    assert changes[:2] == [(ChangeKind.ADDED, "a"), (ChangeKind.ADDED, "b")]
    assert changes[2:] == [
        (ChangeKind.DELETED, "a"),
        (ChangeKind.UPDATED, "b"),
        (ChangeKind.ADDED, "c"),
    ]
    assert followed.waits.empty()
    assert followed.informer.values() == ("b", "c")


def test_a_version_that_is_always_expired_is_not_asked_for_in_a_tight_loop(
    api: ScriptedApi, follow: Callable[..., Follower]
) -> None:
    """The second 410 in a row waits, and each further one longer."""
    api.lists.append(lambda request: request.answer(200, node_list(version=5)))
    api.watches.append(lambda request: request.stream(GONE))
    followed = follow()

    waits = [followed.next_wait() for _ in range(6)]

    assert waits == sorted(waits)
    assert waits[-1] > 4 * waits[0]


def test_a_page_that_expires_starts_the_list_over_and_shows_no_half(
    api: ScriptedApi, follow: Callable[..., Follower]
) -> None:
    """Half a list is never a cluster."""
    api.lists.append(
        lambda request: request.answer(200, node_list(node("a", 1), version=5, more="t"))
    )
    api.lists.append(lambda request: request.answer(410, status(410, "Expired", "continue")))
    api.lists.append(lambda request: request.answer(200, node_list(node("b", 2), version=7)))
    api.watches.append(quiet)

    followed = follow()

    assert followed.next_change() == (ChangeKind.ADDED, "b")
    assert followed.informer.values() == ("b",)


def test_failures_wait_longer_and_longer_up_to_the_maximum_and_a_success_starts_afresh(
    api: ScriptedApi, follow: Callable[..., Follower]
) -> None:
    """Exponential backoff, bounded, and forgotten once a watch has ended well."""

    def broken(request: ScriptedRequest) -> None:
        request.answer(503, status(503, "Unavailable", "starting"))

    api.lists.extend([broken] * 9)
    api.lists.append(lambda request: request.answer(200, node_list(version=5)))
    api.watches.append(lambda request: request.stream(event("ADDED", node("a", 6))))
    api.watches.append(broken)
    settings = WatchSettings(backoff_initial_seconds=1.0, backoff_max_seconds=16.0)
    followed = follow(settings)

    waits = [followed.next_wait() for _ in range(10)]

    ceilings = [1, 2, 4, 8, 16, 16, 16, 16, 16, 1]
    assert all(top / 2 <= wait <= top for wait, top in zip(waits, ceilings, strict=True))


def test_load_shedding_is_honoured(api: ScriptedApi, follow: Callable[..., Follower]) -> None:
    """The server's Retry-After is waited out."""
    api.lists.append(
        lambda request: request.answer(429, status(429, "Busy", "busy"), {"Retry-After": "11"})
    )

    assert follow().next_wait() == 11.0


@pytest.mark.parametrize("wish", ["86400", "1e10"])
def test_absurd_retry_after_does_not_end_or_hold_up_an_informer(
    api: ScriptedApi, client: KubeClient, wish: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own wait takes what the server wished, bounded, and the next list is read."""
    monkeypatch.setattr("cluster.kube.errors.RETRY_AFTER_SECONDS_MAX", 0.05)
    api.lists.append(
        lambda request: request.answer(429, status(429, "Busy", "busy"), {"Retry-After": wish})
    )
    api.lists.append(lambda request: request.answer(200, node_list(node("a", 1), version=5)))
    api.watches.append(quiet)
    settings = WatchSettings(backoff_initial_seconds=0.01)

    with Informer(client, NODES, object_key, settings=settings, rng=Random(1)) as informer:
        informer.wait_until_synced(timeout_seconds=PATIENCE_SECONDS)
        assert informer.values() == ("a",)
    assert RETRY_AFTER_SECONDS_MAX < 86400.0


def test_a_fault_of_ours_is_reported_and_everything_listed_again(
    api: ScriptedApi, client: KubeClient
) -> None:
    """Whatever a reading lets out, the thread lives, waits, says what it was and goes on."""
    api.lists.append(lambda request: request.answer(200, node_list(node("a", 1), version=5)))
    api.lists.append(
        lambda request: request.answer(200, node_list(node("a", 1), node("c", 7), version=7))
    )
    api.watches.append(lambda request: request.stream(event("ADDED", node("b", 6))))
    api.watches.append(quiet)

    def read(item: JsonObject) -> str:
        if object_key(item) == "b":
            raise RecursionError("too\ndeep")
        return object_key(item)

    seen: Queue[Change[str]] = Queue()
    failed: list[str] = []
    informer: Informer[str] = Informer(
        client,
        NODES,
        read,
        settings=WatchSettings(),
        rng=Random(1),
        sleep=lambda _: failed.append(str(informer.status().error)),
    )
    informer.subscribe(seen.put)
    with informer:
        changes = [seen.get(timeout=PATIENCE_SECONDS) for _ in range(2)]
        reached = informer.status()

    assert [change.key for change in changes] == ["a", "c"]
    assert (reached.lists, reached.failures) == (2, 1)
    assert failed == [str(failed[0])]
    assert "cannot follow nodes: RecursionError: too deep" in failed[0]


def test_waiting_for_a_copy_that_we_cannot_make_says_why(
    api: ScriptedApi, client: KubeClient
) -> None:
    """Who waits for the first list learns of our own fault, not of a time-out alone."""
    api.lists.append(lambda request: request.answer(200, node_list(node("a", 1), version=5)))
    failed = Event()
    informer: Informer[float] = Informer(
        client,
        NODES,
        lambda item: 1 / (len(item) - len(item)),
        settings=WatchSettings(),
        rng=Random(1),
        sleep=lambda _: (failed.set(), time.sleep(0.01)),
    )
    with informer:
        assert failed.wait(PATIENCE_SECONDS)
        with pytest.raises(UnexpectedError, match="ZeroDivisionError"):
            informer.wait_until_synced(timeout_seconds=0.01)


def test_a_permission_that_is_taken_away_is_seen_in_what_is_observed(
    api: ScriptedApi, client: KubeClient
) -> None:
    """The copy is still there and ages; the observation carries the reason."""
    message = 'nodes is forbidden: User "reader" cannot watch'
    api.lists.append(lambda request: request.answer(200, node_list(version=5)))
    api.watches.append(lambda request: request.answer(403, status(403, "Forbidden", message)))

    with ClusterObserver(client, rng=Random(1)) as observer:
        observer.wait_until_synced(timeout_seconds=PATIENCE_SECONDS)
        until(lambda: bool(observer.observe(now_seconds=0.0).errors))
        errors = observer.observe(now_seconds=0.0).errors

    assert all(isinstance(error, ForbiddenError) for error in errors)
    assert 'verbs: ["list", "watch"]' in str(errors[0])


def test_watches_opened_together_do_not_end_together(api: ScriptedApi, client: KubeClient) -> None:
    """Informers with other seeds ask for other lengths, between once and twice the setting."""
    api.lists.append(lambda request: request.answer(200, node_list(version=5)))
    api.watches.append(quiet)
    for seed in (1, 2):
        informer: Informer[str] = Informer(
            client, NODES, object_key, settings=WatchSettings(), rng=Random(seed)
        )
        with informer:
            informer.wait_until_synced(timeout_seconds=PATIENCE_SECONDS)
            until(partial(lambda one: one.status().watches == 1, informer))

    asked = [int(r.query["timeoutSeconds"]) for r in api.requests if "watch" in r.query]
    assert len(set(asked)) == 2
    assert all(300 <= seconds <= 600 for seconds in asked)


def test_a_watch_that_ends_at_once_without_a_word_counts_as_a_failure(
    api: ScriptedApi, follow: Callable[..., Follower]
) -> None:
    """A proxy that closes every watch must not turn us into a load generator."""
    api.lists.append(lambda request: request.answer(200, node_list(version=5)))
    api.watches.append(lambda request: request.stream())
    followed = follow()

    waits = [followed.next_wait() for _ in range(4)]

    assert waits[-1] > waits[0]
    assert isinstance(followed.informer.status().error, UnreachableError | None)
    assert followed.informer.status().lists == 1


def test_a_silent_watch_is_renewed_and_ages_the_copy_meanwhile(
    api: ScriptedApi, follow: Callable[..., Follower]
) -> None:
    """A half-open connection sounds like a quiet cluster: a new watch tells, and is no failure."""
    told = Event()

    def renewed(request: ScriptedRequest) -> None:
        told.set()
        quiet(request)

    api.lists.append(lambda request: request.answer(200, node_list(node("a", 1), version=5)))
    api.watches.extend([quiet, renewed])
    follower = follow(WatchSettings(silence_seconds_max=0.3))
    assert follower.next_change() == (ChangeKind.ADDED, "a")

    assert told.wait(PATIENCE_SECONDS)

    reached = follower.informer.status()
    assert (reached.lists, reached.failures) == (1, 0)
    assert follower.informer.values() == ("a",)


def test_a_server_that_accepts_and_never_answers_is_a_failure(
    api: ScriptedApi, follow: Callable[..., Follower]
) -> None:
    """Silence before the watch is accepted is no quiet cluster."""
    api.lists.append(lambda request: request.answer(200, node_list(version=5)))
    api.watches.append(lambda request: request.closing.wait(30))
    follower = follow(WatchSettings(silence_seconds_max=0.3))

    follower.next_wait()

    status = follower.informer.status()
    assert "did not answer in time" in str(status.error)
    assert status.watches == 0
    assert status.age_seconds >= 0.3


def test_garbage_in_the_stream_is_followed_by_a_new_watch_from_the_last_good_version(
    api: ScriptedApi, follow: Callable[..., Follower]
) -> None:
    """One broken line costs one watch, and no event."""
    api.lists.append(lambda request: request.answer(200, node_list(version=5)))
    api.watches.append(lambda request: request.stream(event("ADDED", node("a", 6)), b'{"typ'))
    api.watches.append(lambda request: request.stream(event("ADDED", node("b", 7)), hold_open=True))
    followed = follow()

    assert [followed.next_change()[1] for _ in range(2)] == ["a", "b"]
    watched = [r.query["resourceVersion"] for r in api.requests if "watch" in r.query]
    assert watched == ["5", "6"]


def test_everything_is_listed_again_after_the_relist_period(
    api: ScriptedApi, follow: Callable[..., Follower]
) -> None:
    """What a watch has missed heals: the object that silently vanished is found to be gone."""
    api.lists.append(lambda request: request.answer(200, node_list(node("a", 1), version=5)))
    api.lists.append(lambda request: request.answer(200, node_list(version=6)))
    api.watches.append(lambda request: request.stream(BOOKMARK))
    api.watches.append(quiet)

    followed = follow(WatchSettings(relist_seconds=1e-6))

    assert followed.next_change() == (ChangeKind.ADDED, "a")
    assert followed.next_change() == (ChangeKind.DELETED, "a")


def test_waiting_for_a_copy_that_is_forbidden_fails_at_once(
    api: ScriptedApi, follow: Callable[..., Follower]
) -> None:
    """Nobody waits a minute to learn that a permission is missing."""
    message = 'nodes is forbidden: User "system:serviceaccount:energy:reader" cannot list'
    api.lists.append(lambda request: request.answer(403, status(403, "Forbidden", message)))

    with pytest.raises(ForbiddenError, match="ServiceAccount energy/reader may not list nodes"):
        follow().informer.wait_until_synced(timeout_seconds=PATIENCE_SECONDS)


def test_waiting_for_a_copy_that_never_comes_says_why(
    api: ScriptedApi, follow: Callable[..., Follower]
) -> None:
    """When the time is up the last failure is the answer."""
    api.lists.append(lambda request: request.answer(500, status(500, "Oops", "etcd is gone")))
    followed = follow()
    followed.next_wait()

    with pytest.raises(UnreachableError, match="etcd is gone"):
        followed.informer.wait_until_synced(timeout_seconds=0.01)


def test_a_handler_that_fails_is_counted_and_disturbs_nobody(
    api: ScriptedApi, client: KubeClient
) -> None:
    """The other handlers and the copy go on."""
    api.lists.append(lambda request: request.answer(200, node_list(node("a", 1), version=5)))
    api.watches.append(quiet)
    informer: Informer[str] = Informer(
        client, NODES, object_key, settings=WatchSettings(), rng=Random(1)
    )
    told = Event()
    informer.subscribe(lambda change: {}[change.key])
    informer.subscribe(lambda change: told.set())

    with informer:
        assert told.wait(PATIENCE_SECONDS)
        assert informer.values() == ("a",)
        assert informer.status().handler_failures == 1


def test_an_informer_stops_while_it_waits_and_can_start_again(
    api: ScriptedApi, client: KubeClient
) -> None:
    """Stopping interrupts a wait of half an hour; a second start lists again."""
    api.lists.append(lambda request: request.answer(503, status(503, "Unavailable", "no")))
    settings = WatchSettings(backoff_initial_seconds=1800.0, backoff_max_seconds=1800.0)
    informer: Informer[str] = Informer(client, NODES, object_key, settings=settings, rng=Random(1))
    informer.start()
    with pytest.raises(UnreachableError):
        informer.wait_until_synced(timeout_seconds=1.0)

    assert informer.stop()

    api.lists.append(lambda request: request.answer(200, node_list(node("a", 1), version=5)))
    api.watches.append(quiet)
    api.lists.popleft()
    with informer:
        informer.wait_until_synced(timeout_seconds=PATIENCE_SECONDS)
        assert informer.values() == ("a",)
