"""The bridge on a thread of its own, while HTTP is answered on another."""

from __future__ import annotations

import time
from threading import Event, Thread
from typing import Final, Self

from telemetry.bridge.bridge import Bridge
from telemetry.bridge.figures import BridgeFigures

#: One piece takes no longer than its queries and its flush may.
HANGING_SECONDS: Final = 600.0
STOP_SECONDS: Final = 10.0


class BridgeThread:
    """Runs a bridge between `with` and its end."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="bridge", daemon=True)
        self._moved_at = time.monotonic()
        self._moved: tuple[object, ...] = ()

    def __enter__(self) -> Self:
        """Begin to turn."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ask it to stop, and wait a while: what is not acknowledged is sent by the next one."""
        self._stopping.set()
        self._thread.join(STOP_SECONDS)

    def figures(self) -> BridgeFigures:
        """See `Bridge.figures`."""
        return self._bridge.figures()

    def hangs(self) -> bool:
        """Whether the thread has ended, or has not moved for ten minutes."""
        moved = (self._bridge.turns, self._bridge.figures().minutes)
        if moved != self._moved:
            self._moved, self._moved_at = moved, time.monotonic()
        return not self._thread.is_alive() or time.monotonic() - self._moved_at > HANGING_SECONDS

    def _run(self) -> None:
        self._bridge.run(self._stopping)
