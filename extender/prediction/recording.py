"""Offers predictions to the ledger's queue, and keeps large ones from filling the memory."""

from __future__ import annotations

import threading
from collections import deque
from typing import Final, Protocol

from ledger.prediction import Prediction

#: Servers in predictions that wait for the database; each takes about a kilobyte.
SERVERS_WAITING_MAX: Final = 200_000


class Queue(Protocol):
    """The part of `ledger.writer.LedgerWriter` that is used here."""

    @property
    def written(self) -> int: ...  # noqa: D102 - records that the database has
    @property
    def dropped(self) -> int: ...  # noqa: D102 - records that it never will have
    @property
    def forgotten(self) -> int: ...  # noqa: D102 - records that were deleted for their age
    @property
    def pending(self) -> int: ...  # noqa: D102 - records that wait

    def offer(self, record: Prediction) -> bool: ...  # noqa: D102 - never waits


class Recording:
    """Counts servers besides records: the queue takes ten thousand records of any size.

    A database may be away for minutes, and a record of ten thousand servers is ten megabytes.
    """

    def __init__(self, queue: Queue, servers_max: int = SERVERS_WAITING_MAX) -> None:
        self._queue, self._servers_max = queue, servers_max
        self._lock = threading.Lock()
        #: Of predictions that wait: how many records had to be settled before, and their servers.
        self._waiting: deque[tuple[int, int]] = deque()
        self._servers = 0

    def offer(self, prediction: Prediction) -> bool:
        """Take a prediction if there is room; never waits for the database."""
        servers = len(prediction.servers)
        with self._lock:
            self._forget_settled()
            if self._waiting and self._servers + servers > self._servers_max:
                return False
            place = self._settled() + self._queue.pending
            if not self._queue.offer(prediction):
                return False
            self._waiting.append((place, servers))
            self._servers += servers
        return True

    def _settled(self) -> int:
        return self._queue.written + self._queue.dropped

    def _forget_settled(self) -> None:
        settled = self._settled()
        if not self._queue.pending:
            self._waiting.clear()
            self._servers = 0
        while self._waiting and self._waiting[0][0] < settled:
            self._servers -= self._waiting.popleft()[1]
