"""Against a real API server that is killed, restarted and robbed of its history."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from follower import PATIENCE_SECONDS, Follower
from kubernetes.client import CoreV1Api
from lone_api_server import LoneApiServer

from cluster.kube.client import NODES, KubeClient, connect
from cluster.kube.errors import GoneError, UnreachableError
from cluster.kube.settings import KubeSettings, WatchSettings
from cluster.kube.store import ChangeKind
from simulator.sandbox.toolchain import Toolchain

pytestmark = pytest.mark.kube
ADDED, UPDATED, DELETED = ChangeKind.ADDED, ChangeKind.UPDATED, ChangeKind.DELETED


@pytest.fixture
def server(toolchain: Toolchain, tmp_path: Path) -> Iterator[LoneApiServer]:
    """Return an API server of this test's own."""
    with LoneApiServer(toolchain, tmp_path) as running:
        yield running


@pytest.fixture
def lone(server: LoneApiServer) -> Iterator[KubeClient]:
    """Return a client of that server."""
    client = connect(KubeSettings(kubeconfig=server.kubeconfig), environment={})
    yield client
    client.close()


def create(client: KubeClient, *names: str) -> None:
    """Create nodes."""
    for name in names:
        CoreV1Api(client.api).create_node({"metadata": {"name": name}})


def test_a_killed_server_is_waited_for_and_the_copy_catches_up(
    server: LoneApiServer, lone: KubeClient
) -> None:
    """While it is down the copy ages, attempts wait ever longer; then nothing is missing."""
    create(lone, "a", "b")
    follower = Follower(lone)
    with follower.informer as informer:
        assert [follower.next_change() for _ in range(2)] == [(ADDED, "a"), (ADDED, "b")]

        server.kill()
        waits = [follower.next_wait() for _ in range(8)]
        down = informer.status()

        assert all(later > earlier for earlier, later in zip(waits, waits[2:5], strict=False))
        assert max(waits) <= WatchSettings().backoff_max_seconds
        assert isinstance(down.error, UnreachableError)
        assert "\n" not in str(down.error)
        assert down.age_seconds > 0.0
        assert informer.values() == ("a", "b")

        server.start()
        create(lone, "c")
        CoreV1Api(lone.api).delete_node("a")

        assert [follower.next_change() for _ in range(2)] == [(ADDED, "c"), (DELETED, "a")]
        assert informer.values() == ("b", "c")
        assert informer.status().error is None


def test_a_deletion_nobody_saw_is_told_after_410_gone(
    server: LoneApiServer, lone: KubeClient
) -> None:
    """History compacted away: the watch is refused, and the new list lacks what went."""
    create(lone, "a", "b")
    follower = Follower(lone)
    with follower.informer as informer:
        assert [follower.next_change() for _ in range(2)] == [(ADDED, "a"), (ADDED, "b")]
        lists = informer.status().lists

        server.kill()
        follower.next_wait()
        server.delete_behind_its_back("/registry/minions/a")
        server.start()

        assert follower.next_change() == (DELETED, "a")
        assert informer.values() == ("b",)
        assert informer.status().lists > lists


def test_a_watch_from_before_the_history_begins_is_gone(
    server: LoneApiServer, lone: KubeClient
) -> None:
    """What a real server answers to a version it no longer has is our GoneError."""
    create(lone, "a")
    page = next(lone.pages(NODES, page_objects_max=10))
    server.kill()
    server.delete_behind_its_back("/registry/minions/a")
    server.start()

    stream = lone.watch(
        NODES,
        resource_version=page.resource_version,
        lasting_seconds=5,
        silence_seconds_max=5.0,
    )
    with pytest.raises(GoneError, match="too old resource version"):
        next(iter(stream))


def test_an_informer_that_starts_before_its_server_finds_it(
    server: LoneApiServer, lone: KubeClient
) -> None:
    """The order of starting does not matter."""
    create(lone, "a")
    server.kill()
    follower = Follower(lone)
    with follower.informer as informer:
        follower.next_wait()
        with pytest.raises(UnreachableError, match="connection refused"):
            informer.wait_until_synced(timeout_seconds=0.1)

        server.start()
        informer.wait_until_synced(timeout_seconds=PATIENCE_SECONDS)

        assert informer.values() == ("a",)
