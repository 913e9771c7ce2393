"""Brings a rebalance from kafka-python's I/O thread to the thread that polls, and waits for it.

kafka-python 3 calls its rebalance listener on the thread that also sends heartbeats, where nothing
may block: no commit, no look for an offset. So the listener here only waits, and polling goes on in
a thread of its own while ours does what is to be done.

That thread also lets a rebalance take its time. What kafka-python 3.0.12 learns of one between two
of its polls is lost, and it joins the group again, and so does everybody: short polls would go on
with that for long. Ours end in time, and its poll goes on behind them until the group is settled.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, Final

from kafka import AsyncConsumerRebalanceListener
from kafka.future import Future as KafkaFuture

#: A poll that does not end by itself is left behind: its thread dies with the process.
CLOSE_SECONDS_MAX: Final = 10.0


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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a poll brought, or how it failed."""

    found: Any = None
    error: BaseException | None = None


class Rebalances(AsyncConsumerRebalanceListener):  # type: ignore[misc]
    """The listener: hands every change over, and waits until it was dealt with."""

    def __init__(self) -> None:
        self.inbox: Final[SimpleQueue[Request | Outcome]] = SimpleQueue()
        self._lock: Final = Lock()
        self._is_closed = False

    def close(self) -> None:
        """Let nothing into the inbox any more."""
        with self._lock:
            self._is_closed = True

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
        request = Request(change, frozenset(each.partition for each in partitions))
        with self._lock:
            if self._is_closed or not partitions:
                return
            self.inbox.put(request)
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
        self._rebalances: Final = rebalances
        self._answer: Final = answer
        self._wake: Final = wake
        self._polls: Final[SimpleQueue[Callable[[], Any] | None]] = SimpleQueue()
        self._thread: Thread | None = None
        self.is_polling = False

    def poll(self, poll: Callable[[], Any], timeout_seconds: float) -> Any:  # noqa: ANN401
        """Poll, or wait for the poll that goes on; None where it goes on after that time.

        Raises:
            BaseException: what the poll raised.
        """
        if self._thread is None:
            self._thread = Thread(target=self._run, name="kafka-poll", daemon=True)
            self._thread.start()
        if not self.is_polling:
            self.is_polling = True
            self._polls.put(poll)
        return self.wait(timeout_seconds)

    def wait(self, timeout_seconds: float) -> Any:  # noqa: ANN401
        """Wait for the poll that goes on; None where it goes on after that time."""
        deadline = time.monotonic() + timeout_seconds
        while self.is_polling:
            try:
                said = self._rebalances.inbox.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                return None
            if isinstance(said, Request):
                self._deal_with(said)
                continue
            self.is_polling = False
            if said.error is not None:
                raise said.error
            return said.found
        return None

    def close(self) -> None:
        """Let nothing be handed over any more; a poll that goes on is to end by itself."""
        self._rebalances.close()
        self._polls.put(None)
        while not self._rebalances.inbox.empty():
            if isinstance(said := self._rebalances.inbox.get(), Request):
                self._deal_with(said)
        if self._thread is not None:
            self._thread.join(CLOSE_SECONDS_MAX)

    def _run(self) -> None:
        while (poll := self._polls.get()) is not None:
            try:
                outcome = Outcome(found=poll())
            except BaseException as error:  # noqa: BLE001 - it is raised where it was asked for
                outcome = Outcome(error=error)
            self._rebalances.inbox.put(outcome)

    def _deal_with(self, request: Request) -> None:
        try:
            self._answer(request)
        finally:
            request.done.success(None)
            self._wake()
