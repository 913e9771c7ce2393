"""A forecaster without its gateways: samples in, messages and records of the ledger out.

It belongs to one thread. Time comes in as an argument; what another thread may read are `latest`
(copy it first), and whatever is a plain number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy.typing as npt

from forecaster.anomalies import Anomalies
from forecaster.contract import Arrays, Floats, ForecastEngine, ForecastSet, Integers
from forecaster.due import Due, Schedule
from forecaster.history import PutReport
from forecaster.hourly_errors import HourlyErrors
from forecaster.intake import AGE_SECONDS_MAX, Intake
from forecaster.own_errors import SERVED, OwnErrors
from forecaster.publishing import Latest, messages_of
from forecaster.selection import Selection
from forecaster.shadow import Shadow
from ledger.record import Record
from telemetry.messages import TrafficForecast

Sections = Mapping[str, Mapping[str, npt.NDArray[Any]]]
ENGINE, INTAKE, ERRORS, ANOMALIES = "engine", "intake", "errors", "anomalies"
#: What a new process learns from at once takes it a minute or so: two days of 500 workloads.
LEARNT_MINUTES: Final = 2880
LEARNT_KEYS: Final = 500
Minutes = tuple[Integers, Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreOptions:
    """How forecasts are made and for how long they hold.

    Attributes:
        wait_seconds: how long a minute that is over is waited for.
        sample_age_seconds_max: how old the newest sample of who is forecast may be.
        valid_seconds: how long a forecast may be used.
        ledger_keys_max: of how many workloads errors, and of an hour's anomalies how many, go to
            the ledger.
        gathered_max: minutes that gather at most while the past is read; 100 bytes each.
    """

    wait_seconds: float = 20.0
    sample_age_seconds_max: float = 300.0
    valid_seconds: float = 300.0
    ledger_keys_max: int = 500
    gathered_max: int = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a turn of the core gives to the outside."""

    messages: tuple[TrafficForecast, ...] = ()
    records: tuple[Record, ...] = ()
    forecasts: ForecastSet | None = None


class Core:
    """All that a process knows of the workloads of its partitions."""

    def __init__(
        self,
        engine: ForecastEngine,
        options: CoreOptions,
        selection: Callable[[], Selection] = Selection,
    ) -> None:
        self.engine = engine
        self.shadow: Shadow | None = None
        self.options = options
        self.selection = selection
        self.intake = Intake()
        self.errors = OwnErrors()
        self.anomalies = Anomalies(options.ledger_keys_max)
        self.hourly = HourlyErrors(options.ledger_keys_max)
        self.schedule = Schedule(
            wait_seconds=options.wait_seconds,
            sample_age_seconds_max=options.sample_age_seconds_max,
        )
        self.put = PutReport()
        #: The newest forecast of each workload, also one that is no longer valid.
        self.latest: dict[str, Latest] = {}
        self.stale_keys = 0
        self.published_total = self.withheld_total = 0
        self._partitions: dict[str, int] = {}

    def take(
        self,
        partition: int,
        key: str,
        timestamp_milliseconds: int,
        requests_per_second: float | None,
        now_seconds: float,
    ) -> None:
        """Take a sample of a workload; what cannot be taken is counted."""
        if self.intake.take(key, timestamp_milliseconds, requests_per_second, now_seconds) is None:
            self._partitions[key] = partition

    def turn(self, now_seconds: float, *, catches_up: bool = False) -> Outcome:
        """Hand new minutes to the engine, and forecast what is due.

        While it catches up nothing is forecast: minutes gather, so that a long past is learnt from
        at once.
        """
        if catches_up and self.intake.fresh_count < self.options.gathered_max:
            return Outcome()
        fresh = self.intake.fresh()
        self._hand_on(fresh, now_seconds)
        if catches_up:
            return Outcome()
        self.schedule.touched(fresh)
        due = self.schedule.due(now_seconds, self.intake.keys(), self.intake.newest_milliseconds)
        if due is None:
            return Outcome()
        ended = self._close(due, now_seconds) if due.closes else ()
        if not due.keys:
            return Outcome(records=ended)
        outcome = self._forecast(due)
        return replace(outcome, records=(*ended, *outcome.records))

    def _hand_on(self, fresh: Mapping[str, Minutes], now_seconds: float) -> None:
        known = set(self.engine.keys())
        since = self._learns_since(now_seconds, len(known | fresh.keys()))
        new = {}
        for key, (minutes, values) in fresh.items():
            if key in known:  # what it learnt must not be learnt again
                self.put += self.engine.put(key, minutes, values)
            else:
                old = minutes < since
                self.put += self.engine.put(key, minutes[old], values[old])
                new[key] = (minutes[~old], values[~old])
            if self.shadow is not None:
                self.shadow.put(key, minutes, values)
        if new:
            self.put += self.engine.put_all(new)

    def _learns_since(self, now_seconds: float, keys: int) -> int:
        """From which minute on a past is learnt from: two days, less where there are many."""
        share = min(1.0, LEARNT_KEYS / max(1, keys))
        return int(now_seconds // 60 - LEARNT_MINUTES * share)

    def _forecast(self, due: Due) -> Outcome:
        forecasts = self.engine.forecast(due.minute, due.keys)
        valid_until = due.minute * 60 + self.options.valid_seconds
        messages = []
        made = messages_of(forecasts, SERVED, valid_until)
        for row, (key, message) in enumerate(zip(forecasts.keys, made, strict=True)):
            latest = Latest(forecasts, row, valid_until)
            if message is not None:
                messages.append(message)
                self.latest[key] = latest
            elif key not in self.latest or not self.has_forecast(key):
                self.latest[key] = latest  # why there is none
        self.published_total += len(messages)
        self.withheld_total += len(forecasts.keys) - len(messages)
        self.errors.add(forecasts)
        selection = self.selection()
        hourly = self.hourly.add(forecasts, lambda key: selection.lead_time_of(key) is not None)
        turned = self.anomalies.turned(forecasts)
        if self.shadow is not None:
            self.shadow.compare(forecasts)
        return Outcome(messages=tuple(messages), records=(*hourly, *turned), forecasts=forecasts)

    def is_fresh(self, key: str, now_seconds: float) -> bool:
        """Whether a workload's newest sample is young enough for a forecast."""
        age_seconds = now_seconds - self.intake.newest_milliseconds(key) / 1000
        return age_seconds <= self.options.sample_age_seconds_max

    def has_forecast(self, key: str) -> bool:
        """Whether the newest forecast of a workload has figures."""
        latest = self.latest.get(key)
        return latest is not None and bool(latest.requests_per_second[0, 0] >= 0)

    def _close(self, due: Due, now_seconds: float) -> tuple[Record, ...]:
        """Forget who is gone; the anomalies of whose samples are too old end."""
        self.stale_keys = len(due.stale)
        ended = self.anomalies.stale(due.stale, due.minute)
        oldest_milliseconds = (now_seconds - AGE_SECONDS_MAX) * 1000
        gone = [k for k in due.stale if self.intake.newest_milliseconds(k) < oldest_milliseconds]
        if gone:
            self.drop(gone)
        return ended

    # Partitions come and go.

    def keys_of(self, partition: int) -> tuple[str, ...]:
        """The workloads of a partition."""
        return tuple(key for key, number in self._partitions.items() if number == partition)

    def export(self, partition: int) -> dict[str, Arrays]:
        """All that is known of a partition's workloads; hand new minutes on before (`turn`)."""
        keys = self.keys_of(partition)
        if not keys:
            return {}
        known = set(self.engine.keys())
        return {
            ENGINE: self.engine.export([key for key in keys if key in known]),
            INTAKE: self.intake.export(keys),
            ERRORS: self.errors.export(keys),
            ANOMALIES: self.anomalies.export(keys),
        }

    def restore(self, partition: int, sections: Sections) -> None:
        """Take what `export` gave.

        Raises:
            KeyError, TypeError, ValueError: it was of another version; nothing of it is kept.
        """
        if not sections:
            return
        keys = [str(key) for key in sections[INTAKE]["keys"]]
        try:
            self.engine.restore(sections[ENGINE])
            self.intake.restore(sections[INTAKE])
            self.errors.restore(sections[ERRORS])
            self.anomalies.restore(sections[ANOMALIES])
        except Exception:
            self.drop(keys)
            raise
        self._partitions.update(dict.fromkeys(keys, partition))

    def drop(self, keys: Iterable[str]) -> None:
        """Forget workloads."""
        keys = tuple(keys)
        known = set(self.engine.keys())
        self.engine.drop([key for key in keys if key in known])
        if self.shadow is not None:
            self.shadow.drop(keys)
        for part in (self.intake, self.errors, self.anomalies, self.schedule):
            part.drop(keys)
        for key in keys:
            self._partitions.pop(key, None)
            self.latest.pop(key, None)

    def swap(self, engine: ForecastEngine) -> None:
        """Forecast with another engine from now on; it learns all that this one knows.

        What was published stays valid until the new one's next.
        """
        if keys := self.engine.keys():
            engine.restore(self.engine.export(keys))
        self.engine, self.shadow = engine, None
