"""Who was bound where and when, as the API server tells it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from random import Random
from threading import Lock
from typing import Any, Self

from cluster.kube.client import UNFINISHED_PODS, JsonObject, KubeClient
from cluster.kube.informer import Informer
from cluster.kube.settings import WatchSettings
from cluster.kube.store import Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """A pod's node, and when the API server told us (monotonic clock)."""

    pod: str
    node: str
    at_seconds: float


@dataclass(frozen=True, slots=True)
class _Seen:
    name: str
    node: str
    refused: bool


class BindWatch:
    """Follows all pods; `with` it."""

    def __init__(self, client: KubeClient) -> None:
        self._informer: Informer[_Seen] = Informer(
            client,
            UNFINISHED_PODS,
            _read,
            settings=WatchSettings(),
            rng=Random(0),  # noqa: S311 - spreads retries, keeps no secret
        )
        self._informer.subscribe(self._changed)
        self._lock = Lock()
        self._binds: list[Bind] = []

    def __enter__(self) -> Self:
        self._informer.start()
        self._informer.wait_until_synced(timeout_seconds=30.0)
        return self

    def __exit__(self, *_: object) -> None:
        self._informer.stop()

    def clear(self) -> None:
        """Forget what was bound so far."""
        with self._lock:
            self._binds = []

    def binds(self) -> list[Bind]:
        """What was bound since `clear`, in the order in which it was told."""
        with self._lock:
            return list(self._binds)

    @property
    def count(self) -> int:
        """How many were bound since `clear`."""
        with self._lock:
            return len(self._binds)

    @property
    def pods(self) -> int:
        """How many pods there are."""
        return self._informer.status().objects

    def waiting(self) -> int:
        """How many pods nobody has decided about: neither bound nor found to fit nowhere."""
        return sum(not (seen.node or seen.refused) for seen in self._informer.values())

    def _changed(self, change: Change[_Seen]) -> None:
        after = change.after
        if after is None or not after.node or (change.before and change.before.node):
            return
        bind = Bind(pod=after.name, node=after.node, at_seconds=time.monotonic())
        with self._lock:
            self._binds.append(bind)


def _read(item: JsonObject) -> _Seen:
    pod: dict[str, Any] = item
    conditions = pod.get("status", {}).get("conditions") or ()
    refused = any(
        each.get("type") == "PodScheduled" and each.get("status") == "False" for each in conditions
    )
    return _Seen(pod["metadata"]["name"], pod.get("spec", {}).get("nodeName") or "", refused)
