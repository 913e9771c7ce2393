"""A server that falls silent, dies or comes back: nobody waits, and nothing is lost uncounted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice

import pytest
from database_fixtures import SERVERS
from database_servers import DatabaseServer
from decisions import NOON, made, many
from predictions import predicted
from record_kinds import acted, erred
from scraped_prometheus import wait_until

from energy.errors import UnavailableError
from ledger.dialect import ConnectionLostError
from ledger.filters import ActionFilter, DecisionFilter, ForecastErrorFilter, PredictionFilter
from ledger.record import PodEnd
from ledger.retention import Retention, Tidied
from ledger.store import Ledger
from ledger.writer import LOST_MAX, LedgerWriter


@pytest.fixture(params=SERVERS)
def server(request, monkeypatch) -> DatabaseServer:
    """Return a running server, one of each kind, which may be ended and started again."""
    for module in ("mariadb", "postgresql"):
        monkeypatch.setattr(f"ledger.{module}.GRACE_SECONDS", 0.2)
    return request.getfixturevalue(f"{request.param}_server")


@pytest.fixture
def ledger(server) -> Iterator[Ledger]:
    """Return an empty ledger that soon gives up."""
    with (
        server.database() as name,
        Ledger.open(server.url(name), busy_seconds=1, answer_seconds=1) as opened,
    ):
        yield opened


@contextmanager
def stopped(server: DatabaseServer) -> Iterator[None]:
    """Have no server for a while."""
    server.stop()
    try:
        yield
    finally:
        server.start()


def rows_of(ledger: Ledger) -> int:
    """Return how many decisions are in the ledger."""
    return sum(
        row.decisions for row in ledger.savings("namespace", since_seconds=0, now_seconds=2 * NOON)
    )


def test_while_the_server_hangs_the_queue_fills_and_then_drops(server, ledger) -> None:
    """Connections stay open and nothing comes back: offers go on, and later so does the writing."""
    source = many()
    with LedgerWriter(ledger, capacity=40, batch=10, gather_seconds=0.01) as writer:
        assert all(writer.offer(each) for each in islice(source, 5))
        wait_until(lambda: writer.written == 5)
        with server.frozen():
            taken = [writer.offer(each) for each in islice(source, 100)]
            wait_until(lambda: writer.failing)

            assert taken == [True] * 40 + [False] * 60
            assert (writer.written, writer.dropped, writer.pending) == (5, 60, 40)
            assert "\n" not in writer.last_error
        wait_until(lambda: writer.pending == 0)

        assert (writer.written, writer.dropped, writer.failing) == (45, 60, False)
    assert rows_of(ledger) == 45


def test_while_the_server_is_away_the_queue_fills_and_then_drops(server, ledger) -> None:
    """Killed and started again: what was committed is there, and the queue is written after it."""
    source = many()
    with LedgerWriter(ledger, capacity=40, batch=10, gather_seconds=0.01) as writer:
        assert all(writer.offer(each) for each in islice(source, 5))
        wait_until(lambda: writer.written == 5)
        with stopped(server):
            taken = [writer.offer(each) for each in islice(source, 100)]
            wait_until(lambda: writer.failing)

            assert taken == [True] * 40 + [False] * 60
        wait_until(lambda: writer.pending == 0)

        assert (writer.written, writer.dropped, writer.failing) == (45, 60, False)
    assert rows_of(ledger) == 45


def test_who_starts_while_the_server_is_away_writes_once_it_is_there(server) -> None:
    """Nothing has been made there yet: the tables come with the first records."""
    with server.database() as name:
        with stopped(server), ExitStack() as held:
            opened = held.enter_context(
                Ledger.open(server.url(name), may_be_away=True, busy_seconds=1)
            )
            with pytest.raises(UnavailableError):
                rows_of(opened)
            writer = held.enter_context(LedgerWriter(opened, gather_seconds=0.01))
            for each in islice(many(), 20):
                writer.offer(each)
            wait_until(lambda: writer.failing)
            rest = held.pop_all()
        with rest:
            wait_until(lambda: writer.pending == 0)

            assert (writer.written, writer.dropped) == (20, 0)
            assert rows_of(opened) == 20


def test_a_batch_that_is_written_twice_is_there_once(server, ledger) -> None:
    """As after a commit whose answer never came."""
    batch = list(islice(many(), 20))
    ledger.write(batch)
    with LedgerWriter(ledger) as writer:
        for each in batch:
            writer.offer(each)

    assert (writer.written, writer.dropped) == (20, 0)
    assert rows_of(ledger) == 20


def test_a_server_that_hangs_is_given_up_and_then_found_again(server, ledger) -> None:
    """Whoever reads gets a line instead of waiting for ever."""
    ledger.write([made()])
    with server.frozen(), pytest.raises(UnavailableError) as refused:
        ledger.latest("shop", "nobody")

    assert str(refused.value).startswith(f"{server.kind}://")
    assert ledger.decisions().decisions == (made(),)


def test_a_restart_between_two_questions_is_not_noticed(server, ledger) -> None:
    """A connection from before is found dead and made anew."""
    ledger.write([made()])
    with stopped(server):
        pass

    assert ledger.decisions().decisions == (made(),)
    ledger.write([made(uid="afterwards")])


@pytest.mark.mariadb
def test_a_record_too_large_for_the_server_does_not_stop_all_others(mariadb_server) -> None:
    """The server hangs up on it, every time: it is dropped, counted and named."""
    source = many()
    large = acted(detail={"text": "x" * 20_000_000})  # max_allowed_packet is 16 MiB
    with (
        mariadb_server.database() as name,
        Ledger.open(mariadb_server.url(name)) as ledger,
        LedgerWriter(ledger, batch=10, gather_seconds=0.01) as writer,
    ):
        for each in (*islice(source, 3), large, *islice(source, 20)):
            writer.offer(each)
        wait_until(lambda: writer.pending == 0)

        assert (writer.written, writer.dropped, writer.failing) == (23, 1, False)
        assert "a record was refused" in writer.last_error
        assert ledger.count(DecisionFilter()) == 23


#: As many as a minute of waiting is; ten are the same, but for the time.
ATTEMPTS = 12


class HangsUp:
    """A ledger that loses the connection on one record, and on all while it is away."""

    def __init__(self, ledger: Ledger, culprit: object) -> None:
        self.ledger, self.culprit, self.away = ledger, culprit, True

    def record(self, records) -> None:
        """Write all but the culprit."""
        if self.away or self.culprit in records:
            raise ConnectionLostError("the connection was lost")
        self.ledger.record(records)

    def serves(self) -> bool:
        """Say so."""
        return not self.away

    def tidy(self, retention: Retention, *, now_seconds: float, batch: int) -> Tidied:
        """Pass on."""
        return self.ledger.tidy(retention, now_seconds=now_seconds, batch=batch)


def test_who_is_hung_up_on_waits_while_nothing_answers_and_is_dropped_after(ledger) -> None:
    """Whether it is one record's fault shows only when others get through."""
    culprit, *others = islice(many(), 10)
    store = HangsUp(ledger, culprit)
    with LedgerWriter(store, gather_seconds=0.01) as writer:
        for each in (culprit, *others):
            writer.offer(each)
        wait_until(lambda: writer._lost > LOST_MAX)  # noqa: SLF001 - when it could go wrong
        assert (writer.written, writer.dropped, writer.pending) == (0, 0, 10)

        store.away = False
        wait_until(lambda: writer.pending == 0)
        assert (writer.written, writer.dropped, writer.failing) == (9, 1, False)


class Confused(HangsUp):
    """One whose driver, asked whether the database answers, raises what nobody foresaw."""

    def serves(self) -> bool:
        """Fail while it is away."""
        if self.away:
            raise RuntimeError("packet out of order")
        return True


class Astray(HangsUp):
    """One whose driver raises what nobody foresaw instead of a lost connection."""

    def record(self, records) -> None:
        """Fail while it is away."""
        if self.away:
            raise RuntimeError("packet out of order")
        self.ledger.record(records)


@pytest.mark.parametrize("kind", [Confused, Astray])
def test_an_error_that_nobody_foresaw_does_not_end_the_writing(tmp_path, kind) -> None:
    """It is an outage like any other, and named."""
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger:
        store = kind(ledger, None)
        with LedgerWriter(store, gather_seconds=0.01) as writer:
            writer.offer(made())
            wait_until(lambda: "packet out of order" in writer.last_error)

            store.away = False
            wait_until(lambda: writer.written == 1)
            assert (writer.dropped, writer.pending) == (0, 0)


def test_a_long_outage_loses_no_record_uncounted(server, ledger, monkeypatch) -> None:
    """However long: records of every kind are written, dropped and counted, or still wait."""
    monkeypatch.setattr("ledger.writer.PAUSE_MAX_SECONDS", 0.01)
    attempts, record = [], ledger.record

    def counted(records) -> None:
        attempts.append(len(records))
        record(records)

    monkeypatch.setattr(ledger, "record", counted)
    decisions = many()
    kinds = (
        lambda number: next(decisions),
        lambda number: predicted(predicted_at_seconds=NOON + number),
        lambda number: acted(decided_at_seconds=NOON + number),
        lambda number: erred(window_start_seconds=NOON - number),
        lambda number: PodEnd(f"uid-{number}", NOON + 1000),
    )
    offered, taken = 0, [0] * len(kinds)
    with LedgerWriter(ledger, capacity=100, batch=7, gather_seconds=0.01) as writer:

        def offer(number: int) -> None:
            nonlocal offered
            for place, make in enumerate(kinds):
                taken[place] += writer.offer(make(number))
                offered += 1

        for number in range(5):
            offer(number)
        wait_until(lambda: writer.pending == 0)
        with stopped(server):
            for number in range(5, 40):
                offer(number)
            attempts.clear()
            wait_until(lambda: len(attempts) > ATTEMPTS)
            assert writer.failing
            assert offered == writer.written + writer.dropped + writer.pending
            assert (writer.written, writer.pending) == (25, 100)
        wait_until(lambda: writer.pending == 0)

    assert (writer.written, writer.dropped) == (sum(taken), offered - sum(taken))
    filters = (DecisionFilter, PredictionFilter, ActionFilter, ForecastErrorFilter)
    assert [ledger.count(each()) for each in filters] == taken[:4]
    assert len(ledger.running_uids()) == taken[0] - taken[4]
