"""Which workloads are forecast now: those whose minute is there, and all others a little later.

A minute of a workload is there when a sample of its end (or later) is. The rest is forecast when
`wait_seconds` of the next minute have passed, with that minute absent, as long as their newest
measured sample is not too old: whose data is old gets no forecast, which everybody can see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from forecaster.horizons import MINUTE_SECONDS

NEVER: Final = -1
#: A clock that falls further than this was ahead before: it is believed now.
FALL_MINUTES_MAX: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What is to be done now.

    Attributes:
        minute: as of whose end.
        keys: to be forecast.
        stale: whose newest measured sample is too old; only told when a minute is closed.
        closes: whether this closes the minute: nobody is waited for any longer.
    """

    minute: int
    keys: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    closes: bool = False


@dataclass(slots=True, kw_only=True)
class Schedule:
    """Which workloads were forecast as of which minute. For one thread.

    Attributes:
        wait_seconds: how long a minute that is over is waited for.
        sample_age_seconds_max: how old the newest measured sample of who is forecast may be.
    """

    wait_seconds: float
    sample_age_seconds_max: float
    #: The newest minute that was looked at, and the newest that was closed.
    minute: int = NEVER
    closed: int = NEVER
    clock_backwards_total: int = 0
    _backwards: bool = False
    _done: dict[str, int] = field(default_factory=dict)
    _touched: set[str] = field(default_factory=set)

    def touched(self, keys: Iterable[str]) -> None:
        """New samples of workloads came."""
        self._touched.update(keys)

    def drop(self, keys: Iterable[str]) -> None:
        """Forget workloads."""
        for key in keys:
            self._done.pop(key, None)
            self._touched.discard(key)

    def behind_minutes(self, now_seconds: float) -> int:
        """How far the clock stands behind what was forecast last; 0 while it is right."""
        return max(0, self.minute - int(now_seconds // MINUTE_SECONDS))

    def due(
        self,
        now_seconds: float,
        keys: Iterable[str],
        newest_milliseconds: Callable[[str], int],
        measured_milliseconds: Callable[[str], int],
    ) -> Due | None:
        """What is due; None for nothing, also while the clock stands before what was forecast.

        A sample that measured nothing says that its minute is over; it makes no data younger.
        Where it falls by more than `FALL_MINUTES_MAX` it was wrong before, and all begins anew.
        """
        minute = int(now_seconds // MINUTE_SECONDS)
        if minute < self.minute:
            self.clock_backwards_total += not self._backwards
            if minute < self.minute - FALL_MINUTES_MAX:
                self._begin_anew()
        if minute < self.minute:
            self._backwards = True
            return None
        self._backwards = False
        self.minute = minute
        end_milliseconds = minute * MINUTE_SECONDS * 1000
        closes = self.closed < minute and now_seconds >= minute * MINUTE_SECONDS + self.wait_seconds
        wanted: list[str] = []
        stale: list[str] = []
        oldest = (now_seconds - self.sample_age_seconds_max) * 1000
        for key in keys if closes else self._touched:
            if measured_milliseconds(key) < oldest:
                stale.append(key)
            elif self._done.get(key, NEVER) < minute and (
                newest_milliseconds(key) >= end_milliseconds or self.closed >= minute or closes
            ):
                wanted.append(key)
        self._touched = set()
        if closes:
            self.closed = minute
        if not wanted and not closes:
            return None
        self._done.update(dict.fromkeys(wanted, minute))
        return Due(
            minute=minute,
            keys=tuple(wanted),
            stale=tuple(stale) if closes else (),
            closes=closes,
        )

    def _begin_anew(self) -> None:
        self.minute = self.closed = NEVER
        self._done.clear()
