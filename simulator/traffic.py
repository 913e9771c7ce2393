"""Request rates of real services over time, replayed: which minute of a trace is now. Pure.

A trace gives a mean rate for each minute, so a replay holds that rate for the whole minute: the
requests of every minute are then exactly those of the trace. It goes on beside the clock, minute by
minute, at the trace's own time of day (UTC).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from energy.errors import InputError

SECONDS_PER_MINUTE = 60
MINUTES_PER_DAY = 1440
MINUTES_PER_WEEK = 7 * MINUTES_PER_DAY
#: What the forecaster looks back at: its seasons are read from it.
HISTORY_DAYS = 8
#: The shipped weights have seen at most this part of a trace; a replay goes on behind it.
SEEN_RATIO = 0.7

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrafficTrace:
    """Mean requests/s of each minute, from a midnight on; an outage has no requests.

    Attributes:
        name: of the series, such as `mongo-01`.
        requests_per_second: float64[minutes], finite and not negative.
        first_minute: the Unix minute of the first value, when it was measured.
    """

    name: str
    requests_per_second: FloatArray
    first_minute: int = 1

    def __post_init__(self) -> None:
        values = np.asarray(self.requests_per_second, dtype=np.float64)
        if values.ndim != 1 or values.size < MINUTES_PER_WEEK + MINUTES_PER_DAY:
            raise InputError("a trace to replay has at least eight days", where=self.name)
        if not np.all(np.isfinite(values) & (values >= 0)):
            raise InputError("a trace holds finite rates that are not negative", where=self.name)
        object.__setattr__(self, "requests_per_second", values)

    @property
    def days(self) -> int:
        """Whole days of it."""
        return len(self.requests_per_second) // MINUTES_PER_DAY

    def scaled_to_peak(self, peak_requests_per_second: float) -> TrafficTrace:
        """The same shape, its busiest minute but one in a thousand at this rate."""
        busy = float(np.quantile(self.requests_per_second, 0.999))
        if busy <= 0:
            raise InputError("a trace without traffic cannot be scaled", where=self.name)
        ratio = peak_requests_per_second / busy
        return replace(self, requests_per_second=self.requests_per_second * ratio)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Replay:
    """A trace beside the clock.

    Attributes:
        trace: what is replayed.
        anchor_minute: the Unix minute (a minute is named by its end) of the trace's first one.
    """

    trace: TrafficTrace
    anchor_minute: int

    @classmethod
    def beginning(cls, trace: TrafficTrace, start_seconds: float) -> Replay:
        """A replay whose now, a Unix time, falls on the trace's own time of day.

        The day is the first that lies behind both eight days of history and the part that the
        shipped weights were trained on.
        """
        today = max(HISTORY_DAYS, math.ceil(SEEN_RATIO * trace.days))
        today = min(today, trace.days - 1)
        day = int(start_seconds // SECONDS_PER_MINUTE) // MINUTES_PER_DAY
        return cls(trace=trace, anchor_minute=(day - today) * MINUTES_PER_DAY + 1)

    def index(self, minutes: IntArray) -> IntArray:
        """Where in the trace Unix minutes lie, of the same shape.

        Past its end a trace repeats its last week; before its beginning its first.
        """
        index = np.asarray(minutes, dtype=np.int64) - self.anchor_minute
        length = len(self.trace.requests_per_second)
        beyond = np.maximum(0, -(-(index - length + 1) // MINUTES_PER_WEEK))
        before = np.maximum(0, -(index // MINUTES_PER_WEEK))
        placed = np.where(index < 0, index + before * MINUTES_PER_WEEK, index)
        found: IntArray = placed - beyond * MINUTES_PER_WEEK
        return found

    def requests_per_second(self, minutes: IntArray) -> FloatArray:
        """The rates of Unix minutes, of the same shape."""
        rates: FloatArray = self.trace.requests_per_second[self.index(minutes)]
        return rates

    def rate_at(self, seconds: float) -> float:
        """The rate at a Unix time."""
        minute = minute_of(seconds)
        return float(self.requests_per_second(np.array([minute], dtype=np.int64))[0])

    def per_second(self, start_seconds: int, count: int) -> FloatArray:
        """The rate of each of `count` whole seconds from a Unix time on, float64[count]."""
        seconds = np.arange(start_seconds, start_seconds + count, dtype=np.int64)
        return self.requests_per_second(seconds // SECONDS_PER_MINUTE + 1)


def minute_of(seconds: float) -> int:
    """The Unix minute that a moment lies in, named by its end."""
    return int(seconds // SECONDS_PER_MINUTE) + 1


def arrivals(requests_per_second: FloatArray, rng: np.random.Generator) -> IntArray:
    """Draw how many requests arrive in each second, independently (Poisson), int64[seconds]."""
    return rng.poisson(requests_per_second).astype(np.int64)
