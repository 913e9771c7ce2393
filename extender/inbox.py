"""Work that other threads leave for the event loop, done in order and in small pieces."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

_log = logging.getLogger(__name__)

# A request waits for at most so many pieces of work, each of which takes well under 0.1 ms.
PIECES_MAX = 16


class Inbox:
    """A queue from any thread to one event loop. What fails is logged, and the rest goes on."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
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
        for _ in range(PIECES_MAX):
            if not self._work:
                break
            work = self._work.popleft()
            try:
                work()
            except Exception:  # noqa: BLE001 - one bad change must not stop the others
                self.failures += 1
                _log.exception("a change could not be taken over")
        # First the flag, then the look: whoever puts in between wakes us, or we see it.
        self._woken = False
        if self._work and not self._woken:
            self._woken = True
            self._loop.call_soon(self._proceed)
