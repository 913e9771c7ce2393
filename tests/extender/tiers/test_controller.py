"""The controller on a real control plane: what it labels, when it leaves labels alone, and why."""

from __future__ import annotations

import errno
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from threading import Event

import pytest
from tiers_stage import TiersStage, until, write_account_kubeconfig
from typing_extensions import override

from cluster.kube.client import KubeClient, connect
from cluster.kube.leader_election import LeaderElection, LeaseName
from cluster.kube.leases import ElectionSettings
from cluster.kube.node_labels import FIELD_MANAGER
from cluster.kube.settings import KubeSettings
from cluster.scheduling.profile import ENERGY_TIER_LABEL
from extender.tiers.controller import Alone, Controller, Elected
from extender.tiers.labels import LabelChange
from extender.tiers.survey import LabelState
from simulator.sandbox.control_plane import ControlPlane

ELECTION = ElectionSettings(lease_seconds=3, renew_seconds=2.0, retry_seconds=0.2)


def client_of(kubeconfig: Path) -> KubeClient:
    """Return a client."""
    return connect(KubeSettings(kubeconfig=kubeconfig), environment={})


@pytest.fixture(scope="module")
def live(kubeconfig: Path) -> Iterator[KubeClient]:
    """Return the administrator's client."""
    client = client_of(kubeconfig)
    yield client
    client.close()


@pytest.fixture(scope="module")
def installed(control_plane: ControlPlane, live: KubeClient) -> Iterator[None]:
    """Let the API server know PowerProfiles while these tests run."""
    TiersStage(control_plane, live).install()
    yield
    control_plane.kubectl("delete", "crd", "powerprofiles.negawatt.dev")


@pytest.fixture
def stage(control_plane: ControlPlane, live: KubeClient, installed: None) -> Iterator[TiersStage]:
    """Return two cheap nodes and a dear one."""
    _ = installed
    stage = TiersStage(control_plane, live)
    stage.furnish(cheap=2, dear=1)
    yield stage
    stage.clear()


AS_COSTS_SAY = {"cheap-0": "0", "cheap-1": "0", "dear-0": "1"}


def test_nodes_are_labelled_by_cost_and_relabelled_after_a_rest(stage: TiersStage) -> None:
    """First labels come at once; a new power profile counts after ten minutes, not before."""
    told: list[LabelChange] = []
    with stage.controller(changed=told.append) as controller:
        until(lambda: stage.labels() == AS_COSTS_SAY, "no labels")
        until(lambda: len(told) == 3, "not all told")
        stage.plane.kubectl("apply", "-f", "-", manifest=stage.profile("dear", 60))
        until(
            lambda: stage.tiers(controller)["cheap-0"].state is LabelState.WAITING, "nothing waits"
        )
        assert stage.labels() == AS_COSTS_SAY
        assert controller.readiness().ready

        stage.clock.ahead_seconds = 601
        # Not 1, 1 and 0: so the dear one, which is the cheap one now, keeps its label.
        turned = {"cheap-0": "2", "cheap-1": "2", "dear-0": "1"}
        until(lambda: stage.labels() == turned, "not relabelled")
        until(lambda: len(told) == 5, "not all told")

    results = controller.figures().results
    assert (results["set"], results["changed"], results["failed"]) == (3, 2, 0)


def test_an_observer_writes_nothing_and_says_what_it_would_do(
    stage: TiersStage, caplog: pytest.LogCaptureFixture
) -> None:
    """Nodes are afterwards as they were, owners of fields included."""
    before = stage.metadata()
    with (
        caplog.at_level(logging.INFO),
        stage.controller(mode="observe") as controller,
    ):
        until(lambda: len(stage.tiers(controller)) == 3, "no look at the nodes")
        until(lambda: "3 labels would change" in caplog.text, "nothing said")

    assert {each.state for each in stage.tiers(controller).values()} == {LabelState.DUE}
    assert stage.metadata() == before
    assert not controller.figures().leads


def test_somebody_else_s_label_is_left_alone_unless_told_otherwise(stage: TiersStage) -> None:
    """A person's label may have a reason that we do not know."""
    node = f"{stage.prefix}-dear-0"
    stage.plane.kubectl("label", "node", node, f"{ENERGY_TIER_LABEL}=mine")
    with stage.controller() as controller:
        until(lambda: stage.labels() == {**AS_COSTS_SAY, "dear-0": "mine"}, "no labels")
        until(
            lambda: stage.tiers(controller)["cheap-0"].state is LabelState.RIGHT, "not looked again"
        )
        assert stage.tiers(controller)["dear-0"].state is LabelState.FOREIGN

    with stage.controller(force=True):
        until(lambda: stage.labels() == AS_COSTS_SAY, "not taken over")
    owners = [entry["manager"] for entry in stage.metadata()[node]["managedFields"]]
    assert FIELD_MANAGER in owners


def test_without_power_profiles_that_can_be_read_no_label_changes(
    stage: TiersStage, tmp_path: Path
) -> None:
    """A missing right must not look like a cluster without profiles."""
    with account(stage, "nodes: get,list,watch,patch", tmp_path=tmp_path) as client:
        before = stage.metadata()
        with stage.controller(client=client) as controller:
            until(
                lambda: "may not list powerprofiles" in str(controller.readiness().lines),
                "no word of it",
            )
            assert not controller.readiness().ready
        assert controller.figures().survey is None
        assert stage.metadata() == before


def test_a_change_that_is_refused_is_said_once_and_tried_again(
    stage: TiersStage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """In one line that says how to mend it; once it is mended the label comes."""
    rights = "nodes: get,list,watch", "powerprofiles.negawatt.dev: get,list,watch"
    with (
        account(stage, *rights, tmp_path=tmp_path) as client,
        stage.controller(client=client) as controller,
    ):
        until(lambda: controller.figures().results["failed"] == 3, "nothing was refused")
        until(lambda: states(stage, controller) == {LabelState.FAILING: 3}, "not told")
        said = [each for each in caplog.messages if "may not patch nodes" in each]
        assert len(said) == 3
        assert all("ClusterRole with the rule" in line for line in said)

        grant(stage, "nodes: patch", "more")
        stage.clock.ahead_seconds = 60
        until(lambda: stage.labels() == AS_COSTS_SAY, "not tried again")


def test_of_two_replicas_one_changes_labels_and_the_other_takes_over(
    stage: TiersStage, live: KubeClient, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A leader that cannot renew its lease changes nothing more, though it could."""
    lease = LeaseName(namespace="default", name=stage.prefix)
    own = client_of(kubeconfig)
    leader = LeaderElection(own, lease, rng=Random(2), settings=ELECTION)
    other = LeaderElection(live, lease, rng=Random(3), settings=ELECTION)
    try:
        with leader:
            until(leader.leading, "nobody leads")
            with (
                other,
                stage.controller(Elected(other)) as waits,
                stage.controller(Elected(leader)) as leads,
            ):
                until(lambda: stage.labels() == AS_COSTS_SAY, "no labels")
                assert leads.figures().leads
                assert waits.figures().results["set"] == 0
                assert "standing by: another replica leads" in waits.readiness().lines
                until(lambda: waits.readiness().ready, "no look at the nodes")

                monkeypatch.setattr(own.api, "call_api", _cut_off)
                until(other.leading, "nobody took over")
                assert not leads.figures().leads
                name = f"{stage.prefix}-dear-0"
                stage.plane.kubectl("label", "node", name, f"{ENERGY_TIER_LABEL}-")
                until(lambda: stage.labels() == AS_COSTS_SAY, "nobody took over")
                until(lambda: waits.figures().results["set"] == 1, "not counted")
                assert leads.figures().results["set"] == 3
                until(lambda: "connection reset" in str(leads.readiness().lines), "nothing said")
    finally:
        own.close()
        stage.plane.kubectl("delete", "lease", "--namespace=default", stage.prefix)


class LostAfterOne(Alone):
    """A lease that is lost as soon as the first label is changed."""

    def __init__(self) -> None:
        self.leads, self.changes = True, 0

    @override
    def leading(self) -> bool:
        return self.leads

    def changed(self, change: LabelChange) -> None:
        """Hear of a change."""
        self.changes += 1
        self.leads = self.changes > 1


def test_a_lead_that_is_lost_among_changes_ends_them_at_once(stage: TiersStage) -> None:
    """What is left to do is done when it leads again."""
    lead = LostAfterOne()
    with stage.controller(lead, changed=lead.changed) as controller:
        # The look after the changes: of three nodes two are left to label.
        due = {LabelState.RIGHT: 1, LabelState.DUE: 2}
        until(lambda: states(stage, controller) == due, "not stopped")
        assert controller.figures().results["set"] == lead.changes == 1
        until(lambda: not controller.figures().leads, "leads still")
        assert sorted(stage.labels().values(), key=str) == ["0", None, None]

        lead.leads = True
        until(lambda: stage.labels() == AS_COSTS_SAY, "not gone on")


def states(stage: TiersStage, controller: Controller) -> Counter[LabelState]:
    """Count our nodes by how it stands with their label."""
    return Counter(each.state for each in stage.tiers(controller).values())


def test_a_change_that_outlasts_the_end_keeps_the_lease(
    stage: TiersStage, control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has a change under way does not let another begin: the lease runs out by itself."""
    monkeypatch.setattr("extender.tiers.controller.STOP_SECONDS", 0.01)
    under_way, answered = Event(), Event()
    ask = stage.client.api.call_api

    def slow(*given: object, **named: object) -> object:
        if "PATCH" in given:
            under_way.set()
            answered.wait(60)
        return ask(*given, **named)

    monkeypatch.setattr(stage.client.api, "call_api", slow)
    holder = ("get", "lease", stage.prefix, "--output=jsonpath={.spec.holderIdentity}")
    lease = LeaseName(namespace="default", name=stage.prefix)
    own = client_of(control_plane.kubeconfig)
    try:
        with LeaderElection(own, lease, rng=Random(2), identity="we", settings=ELECTION) as leader:
            with stage.controller(Elected(leader)):
                until(under_way.is_set, "nothing was changed")
            assert not leader.leading()
        assert control_plane.kubectl(*holder) == "we"
    finally:
        answered.set()
        own.close()
        control_plane.kubectl("delete", "lease", "--ignore-not-found", stage.prefix)


def test_a_lease_without_a_namespace_is_said_with_what_to_do(stage: TiersStage) -> None:
    """As on a laptop, where nothing of ours is installed."""
    lease = LeaseName(namespace=stage.prefix, name="tiers")
    election = LeaderElection(stage.client, lease, rng=Random(2), settings=ELECTION)
    with election, stage.controller(Elected(election, stage.prefix)) as controller:
        until(lambda: "--no-leader-elect" in str(controller.readiness().lines), "no word of it")
        assert f"no namespace {stage.prefix}" in str(controller.readiness().lines)
    assert set(stage.labels().values()) == {None}


def _cut_off(*_: object, **__: object) -> None:
    raise ConnectionResetError(errno.ECONNRESET, "cut off")


def test_an_api_server_that_cannot_be_reached_is_said(stage: TiersStage, tmp_path: Path) -> None:
    """And nothing is concluded."""
    away = tmp_path / "kubeconfig"
    text = stage.plane.kubeconfig.read_text(encoding="utf-8")
    away.write_text(
        text.replace(str(stage.plane.ports["kubeApiserverPort"]), "1"), encoding="utf-8"
    )
    client = client_of(away)
    with stage.controller(client=client) as controller:
        until(lambda: "refused" in str(controller.readiness().lines), "no word of it")
    client.close()
    assert not controller.readiness().ready
    assert controller.figures().survey is None


@contextmanager
def account(stage: TiersStage, *rights: str, tmp_path: Path) -> Iterator[KubeClient]:
    """Return a client of a ServiceAccount with these rights alone."""
    stage.plane.kubectl("create", "serviceaccount", stage.prefix)
    for number, rule in enumerate(rights):
        grant(stage, rule, str(number))
    token = stage.plane.kubectl("create", "token", stage.prefix).strip()
    client = client_of(write_account_kubeconfig(stage.plane, token, tmp_path / "account"))
    yield client
    client.close()
    for kind in ("clusterrolebinding", "clusterrole", "serviceaccount"):
        found = stage.plane.kubectl("get", kind, "--output=name").split()
        stage.plane.kubectl("delete", *[name for name in found if stage.prefix in name])


def grant(stage: TiersStage, rule: str, name: str) -> None:
    """Give the account a right, such as `nodes: get,list`."""
    resource, _, verbs = rule.partition(": ")
    role = f"{stage.prefix}-{name}"
    stage.plane.kubectl("create", "clusterrole", role, f"--resource={resource}", f"--verb={verbs}")
    subject = f"--serviceaccount=default:{stage.prefix}"
    stage.plane.kubectl("create", "clusterrolebinding", role, f"--clusterrole={role}", subject)
