"""How many evictions are left: a share of the running pods a day, saved up for a while."""

from __future__ import annotations

import math

from energy.errors import InputError
from energy.units import SECONDS_PER_DAY, SECONDS_PER_HOUR

# Unused evictions are kept this long: enough to empty a whole node, too little for a quiet night to
# pay for a stormy morning.
SAVED_UP_SECONDS = 4 * SECONDS_PER_HOUR
# So much of the rate is handed out that no day has more evictions than it, savings included.
HANDED_OUT_RATIO = SECONDS_PER_DAY / (SECONDS_PER_DAY + SAVED_UP_SECONDS)


class EvictionBudget:
    """A token bucket: at most ``evictions_per_pod_day`` for every running pod, over any day.

    Raises:
        InputError: the rate is negative or no number.
    """

    def __init__(self, evictions_per_pod_day: float) -> None:
        if not (math.isfinite(evictions_per_pod_day) and evictions_per_pod_day >= 0.0):
            raise InputError(
                f"{evictions_per_pod_day} evictions per pod and day", mend="give a number from 0 up"
            )
        self._rate = evictions_per_pod_day
        self._tokens = 0.0

    @property
    def evictions(self) -> int:
        """Evictions that may be made now."""
        return int(self._tokens)

    def accrue(self, running_pods: int, seconds: float) -> None:
        """Let so many pods have run for so long; what was saved up for too long is lost."""
        a_second = HANDED_OUT_RATIO * self._rate * running_pods / SECONDS_PER_DAY
        self._tokens = min(self._tokens + a_second * seconds, a_second * SAVED_UP_SECONDS)

    def spend(self, evictions: int) -> None:
        """Count evictions that were made."""
        self._tokens -= evictions
