"""Brings a rebalance from kafka-python's I/O thread to the thread that polls, and waits for it.

kafka-python 3 calls its rebalance listener on the thread that also sends heartbeats, where nothing
may block: no commit, no look for an offset. So the listener here only waits, and polling goes on in
a thread of its own while ours does what is to be done.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum
from queue import SimpleQueue
from typing import Any, Final

from kafka import AsyncConsumerRebalanceListener
from kafka.future import Future as KafkaFuture


class Change(Enum):
    """What becomes of partitions: ours, another's soon, another's already."""

    ASSIGNED = "assigned"
    REVOKED = "revoked"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Request:
    """Partitions that change hands; the group waits until `done`."""

    change: Change
    partitions: frozenset[int]
    done: Any = field(default_factory=KafkaFuture)


class Rebalances(AsyncConsumerRebalanceListener):  # type: ignore[misc]
    """The listener: hands every change over, and waits until it was dealt with."""

    def __init__(self) -> None:
        self.requests: Final[SimpleQueue[Request | None]] = SimpleQueue()
        self.is_closed = False

    async def on_partitions_revoked(self, revoked: Any) -> None:  # noqa: ANN401
        """Partitions are to go."""
        await self._hand_over(Change.REVOKED, revoked)

    async def on_partitions_lost(self, lost: Any) -> None:  # noqa: ANN401
        """Partitions went while we were silent."""
        await self._hand_over(Change.LOST, lost)

    async def on_partitions_assigned(self, assigned: Any) -> None:  # noqa: ANN401
        """Partitions came."""
        await self._hand_over(Change.ASSIGNED, assigned)

    async def _hand_over(self, change: Change, partitions: Any) -> None:  # noqa: ANN401
        if self.is_closed or not partitions:
            return
        request = Request(change, frozenset(each.partition for each in partitions))
        self.requests.put(request)
        await request.done


class Handover:
    """Runs one poll at a time in its own thread, and in ours what the listener hands over."""

    def __init__(
        self, rebalances: Rebalances, answer: Callable[[Request], None], wake: Callable[[], None]
    ) -> None:
        """Prepare.

        Args:
            rebalances: the listener.
            answer: deals with a change; must not raise.
            wake: rouses the I/O thread, which does not notice by itself that it may go on.
        """
        self._rebalances = rebalances
        self._answer = answer
        self._wake = wake
        self._threads: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kafka-poll")
        self._polling: Future[Any] | None = None

    def run(self, poll: Callable[[], Any]) -> Any:  # noqa: ANN401
        """Poll, or wait for the poll that an interruption left behind; raises what it raises."""
        if self._polling is None:
            self._polling = self._threads.submit(poll)
            self._polling.add_done_callback(lambda _done: self._rebalances.requests.put(None))
        while (request := self._rebalances.requests.get()) is not None:
            self._deal_with(request)
        polling, self._polling = self._polling, None
        return polling.result()

    def close(self) -> None:
        """Wait for a poll that was left behind, and let nothing be handed over any more."""
        if self._polling is not None:
            self._rebalances.is_closed = True
            self.run(lambda: None)
        self._rebalances.is_closed = True
        self._threads.shutdown(wait=True)

    def _deal_with(self, request: Request) -> None:
        try:
            self._answer(request)
        finally:
            request.done.success(None)
            self._wake()
