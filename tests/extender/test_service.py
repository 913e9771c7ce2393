"""The service over an API server whose objects cannot all be read; a real one would not have it."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from async_waiting import PATIENCE_SECONDS, until
from core_scenes import json_of, task
from power_profile_files import document_of
from scripted_api import ScriptedApi, ScriptedRequest, scripted_api

from cluster.kube.client import KubeClient, connect
from cluster.kube.settings import KubeSettings
from extender.core import Core, CoreOptions
from extender.service import SILENT_SECONDS, Service
from extender.settings import ExtenderSettings
from extender.unreadable import POD, Unreadable

Json = dict[str, Any]
SIZES = {"cpu": "8", "memory": "32Gi", "pods": "110"}


def named(name: str, version: int, **fields: Any) -> Json:
    """Return an object of the API."""
    metadata = {"name": name, "resourceVersion": str(version), **fields.pop("metadata", {})}
    return {"metadata": metadata, **fields}


def node(name: str, version: int = 1, cpu: str = "8") -> Json:
    """Return a node."""
    return named(name, version, status={"allocatable": {**SIZES, "cpu": cpu}})


def pod(name: str, version: int, cpu: str) -> Json:
    """Return a pod that runs on node `a`."""
    container = {"name": "c", "image": "none", "resources": {"requests": {"cpu": cpu}}}
    spec = {"nodeName": "a", "containers": [container]}
    return named(name, version, metadata={"namespace": "shop", "uid": name}, spec=spec)


def namespace(version: int, labels: object) -> Json:
    """Return the namespace of the pods."""
    return named("shop", version, metadata={"labels": labels})


FIRST: Mapping[str, list[Json]] = {
    "nodes": [node("a"), node("b", cpu="many")],
    "pods": [pod("web", 1, "1"), pod("strange", 1, "much")],
    "namespaces": [namespace(1, {"negawatt.dev/ignore": "true"})],
    "powerprofiles": [named("odd", 1, **{**document_of("odd", {}), "metadata": {}, "spec": 7})],
}
LATER: Mapping[str, list[Json]] = {
    "nodes": [],
    "pods": [pod("web", 2, "lots"), pod("strange", 2, "even more")],
    "namespaces": [namespace(2, "none at all")],
    "powerprofiles": [],
}


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    """Return a server that lists `FIRST`."""
    with scripted_api() as server:
        yield server


@pytest.fixture
def client(api: ScriptedApi, tmp_path: Path) -> Iterator[KubeClient]:
    """Return a client of it."""
    connected = connect(KubeSettings(kubeconfig=api.kubeconfig(tmp_path)), environment={})
    yield connected
    connected.close()


def kind_of(request: ScriptedRequest) -> str:
    """Return what is asked for."""
    return request.path.rpartition("/")[2]


def script(api: ScriptedApi, goes_on: Event) -> None:
    """List `FIRST`; tell of `LATER` once that may go on."""

    def listed(request: ScriptedRequest) -> None:
        request.answer(
            200, {"metadata": {"resourceVersion": "1"}, "items": FIRST[kind_of(request)]}
        )

    def watched(request: ScriptedRequest) -> None:
        goes_on.wait(PATIENCE_SECONDS)
        events = [{"type": "MODIFIED", "object": item} for item in LATER[kind_of(request)]]
        request.stream(*events, hold_open=True)

    api.lists.append(listed)
    api.watches.append(watched)


def test_what_cannot_be_read_stays_as_it_was_last_read(
    api: ScriptedApi, client: KubeClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The pod runs on, its namespace has opted out still; each is counted, and logged once."""
    goes_on = Event()
    script(api, goes_on)
    core = Core(CoreOptions(mode="act"), now=lambda: 1000.0)
    service = Service(ExtenderSettings(mode="act"), core, client)

    async def run() -> tuple[list[Mapping[str, int]], int]:
        async with service:
            await until(lambda: service.readiness().ready)
            unreadable = [service.figures().unreadable]
            goes_on.set()
            await until(lambda: service.figures().unreadable["namespace"] == 1)
            await until(lambda: service.figures().unreadable["pod"] == 2)
            unreadable.append(service.figures().unreadable)
            service.prioritize(json_of(task("new")), ["a"])
            return unreadable, service.figures().pods

    with caplog.at_level(logging.WARNING):
        (before, after), pods = asyncio.run(run())

    assert before == {"pod": 1, "node": 1, "namespace": 0, "power-profile": 1}
    assert after == {"pod": 2, "node": 1, "namespace": 1, "power-profile": 1}
    assert pods == 1
    assert core.figures().unscored == {"skipped": 1}
    for said in (
        "pod shop/strange",
        "pod shop/web",
        "node b",
        "namespace shop",
        "PowerProfile odd",
    ):
        assert len([line for line in caplog.messages if line.startswith(said)]) == 1, said


@pytest.mark.parametrize("status", [401, 403])
def test_an_account_without_rights_is_said_once_and_not_each_second(
    api: ScriptedApi,
    client: KubeClient,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
) -> None:
    """One line for each thing that cannot be followed, however often it is asked for."""
    api.lists.append(lambda request: request.answer(status, {"kind": "Status", "code": status}))
    monkeypatch.setattr("extender.service.UNSYNCED_SECONDS", 0.01)
    service = Service(ExtenderSettings(), Core(CoreOptions(), now=lambda: 1000.0), client)

    async def run() -> None:
        async with service:
            await until(lambda: len(set(caplog.messages)) == len(FIRST))
            asked = len(api.requests)
            await until(lambda: len(api.requests) >= asked + len(FIRST))

    with caplog.at_level(logging.WARNING):
        asyncio.run(run())

    assert len(caplog.messages) == len(FIRST), caplog.messages


def test_a_first_list_that_hangs_is_said_once(
    api: ScriptedApi,
    client: KubeClient,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its informer waits for the answer, and has nothing to say."""
    answers, waits = Event(), list[None]()

    def held(request: ScriptedRequest) -> None:
        answers.wait(PATIENCE_SECONDS)
        request.answer(200, {"metadata": {"resourceVersion": "1"}, "items": []})

    api.lists.append(held)
    api.watches.append(lambda request: request.stream(hold_open=True))
    monkeypatch.setattr("extender.service.SYNC_SECONDS", 0.01)
    monkeypatch.setattr("extender.service.UNSYNCED_SECONDS", 0.01)
    service = Service(ExtenderSettings(), Core(CoreOptions(), now=lambda: 1000.0), client)
    wait = service.observer.wait_until_synced

    def counted(*, timeout_seconds: float) -> None:
        waits.append(None)
        wait(timeout_seconds=timeout_seconds)

    monkeypatch.setattr(service.observer, "wait_until_synced", counted)

    async def run() -> None:
        async with service:
            await until(lambda: len(waits) > 3)
            answers.set()

    asyncio.run(run())

    assert len([line for line in caplog.messages if "no list of" in line]) == 1


def test_a_turn_that_fails_again_and_again_waits_longer_each_time(
    api: ScriptedApi,
    client: KubeClient,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its tracebacks would fill the disk; it goes on, though, once nothing is wrong any more."""
    goes_on = Event()
    script(api, goes_on)
    waits: list[float] = []
    core = Core(CoreOptions(), now=lambda: 1000.0)
    service = Service(ExtenderSettings(), core, client)
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        if seconds != 0.01:
            waits.append(seconds)
        await sleep(0.001)

    def fails() -> None:
        if len(waits) <= 3:
            raise RuntimeError

    monkeypatch.setattr(core, "refresh", fails)
    monkeypatch.setattr("asyncio.sleep", noted)

    async def run() -> None:
        async with service:
            await until(lambda: len(waits) > 5)
            goes_on.set()

    asyncio.run(run())

    assert [wait / waits[0] for wait in waits[:6]] == [1, 2, 4, 8, 1, 1]
    assert len([one for one in caplog.messages if "turn failed" in one]) == 3


def test_what_is_read_again_or_gone_is_counted_no_more(caplog: pytest.LogCaptureFixture) -> None:
    """And logged anew when it cannot be read once more."""
    noted = Unreadable()

    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            noted.note(POD, "shop/web", ("what is wrong",))
            noted.note(POD, "shop/web", ("what is wrong",))
            assert noted.counts()[POD] == 1
            noted.settle(POD, "shop/web")
            assert noted.counts()[POD] == 0

    assert caplog.messages == ["what is wrong"] * 2


def test_an_api_server_that_has_long_been_silent_is_told_as_such(
    api: ScriptedApi, client: KubeClient
) -> None:
    """A quiet one is not, nor one whose first lists are still to come."""
    ahead_seconds, goes_on = [0.0], Event()
    script(api, goes_on)
    later = replace(client, monotonic=lambda: time.monotonic() + ahead_seconds[-1])
    service = Service(ExtenderSettings(), Core(CoreOptions(), now=lambda: 1000.0), later)

    async def run() -> None:
        assert service.silence() == ""
        async with service:
            await until(lambda: service.readiness().ready)
            assert service.silence() == ""
            ahead_seconds.append(SILENT_SECONDS + 10)
            said = r"the API server has said nothing of the cluster for 1\d\d s"
            assert re.fullmatch(said, service.silence())
            goes_on.set()

    asyncio.run(run())
