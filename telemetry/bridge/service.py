"""The bridge on a thread of its own, while HTTP is answered on another."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event, Thread
from typing import Final, Self

from telemetry.bridge.bridge import Bridge
from telemetry.bridge.figures import BridgeFigures

#: No one query takes that long, nor a flush.
HANGING_SECONDS: Final = 600.0
#: A turn may wait for long, for Prometheus or a broker; whatever it cannot finish is done anew.
STOP_SECONDS: Final = 4.0


class BridgeThread:
    """Runs a bridge between `with` and its end."""

    def __init__(self, bridge: Bridge, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._bridge = bridge
        self._monotonic = monotonic
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="bridge", daemon=True)
        self._moved_at = self._monotonic()
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
        moved = self._bridge.progress()
        if moved != self._moved:
            self._moved, self._moved_at = moved, self._monotonic()
        return not self._thread.is_alive() or self._monotonic() - self._moved_at > HANGING_SECONDS

    def _run(self) -> None:
        self._bridge.run(self._stopping)
