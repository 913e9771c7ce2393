"""Whatever the database does, nobody waits for it, and every record is written or counted."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path

import pytest
from decisions import NOON, made, many

from energy.errors import UnavailableError
from ledger.filters import DecisionFilter
from ledger.retention import Retention, Tidied
from ledger.store import Ledger
from ledger.writer import LedgerWriter

PATIENCE_SECONDS = 60
FORTY = Retention(rows_max=40)


def wait_until(condition: Callable[[], bool]) -> None:
    """Return when the condition holds; fail after a time that only a hang takes."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited a minute"
        time.sleep(0.01)


def rows_of(ledger: Ledger) -> int:
    """Return how many decisions are in the ledger."""
    return ledger.count(DecisionFilter())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where the SQLite ledger lies."""
    return tmp_path / "ledger.db"


@pytest.fixture
def impatient(file: Path) -> Iterator[Ledger]:
    """Return a ledger that waits a moment for locks, so that tests do not."""
    with Ledger.open(f"sqlite:///{file}", busy_seconds=0.05) as opened:
        yield opened


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Keep every other connection from writing."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


def test_what_is_offered_is_written_by_the_end(ledger) -> None:
    """Leaving the with-block writes what still waits; ends of pods too."""
    with LedgerWriter(ledger, batch=7, gather_seconds=30) as writer:
        assert all(writer.offer(decision) for decision in islice(many(), 50))
        assert writer.offer_end("uid-3", NOON + 60)

    assert (writer.written, writer.dropped, writer.pending) == (51, 0, 0)
    assert (writer.failing, writer.last_error) == (False, "")
    assert rows_of(ledger) == 50
    assert ledger.latest("shop", "pod-3") == made(
        pod="pod-3", uid="uid-3", decided_at_seconds=NOON + 3, ended_at_seconds=NOON + 60
    )


def test_few_records_do_not_wait_for_a_full_batch(ledger) -> None:
    """A quiet cluster's decision can be read while the writer runs on."""
    with LedgerWriter(ledger, gather_seconds=0.01) as writer:
        writer.offer(made())
        wait_until(lambda: writer.written == 1)

        assert ledger.latest("shop", "web-7d9f-abcde") == made()


def test_while_the_database_is_locked_the_queue_fills_and_then_drops(file, impatient) -> None:
    """Nothing is lost but what found no room, and that is counted."""
    with LedgerWriter(impatient, capacity=40, batch=10, gather_seconds=0.01) as writer:
        with locked(file):
            taken = [writer.offer(decision) for decision in islice(many(), 100)]
            wait_until(lambda: writer.failing)

            assert taken == [True] * 40 + [False] * 60
            assert (writer.written, writer.dropped, writer.pending) == (0, 60, 40)
            assert "locked" in writer.last_error
            assert "\n" not in writer.last_error
        wait_until(lambda: writer.pending == 0)

        assert (writer.written, writer.dropped, writer.failing) == (40, 60, False)
    assert rows_of(impatient) == 40


def test_leaving_while_the_database_is_locked_counts_what_is_left(file, impatient) -> None:
    """The process ends in time, with an honest count."""
    with (
        locked(file),
        LedgerWriter(impatient, gather_seconds=0.01, flush_seconds=0.1) as writer,
    ):
        for decision in islice(many(), 30):
            writer.offer(decision)

    assert (writer.written, writer.dropped, writer.pending) == (0, 30, 0)
    assert rows_of(impatient) == 0


def test_nothing_is_taken_before_or_after_the_block(ledger) -> None:
    """What nobody would write is counted at once."""
    writer = LedgerWriter(ledger)
    assert not writer.offer(made())
    with writer:
        pass
    assert not writer.offer(made())
    assert not writer.offer_end("0", NOON)

    assert (writer.written, writer.dropped, writer.pending) == (0, 3, 0)


@pytest.mark.parametrize("bad", [None, object(), {"uid": "a"}])
def test_a_record_that_is_none_is_dropped_alone(ledger, bad) -> None:
    """One slip of a caller does not stop all others' records for ever."""
    source = many()
    with LedgerWriter(ledger, gather_seconds=30) as writer:
        for decision in islice(source, 5):
            writer.offer(decision)
        writer.offer(bad)
        writer.offer_end("uid-1", float("nan"))
        for decision in islice(source, 5):
            writer.offer(decision)

    assert (writer.written, writer.dropped) == (10, 2)
    assert "refused" in writer.last_error
    assert rows_of(ledger) == 10


def test_many_threads_offer_and_nothing_is_miscounted(ledger) -> None:
    """The counts add up although the queue is too short for what comes."""
    each, threads = 400, 4

    def offer(writer: LedgerWriter, name: str) -> None:
        for row in range(each):
            writer.offer(made(uid=f"{name}-{row}"))

    with LedgerWriter(ledger, capacity=100, batch=20, gather_seconds=0.01) as writer:
        started = [
            threading.Thread(target=offer, args=(writer, f"{name}")) for name in range(threads)
        ]
        for thread in started:
            thread.start()
        for thread in started:
            thread.join()

    assert writer.written + writer.dropped == each * threads
    assert writer.pending == 0
    assert rows_of(ledger) == writer.written


def test_a_ledger_that_is_full_forgets_its_oldest(ledger, monkeypatch) -> None:
    """Bounded while it is written, and brought to its bound where it was larger; all is counted."""
    monkeypatch.setattr("ledger.writer.ROWS_COUNTED_EVERY", 10)
    monkeypatch.setattr("ledger.writer.TIDIED_AT_ONCE", 15)
    source = many()
    ledger.write(islice(source, 100))
    keep = {"retention": FORTY, "now": lambda: NOON + 200}
    with LedgerWriter(ledger, batch=5, gather_seconds=0.01, **keep) as writer:
        for decision in islice(source, 100):
            writer.offer(decision)
        wait_until(lambda: writer.written == 100)

    assert (writer.dropped, writer.failing) == (0, False)
    assert rows_of(ledger) == 200 - writer.forgotten
    assert 40 <= rows_of(ledger) < 40 + 10 + 5
    left = {int(uid.removeprefix("uid-")) for uid in ledger.running_uids()}
    assert left == set(range(200 - rows_of(ledger), 200))


class Unforgetting:
    """A ledger that takes records and deletes none."""

    def __init__(self, ledger: Ledger) -> None:
        self.record, self.serves = ledger.record, ledger.serves

    def tidy(self, retention: Retention, *, now_seconds: float, batch: int) -> Tidied:
        """Refuse."""
        raise RuntimeError(f"neither {batch} nor down to {retention.rows_max}")


def test_where_nothing_can_be_forgotten_all_is_still_written(ledger, monkeypatch) -> None:
    """What keeps the ledger small must not end it."""
    monkeypatch.setattr("ledger.writer.ROWS_COUNTED_EVERY", 10)
    store = Unforgetting(ledger)
    with LedgerWriter(store, retention=FORTY, batch=5, gather_seconds=0.01) as writer:
        for decision in islice(many(), 50):
            writer.offer(decision)
        wait_until(lambda: writer.last_error != "" and writer.written == 50)

    assert (writer.written, writer.dropped, writer.forgotten) == (50, 0, 0)
    assert "old records stay: neither 1000 nor down to 40" in writer.last_error
    assert rows_of(ledger) == 50


class Untidy:
    """A ledger that takes records and does not serve who would tidy it."""

    def __init__(self, ledger: Ledger) -> None:
        self.record, self.serves = ledger.record, ledger.serves
        self.asked = 0

    def tidy(self, retention: Retention, *, now_seconds: float, batch: int) -> Tidied:
        """Refuse for now."""
        self.asked += 1
        raise UnavailableError(f"locked at {now_seconds} for {batch} of {retention.rows_max}")


def test_a_tidying_that_fails_holds_nothing_up(ledger, monkeypatch) -> None:
    """It rests by itself; the batches follow each other, and writing does not count as failing."""
    monkeypatch.setattr("ledger.writer.ROWS_COUNTED_EVERY", 10)
    monkeypatch.setattr("ledger.writer.UNTIDY_SECONDS", PATIENCE_SECONDS, raising=False)
    monkeypatch.setattr("ledger.writer.PAUSE_MIN_SECONDS", PATIENCE_SECONDS)
    store = Untidy(ledger)
    with LedgerWriter(store, retention=FORTY, batch=5, gather_seconds=0.01) as writer:
        for decision in islice(many(), 50):
            writer.offer(decision)
        wait_until(lambda: writer.written == 50)

        assert store.asked == 1
        assert "old records stay: locked" in writer.last_error
        assert not writer.failing


class Announced:
    """A ledger that says when an attempt begins."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.asked = ledger, threading.Event()
        self.serves = ledger.serves

    def record(self, records) -> None:
        """Say so, and write."""
        self.asked.set()
        self.ledger.record(records)


def test_an_attempt_that_hangs_does_not_keep_the_process(file, monkeypatch) -> None:
    """Leaving takes the stated time; what hangs counts as dropped, whatever becomes of it."""
    monkeypatch.setattr("ledger.writer.ATTEMPT_MAX_SECONDS", 0.1)
    with Ledger.open(f"sqlite:///{file}", busy_seconds=PATIENCE_SECONDS) as patient:
        store = Announced(patient)
        with locked(file):
            with LedgerWriter(store, gather_seconds=0.01, flush_seconds=0) as writer:
                writer.offer(made())
                assert store.asked.wait(PATIENCE_SECONDS)

            assert (writer.written, writer.dropped, writer.pending) == (0, 1, 0)
            assert "did not end" in writer.last_error
        wait_until(lambda: rows_of(patient) == 1)
        wait_until(lambda: not any(each.name == "ledger" for each in threading.enumerate()))

        assert (writer.written, writer.dropped, writer.pending) == (0, 1, 0)


WRITES_FOR_EVER = """
import sys, time
from decisions import many
from ledger.filters import DecisionFilter
from ledger.retention import Retention, Tidied
from ledger.store import Ledger
from ledger.writer import LedgerWriter

with Ledger.open(sys.argv[1]) as ledger, LedgerWriter(ledger, batch=100) as writer:
    for decision in many():
        while not writer.offer(decision):
            time.sleep(0.01)
"""


@pytest.mark.parametrize("killed_at_rows", [1, 2500])
def test_a_process_killed_while_it_writes_leaves_whole_batches(file, killed_at_rows) -> None:
    """The next one opens the file, finds no half of a batch, and goes on writing."""
    url = f"sqlite:///{file}"
    with Ledger.open(url) as ledger:
        support = str(Path(__file__).parents[1] / "support")
        process = subprocess.Popen(
            [sys.executable, "-c", WRITES_FOR_EVER, url],
            env={**os.environ, "PYTHONPATH": support},
        )
        try:
            wait_until(lambda: process.poll() is not None or rows_of(ledger) >= killed_at_rows)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()

    with Ledger.open(url, create=False) as again:
        rows = rows_of(again)
        assert rows >= killed_at_rows
        numbers = {int(uid.removeprefix("uid-")) for uid in again.running_uids()}
        assert numbers == set(range(rows))
        again.write([made(uid="afterwards")])
        assert rows_of(again) == rows + 1
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
