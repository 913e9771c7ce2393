"""An extender takes the ledger of its own cluster and no other's."""

from __future__ import annotations

import pytest

from cluster.kube.client import connect
from cluster.kube.identity import cluster_uid
from cluster.kube.settings import KubeSettings
from energy.errors import InputError
from extender.__main__ import claim_ledger
from ledger.store import Ledger


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
        claim_ledger(ours, client)
        claim_ledger(ours, client)
        ours.claim(cluster_uid(client))

    with Ledger.open(f"sqlite:///{tmp_path / 'theirs.sqlite'}") as theirs:
        theirs.claim("another")
        with pytest.raises(InputError, match="ledger of another cluster"):
            claim_ledger(theirs, client)
