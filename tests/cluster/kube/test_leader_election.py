"""Candidates at a real API server: one leads, the next takes over, a paused one acts no more."""

from __future__ import annotations

import json
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
import repository
from acting_candidate import SETTINGS as QUICK
from follower import PATIENCE_SECONDS
from programs import running

from cluster.kube.client import KubeClient, connect
from cluster.kube.errors import NotFoundError
from cluster.kube.leader_election import LeaderElection, LeaseName, boot_seconds
from cluster.kube.leases import ElectionSettings
from cluster.kube.settings import KubeSettings
from simulator.sandbox.control_plane import ControlPlane

#: Nobody can wait for this lease to run out: who leads after another has been let.
LONG = ElectionSettings(lease_seconds=3600, renew_seconds=3000.0, retry_seconds=0.1)
CANDIDATE = repository.ROOT / "tests/support/acting_candidate.py"


@pytest.fixture(scope="module")
def live(kubeconfig: Path) -> Iterator[KubeClient]:
    """Return a client of the real API server."""
    settings = KubeSettings(
        kubeconfig=kubeconfig, requests_per_second_max=1000.0, requests_burst_max=1000
    )
    client = connect(settings, environment={})
    yield client
    client.close()


@pytest.fixture
def lease(control_plane: ControlPlane) -> Iterator[LeaseName]:
    """Return the name of a lease that nobody has made yet."""
    name = LeaseName(namespace="default", name=f"election-{uuid.uuid4().hex[:8]}")
    yield name
    control_plane.kubectl("delete", "lease", name.name, "--ignore-not-found")


def standing(
    client: KubeClient, lease: LeaseName, identity: str, **others: object
) -> LeaderElection:
    """Return a candidate that stands once its block is entered."""
    arguments = {"rng": Random(3), "settings": LONG, **others}
    return LeaderElection(client, lease, identity=identity, **arguments)


@contextmanager
def leads(candidate: LeaderElection) -> Iterator[LeaderElection]:
    """Enter a candidate and wait until it leads."""
    with candidate:
        assert candidate.wait_until_leading(timeout_seconds=PATIENCE_SECONDS), candidate.status()
        yield candidate


def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


def stored(plane: ControlPlane, lease: LeaseName) -> dict[str, Any]:
    """Return the lease's spec as the server has it."""
    return json.loads(plane.kubectl("get", "lease", lease.name, "--output=json"))["spec"]


def test_the_lease_goes_from_hand_to_hand(
    live: KubeClient, control_plane: ControlPlane, lease: LeaseName
) -> None:
    """The second waits while the first leads, and leads at once when that goes."""
    first, second = (standing(live, lease, name) for name in ("first", "second"))
    with leads(first), second:
        until(lambda: second.status().reason == "first holds the lease")
        assert not second.leading()
        spec = stored(control_plane, lease)
        assert (spec["holderIdentity"], spec["leaseDurationSeconds"]) == ("first", 3600)

        first.stop()
        assert second.wait_until_leading(timeout_seconds=PATIENCE_SECONDS)
        taken = stored(control_plane, lease)
        assert taken["holderIdentity"] == "second"
        assert taken["leaseTransitions"] == spec["leaseTransitions"] + 1
        assert second.status().transitions == taken["leaseTransitions"]
    assert not second.leading()
    left = stored(control_plane, lease)
    assert (left["holderIdentity"], left["leaseDurationSeconds"]) == ("", 1)


def test_a_lease_that_was_made_for_us_is_claimed_and_given_back_empty(
    live: KubeClient, control_plane: ControlPlane, lease: LeaseName
) -> None:
    """As manifests ship it, with a name and nothing else: nobody needs the right to make one."""
    empty = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": lease.name, "namespace": lease.namespace},
    }
    control_plane.kubectl("apply", "-f", "-", manifest=empty)
    with leads(standing(live, lease, "first")):
        control_plane.kubectl("apply", "-f", "-", manifest=empty)  # an upgrade
        assert stored(control_plane, lease)["holderIdentity"] == "first"
    assert stored(control_plane, lease)["holderIdentity"] == ""


def test_a_leader_goes_on_renewing_and_keeps_what_others_put_there(
    live: KubeClient, control_plane: ControlPlane, lease: LeaseName
) -> None:
    """Somebody's annotation is a write in between: it is read again, kept, and written over."""
    with leads(standing(live, lease, "only")) as only:
        first = stored(control_plane, lease)
        control_plane.kubectl("annotate", "lease", lease.name, "note=kept")
        until(lambda: stored(control_plane, lease)["renewTime"] != first["renewTime"])
        assert only.leading()
        assert only.status().failures == 0
        note = ("get", "lease", lease.name, "--output=jsonpath={.metadata.annotations.note}")
        assert control_plane.kubectl(*note) == "kept"
        assert stored(control_plane, lease)["acquireTime"] == first["acquireTime"]


def test_whose_lease_is_taken_away_stops(
    live: KubeClient, control_plane: ControlPlane, lease: LeaseName
) -> None:
    """An administrator may name another holder; the lease is then not released on the way out."""
    with leads(standing(live, lease, "ousted")) as ousted:
        patch = json.dumps({"spec": {"holderIdentity": "somebody"}})
        control_plane.kubectl("patch", "lease", lease.name, "--type=merge", f"--patch={patch}")
        until(lambda: not ousted.leading())
        until(lambda: ousted.status().reason == "somebody holds the lease")
    assert stored(control_plane, lease)["holderIdentity"] == "somebody"


def test_a_renewal_that_hangs_does_not_prolong_the_lead(live: KubeClient, lease: LeaseName) -> None:
    """By the clock alone, whatever the thread is doing."""
    ahead_seconds = [0.0]
    candidate = standing(live, lease, "hung", clock=lambda: boot_seconds() + ahead_seconds[0])
    with leads(candidate):
        assert 0.0 < candidate.leading_seconds() <= LONG.renew_seconds
        ahead_seconds[0] = LONG.renew_seconds
        assert not candidate.leading()
        until(lambda: candidate.status().reason == "hung holds the lease")


def test_who_has_been_asked_to_stop_does_not_lead(live: KubeClient, lease: LeaseName) -> None:
    """From the first moment on, and whoever waits is not kept."""
    with leads(standing(live, lease, "stopped")) as stopped:
        assert stopped.stop()
        assert not stopped.leading()
        assert not stopped.wait_until_leading(timeout_seconds=PATIENCE_SECONDS)


def test_what_is_wrong_is_told_and_tried_again(live: KubeClient) -> None:
    """A namespace that does not exist is no reason to end."""
    nowhere = LeaseName(namespace="no-such-namespace", name="lease")
    with standing(live, nowhere, "lost") as lost:
        until(lambda: lost.status().failures >= 2)
        assert isinstance(lost.status().error, NotFoundError)
        assert 'namespaces "no-such-namespace" not found' in str(lost.status().error)
        assert not lost.leading()


def test_a_leader_that_is_paused_acts_no_more_once_another_leads(
    live: KubeClient, kubeconfig: Path, lease: LeaseName, tmp_path: Path
) -> None:
    """A process is stopped in the middle, outlives its lease, and goes on: too late to act."""
    log = tmp_path / "candidate.log"
    command = [sys.executable, str(CANDIDATE), str(kubeconfig), lease.namespace, lease.name]

    def said(word: str) -> list[str]:
        lines = log.read_text(encoding="utf-8").split("\n")[:-1]
        return [line.split(" ", 1)[1] for line in lines if line.startswith(word)]

    with running(command, log) as process:
        until(lambda: said("acts"))
        process.send_signal(signal.SIGSTOP)
        with leads(standing(live, lease, "successor", settings=QUICK)):
            began_seconds = boot_seconds()
            process.send_signal(signal.SIGCONT)
            until(lambda: "successor" in said("waits"))
            assert max(map(float, said("acts"))) < began_seconds
        until(lambda: said("acts") and float(said("acts")[-1]) > began_seconds)
