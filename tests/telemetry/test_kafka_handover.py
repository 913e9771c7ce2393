"""What becomes of a rebalance that comes while a consumer is closed."""

from __future__ import annotations

from contextlib import suppress
from threading import Event, Thread
from types import SimpleNamespace

from telemetry.kafka import handover
from telemetry.kafka.handover import Change, Handover, Rebalances


def test_a_rebalance_that_comes_with_the_close_is_answered(monkeypatch):
    """Else the group would wait for it until it gives us up."""
    rebalances = Rebalances()
    answered = []
    closed = Handover(rebalances, answered.append, lambda: None)
    closing = Thread(target=closed.close)
    put = rebalances.inbox.put

    class Inbox:
        """Is slow enough for a close to come in between."""

        empty, get = rebalances.inbox.empty, rebalances.inbox.get

        def put(self, request):
            closing.start()
            closing.join(0.1)
            put(request)

    monkeypatch.setattr(rebalances, "inbox", Inbox())
    coming = rebalances.on_partitions_revoked([SimpleNamespace(partition=3)])
    with suppress(StopIteration):
        coming.send(None)
    closing.join()
    coming.close()

    assert [(each.change, each.partitions) for each in answered] == [(Change.REVOKED, {3})]
    assert answered[0].done.is_done


def test_a_poll_that_never_ends_holds_no_close_up(monkeypatch):
    """Its thread is a daemon's."""
    monkeypatch.setattr(handover, "CLOSE_SECONDS_MAX", 0.05)
    never = Event()
    polling = Handover(Rebalances(), lambda _request: None, lambda: None)
    assert polling.poll(never.wait, 0.01) is None

    polling.close()

    assert polling.is_polling
    never.set()
