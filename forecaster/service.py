"""The forecaster at work: one thread that reads samples, forecasts, publishes and keeps its state.

Everything happens in `turn`, which a test can call with a clock of its own. What other threads ask
(`figures`, `workload`) is read without a lock: from copies, or from values that are replaced whole.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Thread
from typing import Final, Self

from energy.errors import NegawattError, UnavailableError
from forecaster.core import Core, Outcome
from forecaster.figures import (
    Figures,
    Readiness,
    Workload,
    WorkloadState,
    figures_of,
    states_of,
    workload_of,
)
from forecaster.horizons import MINUTE_SECONDS
from forecaster.model_changes import ModelChanges
from forecaster.models_report import ModelsReport
from forecaster.state_files import StateFiles
from forecaster.state_keeping import StateKeeping
from ledger.record import Record
from telemetry.messages import TrafficSample
from telemetry.stream.interface import (
    DAY_MILLISECONDS,
    FORECASTS_TOPIC,
    SAMPLES_TOPIC,
    Batch,
    Consumer,
    Producer,
    Stream,
    Topic,
    positions_of,
)

_log = logging.getLogger(__name__)

#: How long one poll waits for samples: also how late a forecast may be for it.
POLL_SECONDS: Final = 0.2
PAUSE_SECONDS: Final = 1.0
REPLAY_MILLISECONDS: Final = 8 * DAY_MILLISECONDS
#: After this without a turn the thread hangs.
HANG_SECONDS: Final = 300.0
#: After this, and the time that samples are waited for, without a minute that was closed.
SILENT_SECONDS: Final = 180.0
STOP_SECONDS: Final = 30.0
#: Who is still looking for a broker has nothing to keep.
STOP_CONNECTING_SECONDS: Final = 1.0
FLUSH_SECONDS: Final = 3.0
MODELS_SECONDS: Final = 60.0
LAG_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOptions:
    """How the stream is read and the state is kept.

    Attributes:
        samples: the topic to read.
        group: of consumers that share the work.
        state_seconds: how often a partition's state is written.
        publishes: whether forecasts go to the stream: in memory nobody would read them there.
        rebuilds: whether the stream outlives us: then offsets are kept with the state and read on
            from. In memory the past comes from Prometheus anew.
    """

    samples: Topic = SAMPLES_TOPIC
    group: str = "negawatt-forecaster"
    state_seconds: float = 60.0
    publishes: bool = True
    rebuilds: bool = True


class Service:
    """A forecaster over a stream, as a context manager that runs its thread."""

    def __init__(  # noqa: PLR0913 - what it is wired from
        self,
        core: Core,
        models: ModelChanges,
        stream: Stream,
        files: StateFiles,
        options: ServiceOptions,
        *,
        offer: Callable[[Record], object] = lambda _record: None,
        now: Callable[[], float] = time.time,
        troubles: Callable[[], tuple[str, ...]] = tuple,
        past_comes: Callable[[], bool] = lambda: False,
    ) -> None:
        """Prepare; nothing is read before `open` or the with-block.

        ``troubles`` says what ails whoever brings the samples, ``past_comes`` whether the past is
        only being fetched: it is learnt from at once when it is there.
        """
        self._troubles, self._past_comes = troubles, past_comes
        self.core, self.models = core, models
        self._stream, self._options, self._offer, self._now = stream, options, offer, now
        self._files = files
        self._keeping = StateKeeping(files, core, options.state_seconds, now)
        self._consumer: Consumer | None = None
        self._producer: Producer | None = None
        self._positions: dict[int, int] = {}
        self._has_joined = False
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="forecaster", daemon=True)
        self._models_at = float("-inf")
        self._lag_at = float("-inf")
        self._lag: dict[int, int] = {}
        self._turned_at = time.monotonic()
        self._trouble = "no samples were asked for yet"
        #: Partitions whose past is still being read.
        self._behind: frozenset[int] = frozenset()
        self._fails = False
        self.samples_total = self.forecasts_dropped_total = self.turn_failures_total = 0
        self.forecast_seconds = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(STOP_CONNECTING_SECONDS)
        if not self._has_joined:
            return
        self._thread.join(STOP_SECONDS)
        if self._thread.is_alive():
            _log.warning("the forecaster's thread did not end; its state is that of its file")

    def open(self) -> None:
        """Join the group. Raises UnavailableError."""
        self._producer = self._producer or self._stream.producer(FORECASTS_TOPIC)
        self._consumer = self._consumer or self._stream.consumer(
            self._options.samples, self._options.group, self._assigned, self._revoked
        )
        self._has_joined = True

    def close(self) -> None:
        """Keep the state, leave the group, and end what was begun."""
        now = self._now()
        for record in self.core.hourly.close(int(now // 60)):
            self._offer(record)
        if self._consumer is not None:
            self._consumer.close()  # calls `_revoked`
        if self._producer is not None:
            try:
                self._producer.flush(FLUSH_SECONDS)
            except UnavailableError as error:
                _log.warning("the last forecasts are lost: %s", error)
            self._producer.close()
        self._consumer = self._producer = None
        self.models.close()
        self._keeping.close()

    # One turn.

    def turn(self, poll_seconds: float = POLL_SECONDS) -> None:
        """Read what is there, forecast what is due, publish it, and keep what is to be kept.

        Raises:
            UnavailableError: the stream cannot be read.
        """
        consumer, producer = self._opened()
        if unprepared := consumer.assigned() - self._positions.keys():  # that failed before
            self._assigned(unprepared)
        batch = consumer.poll(poll_seconds)
        self._turned_at = time.monotonic()
        now = self._now()
        self._take(batch, now)
        self._look_whether_behind(consumer)
        started = time.perf_counter()
        outcome = self._core_turn(now)
        if outcome.forecasts is not None:
            self.forecast_seconds = time.perf_counter() - started
        if self._options.publishes:
            self._publish(outcome, producer)
        for record in outcome.records:
            self._offer(record)
        if self._options.rebuilds:
            self._keeping.turn(self._positions, consumer.commit)
        else:
            self._keep_in_memory(batch, consumer)
        self._look_at_models(now)
        self._look_at_lag(now, consumer)
        self._trouble = ""

    def _core_turn(self, now_seconds: float) -> Outcome:
        try:
            outcome = self.core.turn(now_seconds, behind=self._behind)
        except Exception:
            self._fails = True
            self._mend_models(now_seconds)
            raise
        self._mend_models(now_seconds)
        if outcome.forecasts is not None:  # a turn with nothing to do says nothing of it
            self._fails = False
        return outcome

    def _mend_models(self, now_seconds: float) -> None:
        if self.core.fault is not None:
            for record in self.models.mend(now_seconds):
                self._offer(record)

    def _opened(self) -> tuple[Consumer, Producer]:
        if self._consumer is None or self._producer is None:
            self.open()
        if self._consumer is None or self._producer is None:
            raise UnavailableError("the stream gives no reader", where=self._options.samples.name)
        return self._consumer, self._producer

    def _take(self, batch: Batch, now_seconds: float) -> None:
        # What is not ours must not be kept: that would overwrite what its owner keeps.
        ours = [each for each in batch.records if each.partition in self._positions]
        for record in ours:
            message = record.message
            if isinstance(message, TrafficSample):
                self.core.take(
                    record.partition,
                    message.key,
                    message.timestamp_milliseconds,
                    message.requests_per_second,
                    now_seconds,
                )
        self.samples_total += len(ours)
        self._positions.update(positions_of(batch.positions, self._positions.keys()))

    def _look_whether_behind(self, consumer: Consumer) -> None:
        """Until all of a partition but a minute or so is read, its past is gathered."""
        if self._behind and not self._past_comes():
            lag = consumer.lag_messages()
            keys = self.core.key_counts()
            self._behind = frozenset(p for p in self._behind if lag.get(p, 0) > keys.get(p, 0))

    def _publish(self, outcome: Outcome, producer: Producer) -> None:
        """Hand forecasts on; what finds no room is dropped: the next ones are better anyway."""
        for sent, message in enumerate(outcome.messages()):
            try:
                producer.send(message)
            except UnavailableError as error:
                dropped = outcome.messages_count - sent
                self.forecasts_dropped_total += dropped
                _log.warning("%d forecasts are dropped: %s", dropped, error)
                return

    def _keep_in_memory(self, batch: Batch, consumer: Consumer) -> None:
        # Prometheus has what was read, so it is done with as soon as it is taken.
        if batch.positions:
            consumer.commit(batch)
        self._keeping.turn(self._positions, _no_commit)

    def _look_at_models(self, now_seconds: float) -> None:
        if now_seconds - self._models_at >= MODELS_SECONDS or now_seconds < self._models_at:
            self._models_at = now_seconds
            for record in self.models.turn(now_seconds):
                self._offer(record)

    def _look_at_lag(self, now_seconds: float, consumer: Consumer) -> None:
        if abs(now_seconds - self._lag_at) >= LAG_SECONDS:
            self._lag_at = now_seconds
            self._lag = dict(consumer.lag_messages())

    # Partitions come and go; both are called inside `poll` and `close`.

    def _assigned(self, partitions: frozenset[int]) -> None:
        consumer = self._consumer
        if consumer is None:  # within the constructor of a consumer nobody is assigned anything
            return
        for partition in sorted(partitions):
            offset = self._keeping.load(partition, consumer.identity())
            if self._options.rebuilds:
                if offset is None:
                    since = round(self._now() * 1000) - REPLAY_MILLISECONDS
                    consumer.seek_to_time(partition, max(0, since))
                else:
                    consumer.seek(partition, offset)
            self._positions[partition] = consumer.position(partition)
            self._behind |= {partition}
        _log.info("partitions %s are ours", sorted(partitions))

    def _revoked(self, partitions: frozenset[int]) -> None:
        if self._consumer is None:
            return
        commit = self._consumer.commit if self._options.rebuilds else _no_commit
        self._keeping.keep(self._positions, partitions, commit)
        self._keeping.forget(partitions)
        for partition in partitions:
            self.core.release(partition)
            self._positions.pop(partition, None)
        self._behind -= partitions
        _log.info("partitions %s are no longer ours", sorted(partitions))

    # What others ask.

    def assigned(self) -> frozenset[int]:
        """The partitions that are ours."""
        return frozenset(self._positions)

    def hangs(self) -> bool:
        """Whether the thread has not turned for long."""
        return time.monotonic() - self._turned_at > HANG_SECONDS

    def reads_past(self) -> bool:
        """Whether samples that came long ago are still to be read."""
        return bool(self._behind) or self._consumer is None

    def readiness(self) -> Readiness:
        """Whether samples are read and the past is known; a line for each thing that is not so."""
        lines = list(self._troubles())
        if self._trouble:
            lines.append(self._trouble)
        if self._behind and not self._trouble:
            lines.append("the past is still being read")
        if age := self._silent_minutes():
            lines.append(f"nothing was done for {age} min")
        if self._fails:
            lines.append("no forecast could be made; see the log")
        if failing := len(self.core.failing):
            lines.append(f"the samples of {failing} workloads could not be taken; see the log")
        if minutes := self.core.schedule.behind_minutes(self._now()):
            lines.append(f"the clock stands {minutes} min before what was forecast last")
        return Readiness(ready=not lines, lines=tuple(lines))

    def _silent_minutes(self) -> int:
        """For how long no minute was closed, where that is too long and nothing else says why."""
        closed = self.core.schedule.closed
        age_seconds = self._now() - closed * MINUTE_SECONDS
        limit = SILENT_SECONDS + self.core.options.wait_seconds
        is_silent = closed > 0 and not self._behind and not self._trouble
        return int(age_seconds // 60) if is_silent and age_seconds > limit else 0

    def workload(self, key: str) -> Workload | None:
        """What is known of a workload; None if nothing is."""
        return workload_of(self.core, key, self._now(), self.models.serving)

    def states(self) -> tuple[WorkloadState, ...]:
        """Every workload that is known, and how its forecast stands."""
        return states_of(self.core, self._now())

    def figures(self) -> Figures:
        """The state, for metrics."""
        consumer, producer = self._consumer, self._producer
        return figures_of(
            self.core,
            self._now(),
            version=self.models.serving,
            samples_total=self.samples_total,
            lag=self._lag,
            forecast_seconds=self.forecast_seconds,
            turn_failures_total=self.turn_failures_total + self.core.put_failures_total,
            forecasts_dropped_total=self.forecasts_dropped_total,
            forecasts_failed_total=0 if producer is None else producer.failed_total(),
            dead_letters_total=0 if consumer is None else consumer.dead_letters_total(),
            state_age_seconds=self._keeping.age_seconds(),
            states_written_total=self._keeping.written_total,
            state_failures_total=self._keeping.failures_total,
            states_broken_total=self._files.broken_total,
            trains=self.models.trains,
            trained_ratio=self.models.trained_ratio,
            champion_serves=not self.models.trouble,
        )

    def models_report(self) -> ModelsReport:
        """Versions, who serves, and how they do."""
        return self.models.report()

    # The thread.

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                if not self.attempt():
                    self._stopping.wait(PAUSE_SECONDS)
        finally:
            try:
                self.close()
            except Exception:  # noqa: BLE001 - the process ends all the same
                _log.exception("the forecaster did not end cleanly")

    def attempt(self) -> bool:
        """Turn, and tell what goes wrong; False where it does, so that a pause follows."""
        try:
            self.turn()
        except NegawattError as error:
            if str(error) != self._trouble:
                _log.warning("no samples: %s", error)
            self._trouble = str(error)
            self._turned_at = time.monotonic()
            return False
        except Exception:  # noqa: BLE001 - the turn must go on
            self.turn_failures_total += 1
            self._trouble = "a turn failed; see the log"
            _log.exception("a turn of the forecaster failed")
            return False
        return True


def _no_commit(_batch: Batch) -> None:
    """Stands for a commit where it was made already."""
