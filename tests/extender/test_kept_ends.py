"""Ends that the ledger missed, looked for over an API server: of which pods, and for how long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from async_waiting import PATIENCE_SECONDS, until
from decisions import made
from scripted_api import ScriptedApi, ScriptedRequest, scripted_api
from typing_extensions import override

from cluster.kube.client import KubeClient, connect
from cluster.kube.settings import KubeSettings
from energy.errors import UnavailableError
from extender.core import Core, CoreOptions
from extender.service import SILENT_SECONDS, Service
from extender.settings import ExtenderSettings
from ledger.store import Ledger
from ledger.writer import LedgerWriter


def pod(name: str, cpu: str) -> dict[str, Any]:
    """Return a pod that runs on node `a`."""
    container = {"name": "c", "image": "none", "resources": {"requests": {"cpu": cpu}}}
    return {
        "metadata": {"namespace": "shop", "name": name, "uid": name, "resourceVersion": "1"},
        "spec": {"nodeName": "a", "containers": [container]},
    }


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    """Return a server that lists a pod, and one that cannot be read."""
    pods = [pod("web", "1"), pod("strange", "much")]

    def listed(request: ScriptedRequest) -> None:
        items = pods if request.path.endswith("/pods") else []
        request.answer(200, {"metadata": {"resourceVersion": "1"}, "items": items})

    with scripted_api() as api:
        api.lists.append(listed)
        api.watches.append(lambda request: request.stream(hold_open=True))
        yield api


@pytest.fixture
def client(api: ScriptedApi, tmp_path: Path) -> Iterator[KubeClient]:
    """Return a client of it."""
    connected = connect(KubeSettings(kubeconfig=api.kubeconfig(tmp_path)), environment={})
    yield connected
    connected.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """Return a ledger that takes both to run, and a pod that is gone."""
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as opened:
        opened.record([made(uid=name) for name in ("web", "strange", "gone")])
        yield opened


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("extender.service.ENDS_SECONDS", 0.01)
    monkeypatch.setattr("extender.service.SEEN_SECONDS", 0.01)


def observing(
    client: KubeClient, writer: LedgerWriter, left_running: Callable[[], Iterable[str]]
) -> Service:
    """Return an extender that takes the ledger to say that these pods run."""
    core = Core(CoreOptions(), now=lambda: 1000.0)
    return Service(ExtenderSettings(), core, client, writer=writer, left_running=left_running)


def test_a_look_that_fails_is_said_and_what_cannot_be_read_is_not_ended(
    client: KubeClient, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither may keep the ends of all others from being noted for ever."""
    looks: list[None] = []

    def left_running() -> frozenset[str]:
        looks.append(None)
        if len(looks) <= 3:
            raise RuntimeError("packet out of order")
        return ledger.running_uids()

    async def run(writer: LedgerWriter) -> None:
        async with observing(client, writer, left_running):
            await until(lambda: ledger.running_uids() == {"web", "strange"})

    with LedgerWriter(ledger) as writer:
        asyncio.run(run(writer))

    assert ledger.running_uids() == {"web", "strange"}
    said = [line for line in caplog.messages if "could not be looked for" in line]
    assert len(said) == 1


def test_nothing_ends_while_the_api_server_is_silent(client: KubeClient, ledger: Ledger) -> None:
    """A pod that another replica saw bound meanwhile would be taken for gone."""
    ahead_seconds, looks = [0.0], list[None]()
    later = replace(client, monotonic=lambda: time.monotonic() + ahead_seconds[-1])

    def left_running() -> frozenset[str]:
        looks.append(None)
        if len(ahead_seconds) == 1:
            raise UnavailableError("not yet")
        return ledger.running_uids()

    with LedgerWriter(ledger) as writer:
        service = observing(later, writer, left_running)

        async def run() -> None:
            async with service:
                await until(lambda: bool(looks) and service.observer.pods.status().watches == 1)
                ahead_seconds.append(SILENT_SECONDS + 10)
                looks.clear()
                await until(lambda: len(looks) > 5)

        asyncio.run(run())

    assert ledger.running_uids() == {"web", "strange", "gone"}


def test_what_was_bound_while_pods_were_listed_is_not_ended(
    client: KubeClient, api: ScriptedApi, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another replica saw it bound and wrote it down; the watch tells us a moment later."""
    ledger.record([made(uid="late")])
    told = Event()

    class Stopping(Event):
        """Whoever waits for a while has waited until the pod is seen."""

        @override
        def wait(self, timeout: float | None = None) -> bool:
            if not timeout:
                return super().wait(timeout)
            told.set()
            while service.observer.pods.get("shop/late") is None and not super().wait(0.01):
                pass
            return super().wait(timeout)

    def watched(request: ScriptedRequest) -> None:
        is_pods = request.path.endswith("/pods")
        if is_pods:
            told.wait(PATIENCE_SECONDS)
        event = {"type": "ADDED", "object": pod("late", "1")}
        request.stream(*([event] if is_pods else []), hold_open=True)

    api.watches.clear()
    api.watches.append(watched)
    monkeypatch.setattr("extender.service.Event", Stopping)

    with LedgerWriter(ledger) as writer:
        service = observing(client, writer, ledger.running_uids)

        async def run() -> None:
            async with service:
                await until(lambda: "gone" not in ledger.running_uids())

        asyncio.run(run())

    assert ledger.running_uids() == {"web", "strange", "late"}
