"""Samples become minutes: several within one are merged, and what cannot be is refused and counted.

A minute's value is the mean over its distinct timestamps. A sample that comes again replaces
itself, but one that measured nothing never replaces a number: the same moment may come from several
who each measured something else. The parts of a minute are kept for the newest `PARTS_MINUTES`
minutes of a workload; a sample of an older minute stands for that minute alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

import numpy as np

from forecaster.contract import Arrays, Floats, Integers
from forecaster.fresh_minutes import FreshMinutes

MINUTE_MILLISECONDS: Final = 60_000
PARTS_MINUTES: Final = 3
#: A sample of a later time was stamped by a clock that is wrong.
FUTURE_SECONDS_MAX: Final = 120.0
#: What is older than the history that a forecast looks at is not taken. Age is that against the
#: newest sample of all: a clock of ours that is ahead for a moment makes nothing old.
AGE_SECONDS_MAX: Final = 8 * 86_400.0

KEYS_MAX: Final = 20_000

Refusal = Literal["future", "too-old", "no-rate", "too-many"]
REFUSALS: Final = get_args(Refusal)
_NAN: Final = math.nan


def minute_of(timestamp_milliseconds: int) -> int:
    """The number of the minute that a moment lies in; it ends there where it is whole."""
    return -(-timestamp_milliseconds // MINUTE_MILLISECONDS)


def ended_minute(timestamp_milliseconds: int) -> int:
    """The newest minute that is over at a moment."""
    return timestamp_milliseconds // MINUTE_MILLISECONDS


@dataclass(slots=True)
class _Series:
    """What is kept of one workload.

    `parts` are the newest minutes' values by timestamp; `fresh` the minutes to hand on.
    """

    newest_milliseconds: int = 0
    measured_milliseconds: int = 0
    parts: dict[int, dict[int, float]] = field(default_factory=dict)
    fresh: FreshMinutes = field(default_factory=FreshMinutes)


class Intake:
    """Merges the samples of many workloads. For one thread."""

    def __init__(self, keys_max: int = KEYS_MAX) -> None:
        """Take samples of up to `keys_max` workloads; of more they are refused."""
        self._keys_max = keys_max
        self._series: dict[str, _Series] = {}
        self._touched: set[str] = set()
        #: How many minutes wait in `fresh`.
        self.fresh_count = 0
        #: The time of the newest sample of all; 0 before any.
        self.newest_of_all_milliseconds = 0
        self.refused: dict[Refusal, int] = dict.fromkeys(REFUSALS, 0)

    def take(
        self,
        key: str,
        timestamp_milliseconds: int,
        requests_per_second: float | None,
        now_seconds: float,
    ) -> Refusal | None:
        """Take a sample; None was not measured, an outage unless somebody else measured it.

        Say why it is refused; None where it is not.
        """
        refusal = _refusal(
            timestamp_milliseconds,
            requests_per_second,
            now_seconds,
            self.newest_of_all_milliseconds,
        )
        if refusal is None and key not in self._series and len(self._series) >= self._keys_max:
            refusal = "too-many"
        if refusal is not None:
            self.refused[refusal] += 1
            return refusal
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = _Series()
        value = _NAN if requests_per_second is None else requests_per_second
        minute = minute_of(timestamp_milliseconds)
        merged = _merged(series, minute, timestamp_milliseconds, value)
        if merged is None:
            return None
        self.fresh_count += series.fresh.put(minute, merged)
        series.newest_milliseconds = max(series.newest_milliseconds, timestamp_milliseconds)
        if requests_per_second is not None:
            measured = series.measured_milliseconds
            series.measured_milliseconds = max(measured, timestamp_milliseconds)
        newest = self.newest_of_all_milliseconds
        self.newest_of_all_milliseconds = max(newest, timestamp_milliseconds)
        self._touched.add(key)
        return None

    def waiting(self) -> dict[str, int]:
        """How many minutes wait to be handed on, by key; those without any are left out."""
        return {key: len(self._series[key].fresh) for key in self._touched}

    def fresh(
        self, keys: Iterable[str] | None = None, *, before_minute: int | None = None
    ) -> dict[str, tuple[Integers, Floats]]:
        """Minutes and their values that changed since this was asked last, by key.

        Of these keys alone, and of minutes before one alone, where that is said; the rest waits.
        """
        changed: dict[str, tuple[Integers, Floats]] = {}
        for key in tuple(self._touched) if keys is None else keys:
            if key not in self._touched:
                continue
            fresh = self._series[key].fresh
            minutes, values = fresh.take(before_minute)
            self.fresh_count -= len(minutes)
            if not fresh:
                self._touched.discard(key)
            if len(minutes):
                changed[key] = (minutes, values)
        return changed

    def put_back(self, key: str, minutes: Integers, values: Floats) -> None:
        """Let minutes that `fresh` gave wait again; what came since is newer and stays."""
        series = self._series[key]
        for minute, value in zip(minutes.tolist(), values.tolist(), strict=True):
            self.fresh_count += series.fresh.put(minute, value, replaces=False)
            self._touched.add(key)

    def newest_milliseconds(self, key: str) -> int:
        """The time of a workload's newest sample; 0 where there is none."""
        series = self._series.get(key)
        return 0 if series is None else series.newest_milliseconds

    def measured_milliseconds(self, key: str) -> int:
        """The time of a workload's newest sample that measured something; 0 where there is none."""
        series = self._series.get(key)
        return 0 if series is None else series.measured_milliseconds

    def newest_requests_per_second(self, key: str) -> float | None:
        """The rate of a workload's newest minute; None where it is an outage. For any thread."""
        series = self._series.get(key)
        if series is None:
            return None
        parts = series.parts.get(minute_of(series.newest_milliseconds), {}).copy().values()
        measured = [each for each in parts if each == each]  # noqa: PLR0124 - no NaN
        return math.fsum(measured) / len(measured) if measured else None

    def keys(self) -> Iterable[str]:
        """The workloads with samples."""
        return self._series.keys()

    def drop(self, keys: Iterable[str]) -> None:
        """Forget workloads."""
        for key in keys:
            if (series := self._series.pop(key, None)) is not None:
                self.fresh_count -= len(series.fresh)
            self._touched.discard(key)

    def export(self, keys: Iterable[str]) -> Arrays:
        """What a restart needs, with nothing fresh: ask `fresh` before."""
        keys = tuple(key for key in keys if key in self._series)
        rows = [
            (place, timestamp, value)
            for place, key in enumerate(keys)
            for parts in self._series[key].parts.values()
            for timestamp, value in parts.items()
        ]
        newest = [self._series[key].newest_milliseconds for key in keys]
        measured = [self._series[key].measured_milliseconds for key in keys]
        return {
            "keys": np.array(keys, dtype=np.str_),
            "newest_milliseconds": np.array(newest, np.int64),
            "measured_milliseconds": np.array(measured, np.int64),
            "part_key": np.array([row[0] for row in rows], np.int64),
            "part_milliseconds": np.array([row[1] for row in rows], np.int64),
            "part_value": np.array([row[2] for row in rows], np.float64),
        }

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take what `export` gave."""
        keys = [str(key) for key in state["keys"]]
        columns = (state[f"{name}_milliseconds"].tolist() for name in ("newest", "measured"))
        for key, newest, measured in zip(keys, *columns, strict=True):
            self._series[key] = _Series(newest_milliseconds=newest, measured_milliseconds=measured)
            self.newest_of_all_milliseconds = max(self.newest_of_all_milliseconds, newest)
        parts = (state[name].tolist() for name in ("part_key", "part_milliseconds", "part_value"))
        for place, timestamp, value in zip(*parts, strict=True):
            series = self._series[keys[place]]
            series.parts.setdefault(minute_of(timestamp), {})[timestamp] = value


def is_future(timestamp_milliseconds: int, now_seconds: float) -> bool:
    """Whether a sample is of too late a time to be taken; rounded alike for all who ask."""
    return timestamp_milliseconds / 1000 - now_seconds > FUTURE_SECONDS_MAX


def _refusal(
    timestamp: int, value: float | None, now_seconds: float, newest: int
) -> Refusal | None:
    if is_future(timestamp, now_seconds):
        return "future"
    if newest and (newest - timestamp) / 1000 > AGE_SECONDS_MAX:
        return "too-old"
    if value is not None and not (0 <= value < math.inf):
        return "no-rate"
    return None


def _merged(series: _Series, minute: int, timestamp: int, value: float) -> float | None:
    """The mean of a minute with one more part; None where that changes nothing."""
    parts = series.parts
    if minute not in parts:
        if parts and minute <= minute_of(series.newest_milliseconds) - PARTS_MINUTES:
            # Whether it was measured is not known here any more; absent is as good as an outage.
            return None if math.isnan(value) else value
        parts[minute] = {}
        while len(parts) > PARTS_MINUTES:
            del parts[min(parts)]
    if math.isnan(value):
        parts[minute].setdefault(timestamp, value)
    else:
        parts[minute][timestamp] = value
    measured = [each for each in parts[minute].values() if each == each]  # noqa: PLR0124 - no NaN
    return math.fsum(measured) / len(measured) if measured else _NAN
