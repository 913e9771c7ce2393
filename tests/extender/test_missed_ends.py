"""The end of a pod that the ledger could not take is noted later, and no running pod is ended."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from decisions import made

from energy.errors import UnavailableError
from extender.missed_ends import MissedEnds
from ledger.store import Ledger
from ledger.writer import LedgerWriter

PATIENCE_SECONDS = 60.0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the file of a ledger that takes two pods to run."""
    found = tmp_path / "ledger.db"
    with Ledger.open(f"sqlite:///{found}") as ledger:
        ledger.write([made(uid="goes"), made(uid="stays")])
    return found


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Keep the database from being written."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


def until(holds: Callable[[], bool]) -> None:
    """Wait for the ledger's thread."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_end_that_was_dropped_is_noted_when_the_database_is_back(file: Path) -> None:
    """Until then the look is not due: the database would not take it either."""
    present = frozenset({"goes", "stays"})
    with Ledger.open(f"sqlite:///{file}", busy_seconds=0.01) as ledger:
        with LedgerWriter(ledger, capacity=1) as writer:
            ends = MissedEnds(writer, ledger.running_uids, lambda: present)
            ends.note()
            assert not ends.is_due()
            with locked(file):
                writer.offer(made(uid="waits"))
                present = frozenset({"stays", "waits"})
                assert not writer.offer_end("goes", time.time())
                assert not ends.is_due()
            until(ends.is_due)
            ends.note()
            assert not ends.is_due()
        assert ledger.running_uids() == {"stays", "waits"}


@pytest.mark.parametrize(
    ("left_running", "present"),
    [
        pytest.param(frozenset({"goes", "stays"}), None, id="the cluster is not known"),
        pytest.param(UnavailableError("away"), frozenset(), id="the ledger is not known"),
    ],
)
def test_where_either_side_is_not_known_nothing_ends_and_it_is_tried_again(
    file: Path, left_running: frozenset[str] | UnavailableError, present: frozenset[str] | None
) -> None:
    """A cluster that is not followed looks empty."""

    def asked() -> frozenset[str]:
        if isinstance(left_running, UnavailableError):
            raise left_running
        return left_running

    with Ledger.open(f"sqlite:///{file}") as ledger:
        with LedgerWriter(ledger) as writer:
            ends = MissedEnds(writer, asked, lambda: present)
            ends.note()
            assert ends.is_due()
        assert ledger.running_uids() == {"goes", "stays"}


def test_why_ends_are_not_known_is_said_once_and_again_when_it_comes_back(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is asked each minute, for as long as the ledger is away."""
    answers = [UnavailableError("away")] * 3 + [None] + [UnavailableError("away")] * 2

    def asked() -> frozenset[str]:
        if (answer := answers.pop(0)) is not None:
            raise answer
        return frozenset()

    with Ledger.open(f"sqlite:///{file}") as ledger, LedgerWriter(ledger) as writer:
        ends = MissedEnds(writer, asked, frozenset)
        for _ in range(len(answers)):
            ends.note()

    said = "pods that ended meanwhile are not known: away"
    assert [line for line in caplog.messages if line == said] == [said] * 2


def test_a_pod_that_is_seen_a_moment_later_is_not_ended(file: Path) -> None:
    """Another replica may have seen it bound, and written it down, before us."""
    seen = {"goes"}
    with Ledger.open(f"sqlite:///{file}") as ledger:
        with LedgerWriter(ledger) as writer:
            ends = MissedEnds(writer, ledger.running_uids, lambda: frozenset(seen))
            ends.note(wait=lambda: seen.add("stays"))
        assert ledger.running_uids() == {"goes", "stays"}


def test_a_ledger_that_always_has_something_to_write_notes_ends_too(file: Path) -> None:
    """On a busy cluster a record always waits; what waited when the end got lost is enough."""
    present = {"goes", "stays"}
    with Ledger.open(f"sqlite:///{file}", busy_seconds=0.01) as ledger:
        with LedgerWriter(ledger, capacity=1) as writer:
            ends = MissedEnds(writer, ledger.running_uids, lambda: frozenset(present))
            ends.note()
            with locked(file):
                writer.offer(made(uid="waits"))
                present = {"stays", "waits", "another"}
                assert not writer.offer_end("goes", time.time())
                assert not ends.is_due()
            until(lambda: not writer.pending)
            with locked(file):
                writer.offer(made(uid="another"))
                assert writer.pending
                assert ends.is_due()
                ends.note()
                assert writer.dropped == 2, "there was no room again"
                assert not ends.is_due()
            until(ends.is_due)
            ends.note()
        assert "goes" not in ledger.running_uids()
