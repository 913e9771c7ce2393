"""Python's search for garbage, kept from halting requests.

What the cluster's state is made of has no cycles: it goes with the last reference to it, and no
search need look through it. Left alone, the search of the oldest generation goes through all that
came since it was last frozen; after 100,000 pods that halted every request for over 100 ms. So it
does not start by itself here, but every few turns, over the little that came since; what is left is
frozen. What was frozen too early and has cycles, such as a connection, is looked for now and then,
when nobody asks for anything.
"""

from __future__ import annotations

import gc
from typing import Final

#: Objects, and searches of a generation, until the next one is searched; the last: never.
THRESHOLDS: Final = (1000, 5, 1_000_000_000)
#: So often the middle generation may be searched before what it left over is searched and frozen.
SEARCHES_MAX: Final = 2
#: How long nobody must have asked for anything before everything is searched, and how seldom.
QUIET_SECONDS: Final = 10.0
WHOLE_SECONDS: Final = 3600.0


class GarbageTurns:
    """Searches for garbage in turns of the event loop; times are seconds of one clock."""

    def __init__(self, now_seconds: float) -> None:
        """Take the search over; `release` gives it back."""
        self._usual = gc.get_threshold()
        gc.set_threshold(*THRESHOLDS)
        self._whole_at = self._asked_at = now_seconds

    def asked(self, now_seconds: float) -> None:
        """Somebody waits for answers these seconds."""
        self._asked_at = now_seconds

    def turn(self, now_seconds: float) -> None:
        """Do what is due."""
        is_quiet = now_seconds - self._asked_at >= QUIET_SECONDS
        if is_quiet and now_seconds - self._whole_at >= WHOLE_SECONDS:
            self.whole(now_seconds)
        elif gc.get_count()[2] >= SEARCHES_MAX:
            gc.collect()
            gc.freeze()

    def whole(self, now_seconds: float) -> None:
        """Search everything, and freeze what is left."""
        self._whole_at = now_seconds
        gc.unfreeze()
        gc.collect()
        gc.freeze()

    def release(self) -> None:
        """Let Python search as usual again."""
        gc.unfreeze()
        gc.set_threshold(*self._usual)
