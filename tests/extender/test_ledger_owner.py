"""An extender takes the ledger of its own cluster and no other's."""

from __future__ import annotations

import traceback
from functools import partial
from itertools import islice

import pytest
from decisions import many
from scraped_prometheus import wait_until

from cluster.kube.client import connect
from cluster.kube.identity import cluster_uid
from cluster.kube.settings import KubeSettings
from energy.errors import InputError, UnavailableError
from extender.own_ledger import OwnLedger
from ledger.filters import DecisionFilter
from ledger.store import Ledger
from ledger.writer import LedgerWriter


@pytest.fixture
def client(kubeconfig):
    """Return a client of the real API server."""
    opened = connect(KubeSettings(kubeconfig=kubeconfig))
    yield opened
    opened.close()


@pytest.mark.kube
def test_a_ledger_of_another_cluster_is_refused(client, tmp_path) -> None:
    """By what every cluster has of its own."""
    with Ledger.open(f"sqlite:///{tmp_path / 'ours.sqlite'}") as ours:
        OwnLedger(ours, partial(cluster_uid, client)).claim()
        OwnLedger(ours, partial(cluster_uid, client)).claim()
        ours.claim(cluster_uid(client))

    with Ledger.open(f"sqlite:///{tmp_path / 'theirs.sqlite'}") as theirs:
        theirs.claim("another")
        with pytest.raises(InputError, match="ledger of another cluster"):
            OwnLedger(theirs, partial(cluster_uid, client)).claim()


@pytest.mark.parametrize(("owner", "written", "dropped"), [("ours", 3, 0), ("another", 0, 3)])
def test_nothing_is_written_before_it_is_known_whose_ledger_it_is(
    tmp_path, owner, written, dropped
) -> None:
    """The API server does not say at first, so an extender starts without knowing."""
    answers = [UnavailableError("away")] * 3

    def uid() -> str:
        if answers:
            raise answers.pop()
        return "ours"

    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.sqlite'}") as ledger:
        ledger.claim(owner)
        own = OwnLedger(ledger, uid)
        own.claim()
        with pytest.raises(UnavailableError):
            own.running_uids()
        with LedgerWriter(own, gather_seconds=0.01) as writer:
            for each in islice(many(), 3):
                writer.offer(each)
            wait_until(lambda: writer.pending == 0)

        assert (writer.written, writer.dropped) == (written, dropped)
        assert ledger.count(DecisionFilter()) == written


def test_a_refusal_that_is_repeated_takes_no_more_room(tmp_path) -> None:
    """Records that nobody may write are refused for as long as the extender runs."""
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.sqlite'}") as ledger:
        ledger.claim("another")
        own = OwnLedger(ledger, lambda: "ours")
        lengths = []
        for _ in range(5):
            with pytest.raises(InputError) as refused:
                own.record([])
            lengths.append(len(list(traceback.walk_tb(refused.value.__traceback__))))

    assert len(set(lengths[1:])) == 1  # the first comes from where it was found
