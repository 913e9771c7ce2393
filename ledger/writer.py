"""One thread between those who decide and the database, so that no decision waits for it.

`offer` puts a record into a bounded queue and returns; the thread writes what lies there, in
batches, each in one transaction. While the database does not serve, the batch is tried again with
growing pauses and the queue fills; what then finds no room is dropped and counted. A record that
the database refuses while it takes others is dropped alone, and so is one on which the database
hangs up again and again although it answers otherwise. When nothing is on the move,

    offered = written + dropped + pending

The thread also keeps the ledger tidy (`Ledger.tidy`): every so many records, and every ten minutes,
it has pods that ended summed and what is too old or too many deleted, a round of that for a batch
of records, so that neither holds the other up. Where that fails it is tried again later, with
growing pauses of its own, and writing goes on.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Protocol, Self

from energy.errors import UnavailableError
from ledger.dialect import ConnectionLostError
from ledger.record import PodEnd, Record
from ledger.retention import Retention, Tidied

_log = logging.getLogger(__name__)

#: How long a record waits at most for company; a full batch does not wait.
GATHER_SECONDS: Final = 0.2
PAUSE_MIN_SECONDS: Final = 0.1
PAUSE_MAX_SECONDS: Final = 5.0
#: How much longer than `flush_seconds` leaving waits for an attempt that has begun.
ATTEMPT_MAX_SECONDS: Final = 10.0
LINE_MAX: Final = 300
#: How often a batch may lose its connection before its records are written one by one.
LOST_MAX: Final = 3
#: How many records are written between two looks at how many rows there are, or a hundredth of the
#: rows that may be there if that is more: to count them takes time.
ROWS_COUNTED_EVERY: Final = 2000
ROWS_COUNTED_PARTS: Final = 100
TIDIED_EVERY_SECONDS: Final = 600.0
TIDIED_AT_ONCE: Final = 1000
#: How long tidying rests when it failed, at first.
UNTIDY_SECONDS: Final = 1.0


class Store(Protocol):
    """What the writer asks of a ledger."""

    def record(self, records: Sequence[Record]) -> None:
        """Write all or nothing; `UnavailableError` means that it may work later."""

    def serves(self) -> bool:
        """Whether the database answers on a connection that works."""

    def tidy(self, retention: Retention, *, now_seconds: float, batch: int) -> Tidied:
        """Sum and delete up to `batch` rows of each kind, and say what was done."""


class LedgerWriter:
    """A bounded queue with the one thread that empties it into a ledger.

    A context manager. On leaving it goes on writing for up to `flush_seconds`, and lets an attempt
    that has begun finish (on a locked database that takes as long as the ledger waits for locks);
    what is left then counts as dropped, also what an attempt that has not finished may still write.
    It does not close the ledger.

    With a `retention` the ledger is kept tidy. It holds up to `ROWS_COUNTED_EVERY` rows more than
    `rows_max` says, or up to a hundredth more.
    """

    def __init__(  # noqa: PLR0913 - all but the ledger have defaults
        self,
        ledger: Store,
        *,
        retention: Retention | None = None,
        capacity: int = 10_000,
        batch: int = 500,
        gather_seconds: float = GATHER_SECONDS,
        flush_seconds: float = 5.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Nothing starts before the with-block. `capacity` and `batch` count records.

        `now` gives Unix seconds.
        """
        self._ledger = ledger
        self._turns = None if retention is None else _Turns(retention)
        self._now = now
        self._capacity, self._batch = capacity, batch
        self._gather_seconds = gather_seconds
        self._flush_seconds = flush_seconds
        self._waiting: deque[Record] = deque()
        self._open = False
        self._wake, self._closing = threading.Event(), threading.Event()
        self._deadline = float("inf")
        self._counting = threading.Lock()
        self._written = self._dropped = self._forgotten = 0
        self._failing, self._last_error = False, ""
        self._lost = 0
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)

    def __enter__(self) -> Self:
        self._open = True
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open = False
        self._deadline = time.monotonic() + self._flush_seconds
        self._closing.set()
        self._wake.set()
        self._thread.join(self._flush_seconds + ATTEMPT_MAX_SECONDS)
        if self._thread.is_alive():
            self._note_failure("an attempt to write did not end")
        with self._counting:
            self._dropped += len(self._waiting)
            self._waiting.clear()

    @property
    def written(self) -> int:
        """Records that the database has (a decision that it had before counts too)."""
        return self._written

    @property
    def dropped(self) -> int:
        """Records that found no room, that the database refused, or that were left at the end."""
        return self._dropped

    @property
    def forgotten(self) -> int:
        """Decisions that were deleted because they were too old or too many."""
        return self._forgotten

    @property
    def pending(self) -> int:
        """Records that wait or are being written."""
        return len(self._waiting)

    @property
    def failing(self) -> bool:
        """Whether the last attempt to write failed."""
        return self._failing

    @property
    def last_error(self) -> str:
        """Why the last attempt that failed did, in one line; "" where none ever did."""
        return self._last_error

    def offer(self, record: Record) -> bool:
        """Take a record if there is room; never waits and never raises."""
        return self._take(record)

    def offer_end(self, uid: str, ended_at_seconds: float) -> bool:
        """Take the end of a pod (Unix seconds) if there is room; never waits and never raises."""
        return self._take(PodEnd(uid, ended_at_seconds))

    def _take(self, record: Record) -> bool:
        waiting = self._waiting
        # Two threads may both find the last place: the queue is a record longer then, no harm.
        if len(waiting) >= self._capacity or not self._open:
            with self._counting:
                self._dropped += 1
            return False
        waiting.append(record)
        if len(waiting) >= self._batch and not self._wake.is_set():
            self._wake.set()
        return True

    def _settle_first(self, *, written: int = 0, dropped: int = 0) -> None:
        """Take the first records out of the queue and count what became of them."""
        with self._counting:
            if not self._waiting:  # the with-block was left meanwhile, and all counted as dropped
                return
            # First: whoever sees that nothing waits is to find all of it counted.
            self._written += written
            self._dropped += dropped
            for _ in range(written + dropped):
                self._waiting.popleft()

    def _run(self) -> None:
        pause_seconds = PAUSE_MIN_SECONDS
        while not self._is_over():
            self._wake.wait(self._gather_seconds)
            self._wake.clear()
            try:
                while self._waiting and not self._is_over():
                    self._write_batch()
                    self._tidy()
                    pause_seconds = PAUSE_MIN_SECONDS
                self._tidy()
            except Exception as error:  # noqa: BLE001 - a thread that ended would write no more
                self._note_failure(str(error) or type(error).__name__)
                self._pause(pause_seconds)
                pause_seconds = min(2 * pause_seconds, PAUSE_MAX_SECONDS)

    def _is_over(self) -> bool:
        if not self._closing.is_set():
            return False
        return not self._waiting or time.monotonic() >= self._deadline

    def _pause(self, seconds: float) -> None:
        """Wait for the next attempt; the end of the with-block shortens the pause."""
        if not self._closing.wait(seconds):
            return
        left_seconds = self._deadline - time.monotonic()
        time.sleep(max(0.0, min(PAUSE_MIN_SECONDS, left_seconds)))

    def _write_batch(self) -> None:
        """Write the first records; they leave the queue only when the database has them."""
        with self._counting:
            count = min(self._batch, len(self._waiting))
            records = [self._waiting[place] for place in range(count)]
        try:
            self._store(records)
        except ConnectionLostError:
            self._lost += 1
            if self._lost < LOST_MAX or not self._ledger.serves():
                raise
            self._write_one_by_one(records)
        except UnavailableError:
            raise
        except Exception:  # whatever it is, one record must not stop all others
            if not self._ledger.serves():
                raise
            self._write_one_by_one(records)
        else:
            self._settle_first(written=count)
            self._note_success()

    def _write_one_by_one(self, records: list[Record]) -> None:
        for record in records:
            try:
                self._store_twice(record)
            except UnavailableError:
                raise
            except Exception as error:
                if not self._ledger.serves():
                    raise
                self._settle_first(dropped=1)
                self._note_failure(f"a record was refused: {error}")
            else:
                self._settle_first(written=1)
                self._note_success()

    def _store_twice(self, record: Record) -> None:
        """Write one record; raise `_HungUpError` where it costs the connection both times."""
        try:
            self._store([record])
        except ConnectionLostError:
            try:
                self._store([record])
            except ConnectionLostError as error:
                if self._ledger.serves():
                    raise _HungUpError(f"{error}") from error
                raise

    def _tidy(self) -> None:
        turns = self._turns
        if turns is None or self._closing.is_set() or not turns.is_due():
            return
        try:
            done = self._ledger.tidy(turns.retention, now_seconds=self._now(), batch=TIDIED_AT_ONCE)
        except Exception as error:  # noqa: BLE001 - a ledger that grows is better than none
            self._note_untidy(f"old records stay: {error}")
            turns.put_off()
            return
        self._forgotten += done.decisions
        turns.went_well(more=done.more)

    def _store(self, records: list[Record]) -> None:
        if self._turns is not None:
            self._turns.written += len(records)
        self._ledger.record(records)

    def _note_untidy(self, line: str) -> None:
        self._last_error = _one_line(line)
        _log.warning("the ledger is not kept tidy: %s", self._last_error)

    def _note_failure(self, line: str) -> None:
        self._last_error = _one_line(line)
        if not self._failing:
            _log.warning("the ledger is not written: %s", self._last_error)
        self._failing = True

    def _note_success(self) -> None:
        if self._failing:
            _log.info("the ledger is written again; %d records were dropped so far", self._dropped)
        self._failing = False
        self._lost = 0


def _one_line(text: str) -> str:
    return " ".join(text.split())[:LINE_MAX]


class _HungUpError(Exception):
    """A database that serves closes the connection on one record: too large for it, most likely."""


class _Turns:
    """When it is time to tidy."""

    def __init__(self, retention: Retention) -> None:
        self.retention = retention
        rows_max = retention.rows_max or 0
        self._written_max = max(ROWS_COUNTED_EVERY, rows_max // ROWS_COUNTED_PARTS)
        # At once: the database may be of another time, with other bounds.
        self.written = self._written_max
        self._next_seconds = self._not_before_seconds = 0.0
        self._rest_seconds = UNTIDY_SECONDS

    def is_due(self) -> bool:
        """Whether enough was written, or time has passed; not soon after it failed."""
        now = time.monotonic()
        if now < self._not_before_seconds:
            return False
        return self.written >= self._written_max or now >= self._next_seconds

    def put_off(self) -> None:
        """Rest: for longer each time."""
        self._not_before_seconds = time.monotonic() + self._rest_seconds
        self._rest_seconds = min(2 * self._rest_seconds, TIDIED_EVERY_SECONDS)

    def went_well(self, *, more: bool) -> None:
        """Begin to count anew, unless there is more to do."""
        self._rest_seconds = UNTIDY_SECONDS
        if not more:
            self.written = 0
            self._next_seconds = time.monotonic() + TIDIED_EVERY_SECONDS
