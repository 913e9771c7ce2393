"""Minutes of one workload that are still to be handed on, in their order."""

from __future__ import annotations

from array import array
from bisect import bisect_left

import numpy as np

from forecaster.contract import Floats, Integers


class FreshMinutes:
    """Values by minute, in 16 bytes each: while a long past is read, millions wait. For one thread.

    A minute that is newer than all others costs the same always; an older one moves those after it.
    """

    __slots__ = ("_minutes", "_values")

    def __init__(self) -> None:
        self._minutes, self._values = array("q"), array("d")

    def __len__(self) -> int:
        return len(self._minutes)

    def put(self, minute: int, value: float, *, replaces: bool = True) -> bool:
        """Let a minute wait; whether it is one more. One that waits already may be replaced."""
        place = len(self._minutes)
        if place and minute <= self._minutes[-1]:
            place = bisect_left(self._minutes, minute)
            if self._minutes[place] == minute:
                if replaces:
                    self._values[place] = value
                return False
        self._minutes.insert(place, minute)
        self._values.insert(place, value)
        return True

    def take(self, before_minute: int | None = None) -> tuple[Integers, Floats]:
        """Hand all on, or those before a minute; they wait no longer."""
        end = len(self) if before_minute is None else bisect_left(self._minutes, before_minute)
        minutes = np.array(self._minutes[:end], np.int64)
        values = np.array(self._values[:end], np.float64)
        del self._minutes[:end], self._values[:end]
        return minutes, values
