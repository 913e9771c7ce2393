"""A forecaster without its gateways: samples in, messages and records of the ledger out.

It belongs to one thread. Time comes in as an argument; what another thread may read are `latest`
(copy it first), and whatever is a plain number.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy.typing as npt

from forecaster.anomalies import Anomalies
from forecaster.contract import Arrays, Floats, ForecastEngine, ForecastSet, Integers
from forecaster.due import Due, Schedule
from forecaster.early import EarlySamples
from forecaster.faults import ModelFault, Silence, fault_of
from forecaster.history import PutReport
from forecaster.hourly_errors import HourlyErrors
from forecaster.intake import AGE_SECONDS_MAX, KEYS_MAX, Intake
from forecaster.own_errors import SERVED, OwnErrors
from forecaster.publishing import Latest, messages_of, sound_rows
from forecaster.selection import Selection
from forecaster.shadow import Shadow
from ledger.record import Record
from telemetry.messages import TrafficForecast

_log = logging.getLogger(__name__)

Sections = Mapping[str, Mapping[str, npt.NDArray[Any]]]
ENGINE, INTAKE, ERRORS, ANOMALIES = "engine", "intake", "errors", "anomalies"
EARLY, CONTEST = "early", "contest"
#: What a new process learns from at once takes it a minute or so: two days of 500 workloads.
LEARNT_MINUTES: Final = 2880
LEARNT_KEYS: Final = 500
#: So much is learnt from in one turn, in some seconds: others are not kept waiting.
LEARNT_AT_ONCE_MINUTES: Final = 200_000
#: After this a workload whose minutes could not be handed on is tried again.
RETRY_SECONDS: Final = 60.0
#: Of so many workloads at once another engine takes what is known: 6 MB.
SWAPPED_KEYS: Final = 256
Minutes = tuple[Integers, Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreOptions:
    """How forecasts are made and for how long they hold.

    Attributes:
        wait_seconds: how long a minute that is over is waited for.
        sample_age_seconds_max: how old the newest measured sample of who is forecast may be.
        valid_seconds: how long a forecast may be used.
        ledger_keys_max: of how many workloads errors, and of an hour's anomalies how many, go to
            the ledger.
        keys_max: how many workloads are known at most; samples of more are refused.
        gathered_max: minutes that gather at most while the past is read, beside those that are to
            be learnt from; 16 bytes each.
    """

    wait_seconds: float = 20.0
    sample_age_seconds_max: float = 300.0
    valid_seconds: float = 300.0
    ledger_keys_max: int = 500
    keys_max: int = KEYS_MAX
    gathered_max: int = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a turn of the core gives to the outside.

    Attributes:
        records: for the ledger.
        forecasts: what was forecast; None where nothing was due.
        messages_count: how many of the forecasts can be told.
        valid_until_seconds: how long they may be used, Unix time.
    """

    records: tuple[Record, ...] = ()
    forecasts: ForecastSet | None = None
    messages_count: int = 0
    valid_until_seconds: float = 0.0

    def messages(self) -> Iterator[TrafficForecast]:
        """The forecasts that can be told; each is made when it is asked for."""
        if self.forecasts is not None:
            yield from messages_of(self.forecasts, SERVED, self.valid_until_seconds)


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
        #: How champion and challenger did before a restart, while there is no challenger yet.
        self.contests: dict[int, Mapping[str, npt.NDArray[Any]]] = {}
        #: Versions that failed in the shadow, and why; whoever dismisses them takes them out.
        self.shadow_failures: dict[str, Exception] = {}
        #: What the models that serve failed at; whoever looks into it takes it out.
        self.fault: ModelFault | None = None
        self._silence = Silence()
        self.options = options
        self.selection = selection
        self.intake = Intake(options.keys_max)
        self.early = EarlySamples()
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
        #: How often minutes could not be handed on, and of which workloads since when.
        self.put_failures_total = 0
        self.failing: dict[str, float] = {}
        self._partitions: dict[str, int] = {}
        #: Workloads that came without a state: their past is still to be learnt from.
        self._unlearnt: set[str] = set()
        self._gathers_to = options.gathered_max
        self._now_seconds = 0.0

    def take(
        self,
        partition: int,
        key: str,
        timestamp_milliseconds: int,
        requests_per_second: float | None,
        now_seconds: float,
    ) -> None:
        """Take a sample of a workload, or let it wait; what cannot be taken is counted."""
        given = (partition, key, timestamp_milliseconds, requests_per_second, now_seconds)
        if self.early.hold(*given):
            return
        is_new = key not in self._partitions
        if self.intake.take(key, timestamp_milliseconds, requests_per_second, now_seconds) is None:
            self._partitions[key] = partition
            if is_new:
                self._unlearnt.add(key)

    def turn(self, now_seconds: float, *, behind: Container[int] = frozenset()) -> Outcome:
        """Hand new minutes to the engine, and forecast what is due.

        Of partitions that are behind nothing is forecast: their minutes gather, so that a long past
        is learnt from at once. All others are served meanwhile.
        """
        self._now_seconds = now_seconds
        for each in self.early.due(now_seconds):
            milliseconds, rate = each.timestamp_milliseconds, each.requests_per_second
            self.take(each.partition, each.key, milliseconds, rate, now_seconds)
        self.schedule.touched(self._hand_on(now_seconds, behind))
        served = (
            key
            for key in tuple(self.intake.keys())
            if key not in self._unlearnt and self._partitions[key] not in behind
        )
        intake = self.intake
        due = self.schedule.due(
            now_seconds, served, intake.newest_milliseconds, intake.measured_milliseconds
        )
        if due is None:
            return Outcome()
        ended = self._close(due) if due.closes else ()
        outcome = self._forecast(due) if due.keys else Outcome()
        if due.closes:
            self.fault = self._silence.fault(due.minute) or self.fault
            self._silence = Silence()
        return replace(outcome, records=(*ended, *outcome.records))

    def _hand_on(self, now_seconds: float, behind: Container[int]) -> tuple[str, ...]:
        """Give the engine what may be given; the workloads that are served with it now."""
        waiting = self.intake.waiting()
        if not waiting:
            return ()
        ready = [
            key
            for key in waiting
            if self._partitions[key] not in behind and self._may_be_tried(key, now_seconds)
        ]
        if len(ready) == len(waiting):
            self._gathers_to = self.options.gathered_max
        elif self.intake.fresh_count >= self._gathers_to:
            self._make_room(waiting, now_seconds)
        known = self._put(self.intake.fresh(k for k in ready if k not in self._unlearnt))
        budget = LEARNT_AT_ONCE_MINUTES
        new = []
        for key in ready:
            if key in self._unlearnt and budget > 0:
                new.append(key)
                budget -= waiting[key]
        learnt = self._learn(self.intake.fresh(new), now_seconds) if new else ()
        return (*known, *learnt)

    def _make_room(self, waiting: Iterable[str], now_seconds: float) -> None:
        """Hand on early what is only looked back on; what is to be learnt from gathers on."""
        tried = [key for key in waiting if self._may_be_tried(key, now_seconds)]
        new = [key for key in tried if key in self._unlearnt]
        self._put(self.intake.fresh(key for key in tried if key not in self._unlearnt))
        self._put(self.intake.fresh(new, before_minute=self._learns_since(now_seconds)))
        self._gathers_to = self.intake.fresh_count + self.options.gathered_max

    def _put(self, fresh: Mapping[str, Minutes]) -> list[str]:
        """Put what is not learnt from; the workloads that were. What fails waits."""
        done = []
        for key, (minutes, values) in fresh.items():
            try:
                self.put += self.engine.put(key, minutes, values)
            except Exception:  # noqa: BLE001 - logged there
                self._put_failed(key, minutes, values)
            else:
                self._put_done(key, minutes, values)
                done.append(key)
        return done

    def _learn(self, fresh: Mapping[str, Minutes], now_seconds: float) -> list[str]:
        """Put new workloads and learn from their past; those that were. What fails waits."""
        since = self._learns_since(now_seconds)
        old = {key: (m[m < since], v[m < since]) for key, (m, v) in fresh.items()}
        done = set(self._put(old))
        new = {key: (m[m >= since], v[m >= since]) for key, (m, v) in fresh.items()}
        for key in new.keys() - done:
            self.intake.put_back(key, *new[key])
        learnt = {key: new[key] for key in new if key in done}
        try:
            self.put += self.engine.put_all(learnt)
        except Exception as error:  # noqa: BLE001 - one is broken, or all: each is tried by itself
            _log.exception("%d workloads could not be learnt from together", len(learnt))
            tried = tuple(learnt)
            learnt = {key: given for key, given in learnt.items() if self._learn_one(key, given)}
            if not learnt:
                self.fault = fault_of(int(now_seconds // 60), tried, error)
        for key, given in learnt.items():
            self._put_done(key, *given)
        self._unlearnt -= learnt.keys()
        return list(learnt)

    def _learn_one(self, key: str, given: Minutes) -> bool:
        try:
            self.put += self.engine.put_all({key: given})
        except Exception:  # noqa: BLE001 - logged there
            self._put_failed(key, *given)
            return False
        return True

    def _put_done(self, key: str, minutes: Integers, values: Floats) -> None:
        self.failing.pop(key, None)
        self._in_shadow(lambda shadow: shadow.put(key, minutes, values))

    def _put_failed(self, key: str, minutes: Integers, values: Floats) -> None:
        """Within `except`: one workload fails alone, and nothing of it is lost."""
        self.intake.put_back(key, minutes, values)
        self.put_failures_total += 1
        if key not in self.failing:
            _log.exception("the minutes of %s could not be handed on; they wait", key)
        self.failing[key] = self._now_seconds

    def _may_be_tried(self, key: str, now_seconds: float) -> bool:
        failed = self.failing.get(key)
        return failed is None or abs(now_seconds - failed) >= RETRY_SECONDS

    def unkept(self) -> frozenset[int]:
        """The partitions of which minutes wait: a state would say that they are in it."""
        return frozenset(self._partitions[key] for key in self.intake.waiting())

    def _learns_since(self, now_seconds: float) -> int:
        """From which minute on a past is learnt from: two days, less where there are many."""
        share = min(1.0, LEARNT_KEYS / max(1, len(self._partitions)))
        return int(now_seconds // 60 - LEARNT_MINUTES * share)

    def _forecast(self, due: Due) -> Outcome:
        try:
            forecasts = self.engine.forecast(due.minute, due.keys)
        except Exception as error:
            self.fault = fault_of(due.minute, due.keys, error)
            raise
        valid_until = due.minute * 60 + self.options.valid_seconds
        sound = sound_rows(forecasts)
        self._silence.add(forecasts, sound)
        for row, (key, is_sound) in enumerate(zip(forecasts.keys, sound.tolist(), strict=True)):
            latest = Latest(forecasts, row, valid_until)
            if is_sound:
                self.latest[key] = latest
            elif key not in self.latest or not self.has_forecast(key):
                self.latest[key] = latest  # why there is none
            else:
                self.latest[key] = self.latest[key].outlasting(latest.reason)
        messages_count = int(sound.sum())
        self.published_total += messages_count
        self.withheld_total += len(forecasts.keys) - messages_count
        self.errors.add(forecasts)
        selection = self.selection()
        hourly = self.hourly.add(forecasts, lambda key: selection.lead_time_of(key) is not None)
        turned = self.anomalies.turned(forecasts)
        self._in_shadow(lambda shadow: shadow.compare(forecasts))
        return Outcome(
            records=(*hourly, *turned),
            forecasts=forecasts,
            messages_count=messages_count,
            valid_until_seconds=valid_until,
        )

    def begin_shadow(self, shadow: Shadow) -> None:
        """Let a challenger forecast beside us; it has been given the `contests`."""
        self.shadow = shadow
        self.contests = {}

    def _in_shadow(self, act: Callable[[Shadow], None]) -> None:
        """Let the challenger do as the champion does; where it fails it goes, and nobody else."""
        shadow = self.shadow
        if shadow is None:
            return
        try:
            act(shadow)
        except Exception as error:  # noqa: BLE001 - of models that are only tried
            _log.exception("version %s fails in the shadow, and goes", shadow.version)
            self.shadow_failures[shadow.version] = error
            self.shadow = None

    def fault_again(self, fault: ModelFault) -> ModelFault | None:
        """Whether the engine still fails at the same; None if not.

        It forecasts, for nobody: of that minute our own errors know nothing.
        """
        known = set(self.engine.keys())
        keys = tuple(key for key in fault.keys if key in known)
        silence = Silence()
        try:
            forecasts = self.engine.forecast(fault.minute, keys)
        except Exception as error:  # noqa: BLE001 - that is what was asked
            return fault_of(fault.minute, keys, error)
        silence.add(forecasts, sound_rows(forecasts))
        return silence.fault(fault.minute)

    def is_fresh(self, key: str, now_seconds: float) -> bool:
        """Whether a workload's newest measured sample is young enough for a forecast."""
        age_seconds = now_seconds - self.intake.measured_milliseconds(key) / 1000
        return age_seconds <= self.options.sample_age_seconds_max

    def has_forecast(self, key: str) -> bool:
        """Whether the newest forecast of a workload has figures."""
        latest = self.latest.get(key)
        return latest is not None and bool(latest.requests_per_second[0, 0] >= 0)

    def _close(self, due: Due) -> tuple[Record, ...]:
        """Forget who is gone; the anomalies of whose samples are too old end.

        Gone is who is eight days older than the newest sample of all: our clock alone forgets none.
        """
        self.stale_keys = len(due.stale)
        why = f"nothing was measured in the last {self.options.sample_age_seconds_max:g} s"
        for key in due.stale:
            if (latest := self.latest.get(key)) is not None and latest.why != why:
                self.latest[key] = latest.outlasting(why)
        ended = self.anomalies.stale(due.stale, due.minute)
        oldest_milliseconds = self.intake.newest_of_all_milliseconds - AGE_SECONDS_MAX * 1000
        gone = [k for k in due.stale if self.intake.newest_milliseconds(k) < oldest_milliseconds]
        if gone:
            self.drop(gone)
        return ended

    # Partitions come and go.

    def keys_of(self, partition: int) -> tuple[str, ...]:
        """The workloads of a partition."""
        return tuple(key for key, number in self._partitions.items() if number == partition)

    def key_counts(self) -> Mapping[int, int]:
        """How many workloads each partition has."""
        return Counter(self._partitions.values())

    def export(self, partition: int) -> dict[str, Arrays]:
        """All that is known of a partition's workloads, but for what waits (see `unkept`)."""
        keys = self.keys_of(partition)
        early = {EARLY: self.early.export(partition)} if self.early else {}
        if not keys:
            return early
        known = set(self.engine.keys())
        return (
            early
            | {
                ENGINE: self.engine.export([key for key in keys if key in known]),
                INTAKE: self.intake.export(keys),
                ERRORS: self.errors.export(keys),
                ANOMALIES: self.anomalies.export(keys),
            }
            | self._contest(partition, keys)
        )

    def _contest(self, partition: int, keys: Iterable[str]) -> dict[str, Arrays]:
        if self.shadow is not None:
            return {CONTEST: self.shadow.export(keys)}
        kept = self.contests.get(partition)  # a challenger may still come
        return {} if kept is None else {CONTEST: dict(kept)}

    def restore(self, partition: int, sections: Sections) -> None:
        """Take what `export` gave.

        Raises:
            KeyError, TypeError, ValueError: it was of another version; nothing of it is kept.
        """
        try:
            if EARLY in sections:
                self.early.restore(partition, sections[EARLY])
            if sections.keys() - {EARLY}:
                self._restore_known(partition, sections)
        except Exception:
            self.early.drop(partition)
            raise

    def _restore_known(self, partition: int, sections: Sections) -> None:
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
        known = set(self.engine.keys())
        self._unlearnt |= set(keys) - known
        self._restore_contest(
            partition, [key for key in keys if key in known], sections.get(CONTEST)
        )

    def _restore_contest(
        self, partition: int, keys: Sequence[str], kept: Mapping[str, npt.NDArray[Any]] | None
    ) -> None:
        """Let the challenger know what we know, and how both did; it goes where it cannot."""
        minute = int(self._now_seconds // 60)
        if self.shadow is None and kept is not None:
            self.contests[partition] = kept
        self._in_shadow(lambda shadow: shadow.take_over(self.engine, keys, minute, kept))

    def release(self, partition: int) -> None:
        """Forget a partition, which somebody else has now."""
        self.drop(self.keys_of(partition))
        self.early.drop(partition)
        self.contests.pop(partition, None)

    def drop(self, keys: Iterable[str]) -> None:
        """Forget workloads."""
        keys = tuple(keys)
        known = set(self.engine.keys())
        self.engine.drop([key for key in keys if key in known])
        self._in_shadow(lambda shadow: shadow.drop(keys))
        for part in (self.intake, self.errors, self.anomalies, self.schedule):
            part.drop(keys)
        for key in keys:
            self._partitions.pop(key, None)
            self._unlearnt.discard(key)
            self.failing.pop(key, None)
            self.latest.pop(key, None)

    def swap(self, engine: ForecastEngine) -> None:
        """Forecast with another engine's models from now on, with all that this one learnt.

        Nothing is copied where the experts are the same; else workloads are, some at a time, and
        where that fails this engine stays. What was published stays valid until the next forecast.
        """
        if not self.engine.adopt(engine.models):
            keys = self.engine.keys()
            for first in range(0, len(keys), SWAPPED_KEYS):
                engine.restore(self.engine.export(keys[first : first + SWAPPED_KEYS]))
            self.engine = engine
        self.shadow = None
