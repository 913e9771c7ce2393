"""The shell around the core: a clock, a stream, a state file, and a thread that turns.

Whatever was sent and not acknowledged is settled before anything else is sent, so that a broker
that is away is not given the same minute again and again. Two bridges at once do no harm: samples
are upserted by key and time.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from threading import Event, Lock
from typing import Final

from energy.errors import NegawattError, UnavailableError
from telemetry.bridge.core import BridgeCore
from telemetry.bridge.figures import BridgeFigures
from telemetry.bridge.minutes import MinuteRange
from telemetry.bridge.state_file import StateFile
from telemetry.messages import TrafficSample
from telemetry.prometheus import GONE, PrometheusError
from telemetry.stream.interface import Producer
from telemetry.traffic.assembly import MINUTE_SECONDS
from telemetry.traffic.reader import TrafficReading

_log = logging.getLogger(__name__)

#: How long a piece may take to be acknowledged before it counts as trouble.
FLUSH_SECONDS: Final = 30.0
#: After a failure.
RETRY_SECONDS: Final = 10.0
#: Where a minute is over for us and not yet for Prometheus.
BEHIND_SECONDS: Final = 2.0
#: A piece of the past that Prometheus refuses is left alone for so many turns.
POSTPONED_TURNS: Final = 60
#: So many turns pass before a signal is asked for again that was not answered for.
AGAIN_TURNS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """Minutes that were read, and how."""

    minutes: MinuteRange
    late: int = 0
    is_newest: bool = False
    is_again: bool = False
    lacks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    """A piece that waits for its acknowledgement."""

    piece: _Piece
    samples: int
    newest: Sequence[TrafficSample]


class Bridge:
    """Carries minutes from a core to a producer. `turn` and `run` are for one thread."""

    def __init__(
        self,
        core: BridgeCore,
        open_producer: Callable[[], Producer],
        *,
        now: Callable[[], float],
        state_file: StateFile | None = None,
        flush_seconds: float = FLUSH_SECONDS,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        """Prepare; nothing is opened yet.

        Args:
            core: what reads Prometheus.
            open_producer: makes the writer; tried again while it raises UnavailableError.
            now: our clock, Unix time in seconds.
            state_file: keeps what was acknowledged; None for a stream that does not outlive us.
            flush_seconds: how long an acknowledgement may take.
            retry_seconds: from a failure to the next try.
        """
        self._core = core
        self._open_producer = open_producer
        self._now = now
        self._state_file = state_file
        self._flush_seconds = flush_seconds
        self._retry_seconds = retry_seconds
        self._producer: Producer | None = None
        self._sent: list[_Sent] = []
        self._given_up = 0
        self._postponed: dict[MinuteRange, int] = {}
        self._again_turn = 0
        self._handed = 0
        self.turns = 0
        self._figures = BridgeFigures()
        self._lock = Lock()

    def run(self, stopping: Event) -> None:
        """Turn until told to stop; never raises what a later turn may mend."""
        try:
            while not stopping.is_set():
                self.turn(stopping)
                stopping.wait(self._pause_seconds())
        finally:
            if self._producer is not None:
                self._producer.close()

    def turn(self, stopping: Event | None = None) -> None:
        """Carry everything that is due; trouble ends it early and is told in the figures."""
        self.turns += 1
        # By our clock, so that it grows while nobody answers.
        own_seconds = self._now()
        self._note_backlog(own_seconds)
        try:
            self._settle()
            while (piece := self._next_piece()) is not None:
                if stopping is not None and stopping.is_set():
                    break
                self._carry(*piece)
            self._carry_again(stopping)
            self._note(troubles=())
        except PrometheusError as error:
            self._count_failures(Counter({error.kind: 1}))
            self._in_trouble(error)
        except UnavailableError as error:
            self._note(stream_failed=self._figures.stream_failed + 1)
            self._in_trouble(error)
        except NegawattError as error:
            self._in_trouble(error)
        except Exception as error:  # noqa: BLE001 - the thread outlives what nobody foresaw
            _log.exception("the turn ended early")
            self._note(troubles=(f"internal error: {type(error).__name__}, see the log",))

    def progress(self) -> tuple[int, ...]:
        """What grows as long as anything goes on, from any thread: a piece may take long."""
        return (self.turns, self._handed, self._core.queries_total(), self.figures().minutes)

    def figures(self) -> BridgeFigures:
        """What there is to tell, from any thread."""
        with self._lock:
            return self._figures

    def _next_piece(self) -> tuple[MinuteRange, bool] | None:
        """What is to be read next, and whether it is the newest; the clock is looked at anew."""
        now_seconds = self._core.now_seconds(self._now())
        self._note_backlog(now_seconds)
        # Pieces are cut anew each time, so minutes are left alone and not pieces.
        self._postponed = {
            minutes: turn for minutes, turn in self._postponed.items() if turn > self.turns
        }
        leaving = (*self._postponed, *(each.piece.minutes for each in self._sent))
        piece = next(iter(self._core.minutes_due(now_seconds, leaving=leaving)), None)
        return None if piece is None else (piece, self._core.is_latest(piece, now_seconds))

    def _carry(self, minutes: MinuteRange, is_newest: bool) -> None:  # noqa: FBT001
        late = 0
        samples: Iterable[TrafficSample]
        try:
            if is_newest:
                samples, late = self._core.read_with_late(minutes)
            else:
                samples = self._core.read(minutes.first, minutes.last)
        except PrometheusError as error:
            if is_newest or error.kind in GONE:
                raise
            # Of the past: the present must not wait for it.
            self._count_failures(Counter({error.kind: 1}))
            self._postponed[minutes] = self.turns + POSTPONED_TURNS
            _log.warning("minutes %d to %d are read later: %s", minutes.first, minutes.last, error)
            return
        reading = self._core.last_reading
        if reading is not None:
            self._note_reading(reading, is_newest=is_newest)
        lacks = reading is not None and reading.lacks
        self._hand_on(_Piece(minutes=minutes, late=late, is_newest=is_newest, lacks=lacks), samples)

    def _hand_on(self, piece: _Piece, samples: Iterable[TrafficSample]) -> None:
        producer = self._opened()
        count, newest = 0, []
        for sample in samples:
            producer.send(sample)
            count += 1
            self._handed += 1
            if self._core.is_remembered(sample, piece.minutes):
                newest.append(sample)
        self._sent.append(_Sent(piece=piece, samples=count, newest=newest))
        self._settle()

    def _carry_again(self, stopping: Event | None) -> None:
        """Send minutes once more whose every signal is answered for now; the oldest first."""
        for minutes in self._core.lacking_pieces():
            if self.turns < self._again_turn or (stopping is not None and stopping.is_set()):
                return
            try:
                samples = self._core.read(minutes.first, minutes.last)
            except PrometheusError as error:
                if error.kind in GONE:
                    raise
                self._count_failures(Counter({error.kind: 1}))
                self._again_turn = self.turns + AGAIN_TURNS
                return
            reading = self._core.last_reading
            if reading is not None and reading.lacks:
                self._count_failures(Counter(reading.failed))
                self._again_turn = self.turns + AGAIN_TURNS
                return
            self._hand_on(_Piece(minutes=minutes, is_again=True), samples)

    def _opened(self) -> Producer:
        if self._producer is None:
            self._producer = self._open_producer()
            self._given_up = self._producer.failed_total()
            self._look_at_log(self._producer)
        return self._producer

    def _look_at_log(self, producer: Producer) -> None:
        """Begin anew where the topic was made anew: what was sent may lie in the old one."""
        if self._core.write_to(producer.identity()):
            self._sent.clear()
            _log.warning("the topic was made anew: the history is read and sent again")

    def _settle(self) -> None:
        """Wait until all that was sent is acknowledged, and keep that.

        Raises:
            UnavailableError: it is not; what was given up by the stream is read and sent again.
        """
        if self._producer is None:
            return
        try:
            self._producer.flush(self._flush_seconds)
        except UnavailableError:
            if (given_up := self._producer.failed_total()) != self._given_up:
                self._given_up = given_up
                self._sent.clear()
            raise
        self._look_at_log(self._producer)
        # Emptied first: a state file that cannot be written is no reason to send anything again.
        acknowledged, self._sent = self._sent, []
        for each in acknowledged:
            self._acknowledge(each)

    def _acknowledge(self, sent: _Sent) -> None:
        piece = sent.piece
        if piece.lacks and not len(self._core.lacking):
            self._again_turn = self.turns + AGAIN_TURNS
        self._core.acknowledge(piece.minutes, sent.newest, lacks=piece.lacks)
        state = self._core.state
        if self._state_file is not None and state is not None:
            self._state_file.write(state)
        before = self._figures
        minutes = 0 if piece.is_again else len(piece.minutes)
        self._note(
            samples=before.samples + sent.samples,
            samples_late=before.samples_late + piece.late,
            minutes=before.minutes + minutes,
            minutes_backfilled=before.minutes_backfilled + (0 if piece.is_newest else minutes),
            minutes_lacking=len(self._core.lacking),
            last_success_seconds=self._now(),
        )

    def _pause_seconds(self) -> float:
        """Until the next minute is complete; a little after trouble."""
        if self._figures.troubles:
            return self._retry_seconds
        now_seconds = self._now()
        if self._core.minutes_behind(now_seconds) != 0:
            return BEHIND_SECONDS  # Prometheus' clock is a little behind ours
        waiting_seconds = self._core.next_due_seconds(now_seconds) - now_seconds
        return min(max(waiting_seconds, 0.1), float(MINUTE_SECONDS))

    def _note_backlog(self, now_seconds: float) -> None:
        self._note(
            minutes_missing=self._core.backlog_minutes(now_seconds),
            minutes_behind=self._core.minutes_behind(now_seconds),
        )

    def _note_reading(self, reading: TrafficReading, *, is_newest: bool) -> None:
        self._count_failures(Counter(reading.failed))
        refused = Counter(self._figures.values_refused)
        refused.update({str(signal): n for signal, n in reading.assembly.refused.items()})
        self._note(values_refused=dict(refused))
        if is_newest:
            found = reading.assembly.workloads
            self._note(
                workloads={str(signal): n for signal, n in found.items()},
                strangers=reading.assembly.strangers,
                doubts=reading.failures,
            )

    def _count_failures(self, more: Counter[str]) -> None:
        failed = Counter(self._figures.queries_failed)
        failed.update(more)
        self._note(queries_failed=dict(failed))

    def _in_trouble(self, error: NegawattError) -> None:
        line = str(error)
        if self._figures.troubles != (line,):
            _log.warning("%s", line)
        self._note(troubles=(line,))

    def _note(self, **changes: object) -> None:
        with self._lock:
            self._figures = replace(self._figures, **changes)  # type: ignore[arg-type]
