"""Work that other threads leave for the event loop, done in order and in small pieces."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable

_log = logging.getLogger(__name__)

# A request waits for so long and then for the piece that was begun: most take well under 0.1 ms,
# but to judge a bind, or to take readings over, takes some milliseconds at 5,000 nodes.
SLICE_SECONDS = 0.001


class Inbox:
    """A queue from any thread to one event loop. What fails is logged, and the rest goes on."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._loop, self._clock = loop, clock
        self._work: deque[Callable[[], object]] = deque()
        self._woken = False
        self.failures = 0

    def __len__(self) -> int:
        return len(self._work)

    def put(self, work: Callable[[], object]) -> None:
        """Leave work; may be called from any thread."""
        self._work.append(work)
        if not self._woken:
            self._woken = True
            try:
                self._loop.call_soon_threadsafe(self._proceed)
            except RuntimeError:  # the loop is closed: whoever calls is late
                self._work.clear()

    def _proceed(self) -> None:
        until = self._clock() + SLICE_SECONDS
        while self._work:
            work = self._work.popleft()
            try:
                work()
            except Exception:  # noqa: BLE001 - one bad change must not stop the others
                self.failures += 1
                _log.exception("a change could not be taken over")
            if self._clock() >= until:
                break
        # First the flag, then the look: whoever puts in between wakes us, or we see it.
        self._woken = False
        if self._work and not self._woken:
            self._woken = True
            self._loop.call_soon(self._proceed)
