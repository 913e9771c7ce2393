"""Samples that were stamped ahead of our clock wait for it: it may be ours that is late.

Whoever's clock is wrong, they are taken when ours has come so far, in their own order. What is
further ahead than an hour, or finds no room, is refused.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Final, NamedTuple

import numpy as np

from forecaster.contract import Arrays
from forecaster.intake import is_future

AHEAD_SECONDS_MAX: Final = 3600.0
#: Some 200 bytes each.
EARLY_MAX: Final = 50_000


class EarlySample(NamedTuple):
    """A sample that waits; `number` keeps those of one moment in the order in which they came."""

    timestamp_milliseconds: int
    number: int
    partition: int
    key: str
    requests_per_second: float | None


class EarlySamples:
    """Samples that wait for our clock. For one thread."""

    def __init__(self, samples_max: int = EARLY_MAX) -> None:
        """Hold up to `samples_max`."""
        self._samples_max = samples_max
        self._numbers = count()
        self._waiting: list[EarlySample] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def hold(
        self,
        partition: int,
        key: str,
        timestamp_milliseconds: int,
        requests_per_second: float | None,
        now_seconds: float,
    ) -> bool:
        """Let a sample wait; False where it need not, or cannot."""
        if not is_future(timestamp_milliseconds, now_seconds):
            return False
        is_too_far = timestamp_milliseconds / 1000 - now_seconds > AHEAD_SECONDS_MAX
        if is_too_far or len(self._waiting) >= self._samples_max:
            return False
        number = next(self._numbers)
        sample = EarlySample(timestamp_milliseconds, number, partition, key, requests_per_second)
        heapq.heappush(self._waiting, sample)
        return True

    def due(self, now_seconds: float) -> Iterator[EarlySample]:
        """Let go those whose time has come, the oldest first."""
        while self._waiting and not is_future(self._waiting[0].timestamp_milliseconds, now_seconds):
            yield heapq.heappop(self._waiting)

    def drop(self, partition: int) -> None:
        """Forget those of a partition."""
        self._waiting = [each for each in self._waiting if each.partition != partition]
        heapq.heapify(self._waiting)

    def export(self, partition: int) -> Arrays:
        """What a restart needs of a partition."""
        mine = sorted(each for each in self._waiting if each.partition == partition)
        values = [each.requests_per_second for each in mine]
        return {
            "keys": np.array([each.key for each in mine], np.str_),
            "milliseconds": np.array([each.timestamp_milliseconds for each in mine], np.int64),
            "values": np.array([np.nan if each is None else each for each in values], np.float64),
        }

    def restore(self, partition: int, state: Mapping[str, np.ndarray]) -> None:
        """Take what `export` gave, as far as there is room, in place of what is there."""
        self.drop(partition)
        columns: Iterable[tuple[str, int, float]] = zip(
            state["keys"].tolist(),
            state["milliseconds"].tolist(),
            state["values"].tolist(),
            strict=True,
        )
        for key, milliseconds, value in columns:
            if len(self._waiting) < self._samples_max:
                rate = None if np.isnan(value) else value
                sample = EarlySample(milliseconds, next(self._numbers), partition, key, rate)
                heapq.heappush(self._waiting, sample)
