"""An informer whose changes and waits a test can wait for."""

from __future__ import annotations

import time
from queue import Queue
from random import Random

from cluster.kube.client import NODES, KubeClient
from cluster.kube.informer import Informer, object_key
from cluster.kube.settings import WatchSettings
from cluster.kube.store import Change, ChangeKind

PATIENCE_SECONDS = 60.0


class Follower:
    """An informer of node names, its changes and its waits, which it notes and cuts short."""

    def __init__(self, client: KubeClient, settings: WatchSettings | None = None) -> None:
        self.changes: Queue[Change[str]] = Queue()
        self.waits: Queue[float] = Queue()
        self.informer: Informer[str] = Informer(
            client,
            NODES,
            object_key,
            settings=settings or WatchSettings(),
            rng=Random(7),
            sleep=self._note,
        )
        self.informer.subscribe(self.changes.put)

    def next_change(self) -> tuple[ChangeKind, str]:
        """Wait for a change."""
        change = self.changes.get(timeout=PATIENCE_SECONDS)
        return change.kind, change.key

    def next_wait(self) -> float:
        """Wait for the informer to want to wait."""
        return self.waits.get(timeout=PATIENCE_SECONDS)

    def _note(self, wait_seconds: float) -> None:
        self.waits.put(wait_seconds)
        time.sleep(min(wait_seconds, 0.02))
