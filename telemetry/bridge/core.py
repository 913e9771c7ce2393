"""What is to be read and what was: the bridge without its stream, its clock and its thread."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from telemetry.bridge.minutes import (
    MINUTES_MAX,
    NEWEST_MINUTES,
    MinuteRange,
    MinuteSet,
    due,
    latest_complete,
)
from telemetry.bridge.state_file import BridgeState
from telemetry.messages import TrafficSample
from telemetry.traffic.assembly import MINUTE_SECONDS
from telemetry.traffic.query import Signal
from telemetry.traffic.reader import TrafficReader, TrafficReading

#: Six hours at most, of few workloads.
PIECE_MINUTES: Final = 360
#: What is read at once, whatever the number of workloads: of each sample there are six values in
#: Prometheus' answers, some 200 bytes of JSON each while they are parsed.
PIECE_SAMPLES: Final = 50_000
#: What a signal was not answered for is asked for again for a day, then done without.
LACKING_MINUTES_MAX: Final = 1440


class BridgeCore:
    """Reads minutes from Prometheus, and knows which are left. For one thread at a time.

    Whoever drives it reads each range of `minutes_due`, hands the samples on, and says so with
    `acknowledge`; what was not acknowledged is due again. No minute is read before it is complete.
    """

    def __init__(
        self,
        reader: TrafficReader,
        *,
        backfill_minutes: int = MINUTES_MAX,
        delay_seconds: float = 15.0,
        reread_minutes: int = 5,
        piece_minutes: int = PIECE_MINUTES,
        state: BridgeState | None = None,
    ) -> None:
        """Prepare; nothing is read yet.

        Args:
            reader: asks Prometheus.
            backfill_minutes: without a state: how far back to begin.
            delay_seconds: after this a minute's scrapes have arrived.
            reread_minutes: so many minutes before the newest are read again with it, for samples
                that came late.
            piece_minutes: what is read at once at most; less of many workloads.
            state: what was done before.
        """
        self._reader = reader
        self._backfill_minutes = min(backfill_minutes, MINUTES_MAX)
        self._delay_seconds = delay_seconds
        self._reread_minutes = reread_minutes
        self._piece_minutes = piece_minutes
        self._since = None if state is None else state.since
        self._done = MinuteSet() if state is None else state.done
        self._log = "" if state is None else state.log
        self._lacking = MinuteSet()
        self._workloads: int | None = None
        self._handed: dict[tuple[str, int], TrafficSample] = {}
        self.last_reading: TrafficReading | None = None

    @property
    def state(self) -> BridgeState | None:
        """What is done, with all that there is of it; None before the first look at a clock."""
        if self._since is None:
            return None
        done = self._done.without(self._lacking)
        return BridgeState(since=self._since, done=done, log=self._log)

    @property
    def lacking(self) -> MinuteSet:
        """Minutes that were handed on without a signal that was not answered for."""
        return self._lacking

    def lacking_pieces(self) -> tuple[MinuteRange, ...]:
        """The same in pieces to be read again, the oldest first."""
        ranges = self._lacking.ranges
        return tuple(piece for each in ranges for piece in each.pieces(self.piece_minutes))

    @property
    def piece_minutes(self) -> int:
        """What is read at once: few minutes until it is known of how many workloads."""
        if self._workloads is None:
            return min(NEWEST_MINUTES, self._piece_minutes)
        return max(1, min(self._piece_minutes, PIECE_SAMPLES // max(1, self._workloads)))

    def queries_total(self) -> int:
        """See `TrafficReader.queries_total`."""
        return self._reader.queries_total()

    def now_seconds(self, own_seconds: float) -> float:
        """The earlier of our clock and Prometheus': a minute is complete when both say so.

        Raises:
            PrometheusError: it does not answer.
        """
        return min(own_seconds, self._reader.now_seconds())

    def minutes_due(
        self, now_seconds: float, *, leaving: Iterable[MinuteRange] = ()
    ) -> tuple[MinuteRange, ...]:
        """Return what is to be read now, in the order of `due`, but for what is to be left alone.

        Where the clock has gone back, minutes that are no longer over are forgotten: they are read
        when they are.
        """
        latest = latest_complete(now_seconds, self._delay_seconds)
        self._since = self._wanted_since(latest)
        self._done = self._done.within(MinuteRange(max(0, latest - MINUTES_MAX + 1), latest))
        day = MinuteRange(max(0, latest - LACKING_MINUTES_MAX + 1), latest)
        self._lacking = self._lacking.within(day)
        return self._due(latest, leaving)

    def backlog_minutes(self, now_seconds: float) -> int:
        """Count what is due by a clock that may be wrong, and so changes nothing."""
        return sum(map(len, self._due(latest_complete(now_seconds, self._delay_seconds))))

    def _due(self, latest: int, leaving: Iterable[MinuteRange] = ()) -> tuple[MinuteRange, ...]:
        done = MinuteSet.of((*self._done.ranges, *leaving))
        since = self._wanted_since(latest)
        return due(done, since=since, latest=latest, piece_minutes=self.piece_minutes)

    def _wanted_since(self, latest: int) -> int:
        began = latest - self._backfill_minutes + 1 if self._since is None else self._since
        return min(began, latest + 1)

    def is_latest(self, minutes: MinuteRange, now_seconds: float) -> bool:
        """Whether these end with the last complete minute."""
        return minutes.last == latest_complete(now_seconds, self._delay_seconds)

    def minutes_behind(self, now_seconds: float) -> int | None:
        """How many complete minutes are newer than any that was acknowledged; None before one."""
        latest = latest_complete(now_seconds, self._delay_seconds)
        return None if self._done.last is None else max(0, latest - self._done.last)

    def next_due_seconds(self, now_seconds: float) -> float:
        """When the next minute is complete (Unix time)."""
        following = latest_complete(now_seconds, self._delay_seconds) + 1
        return following * MINUTE_SECONDS + self._delay_seconds

    def read(self, minute_first: int, minute_last: int) -> Iterable[TrafficSample]:
        """Return the samples of these minutes, both ends included, by minute and key.

        They are made as they are looked at, and anew each time.

        Raises:
            PrometheusError: see `TrafficReader.read`.
        """
        self.last_reading = self._reader.read(minute_first, minute_last)
        assembly = self.last_reading.assembly
        # The most that there ever were: a minute in which Prometheus was away tells of none.
        self._workloads = max(self._workloads or 0, assembly.keys)
        return assembly.samples

    def is_remembered(self, sample: TrafficSample, minutes: MinuteRange) -> bool:
        """Whether a sample that was handed on with these minutes may be compared to a later one."""
        return _minute(sample) > minutes.last - self._reread_minutes

    def read_with_late(self, minutes: MinuteRange) -> tuple[list[TrafficSample], int]:
        """Return the samples of these minutes, and what has changed in those just before them.

        Only minutes that this process has handed on are looked at again, and what has vanished
        since then is kept: a store that is away takes nothing back. The second value counts the
        samples that changed.

        Raises:
            PrometheusError: see `TrafficReader.read`.
        """
        seen = {minute for _, minute in self._handed if minute < minutes.first}
        first = min((m for m in seen if m >= minutes.first - self._reread_minutes), default=None)
        found = self.read(minutes.first if first is None else first, minutes.last)
        fresh: list[TrafficSample] = []
        late: list[TrafficSample] = []
        for sample in found:
            if _minute(sample) >= minutes.first:
                fresh.append(sample)
            elif _minute(sample) in seen:
                merged = self._merged(sample)
                if merged != self._handed.get(_place(sample)):
                    late.append(merged)
        return [*late, *fresh], len(late)

    def acknowledge(
        self, minutes: MinuteRange, samples: Iterable[TrafficSample] = (), *, lacks: bool = False
    ) -> None:
        """Keep that the stream has the samples of these minutes.

        Args:
            minutes: what was read.
            samples: what was handed on, late ones too; the newest (`is_remembered`) will do.
            lacks: whether a signal was not answered for, and is to be asked for again.
        """
        self._done = self._done.with_range(minutes)
        if lacks:
            self._lacking = self._lacking.with_range(minutes)
        else:
            self._lacking = self._lacking.without(MinuteSet((minutes,)))
        newest = self._done.last or minutes.last
        self._handed.update(
            {
                _place(sample): sample
                for sample in samples
                if newest - self._reread_minutes < _minute(sample)
            }
        )
        self._handed = {
            place: sample
            for place, sample in self._handed.items()
            if newest - self._reread_minutes < place[1] <= newest
        }

    def write_to(self, log: str) -> bool:
        """Begin anew where samples go to another log than before; return whether they do.

        Args:
            log: its name; "" where nobody says, which tells nothing.
        """
        is_another = bool(log and self._log) and log != self._log
        if is_another:
            self._since = None
            self._done = self._lacking = MinuteSet()
            self._handed = {}
        self._log = log or self._log
        return is_another

    def _merged(self, sample: TrafficSample) -> TrafficSample:
        """What was handed on, with what is measured now in its place."""
        before = self._handed.get(_place(sample))
        if before is None:
            return sample
        measured = {
            str(signal): value
            for signal in Signal
            if (value := getattr(sample, signal)) is not None
        }
        return before.model_copy(update=measured)


def _minute(sample: TrafficSample) -> int:
    return sample.timestamp_milliseconds // (MINUTE_SECONDS * 1000)


def _place(sample: TrafficSample) -> tuple[str, int]:
    return sample.key, _minute(sample)
