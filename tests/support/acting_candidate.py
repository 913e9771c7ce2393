"""A candidate for leadership as a process of its own, which a test can pause.

    python acting_candidate.py KUBECONFIG NAMESPACE NAME

It prints, line by line, `acts TIME` whenever it finds itself leading (by the clock that decides
elections) and `waits HOLDER` otherwise, until it is ended.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from random import Random

from cluster.kube.client import connect
from cluster.kube.leader_election import LeaderElection, LeaseName, boot_seconds
from cluster.kube.leases import ElectionSettings
from cluster.kube.settings import KubeSettings

SETTINGS = ElectionSettings(lease_seconds=2, renew_seconds=1.2, retry_seconds=0.2)
STEP_SECONDS = 0.05


def main(kubeconfig: str, namespace: str, name: str) -> None:
    """Stand for election and act for ever."""
    client = connect(KubeSettings(kubeconfig=Path(kubeconfig)), environment={})
    lease = LeaseName(namespace=namespace, name=name)
    with LeaderElection(client, lease, rng=Random(1), settings=SETTINGS) as election:
        while True:
            now_seconds = boot_seconds()
            if election.leading():
                said = f"acts {now_seconds:.6f}"
            else:
                said = f"waits {election.status().holder}"
            sys.stdout.write(said + "\n")
            sys.stdout.flush()
            time.sleep(STEP_SECONDS)


if __name__ == "__main__":
    main(*sys.argv[1:])
