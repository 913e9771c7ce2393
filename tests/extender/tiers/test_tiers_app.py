"""The controller's HTTP: health for everybody, the rest for those who may ask."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
import repository
from asgi_caller import ELSEWHERE, ask

from cluster.kube.client import connect
from cluster.kube.node_labels import NodeLabel, NodeLabels
from cluster.kube.settings import KubeSettings
from cluster.model import Node, Resources
from energy.catalogue import Catalogue
from extender.fleet import CPU_MODEL, ProfileFinder
from extender.tiers.app import create_app
from extender.tiers.controller import Alone, Controller, TierFigures
from extender.tiers.labels import LabelLimits
from extender.tiers.metrics import exposition, process_registry
from extender.tiers.nodes import LabelledNode
from extender.tiers.relabelling import Relabelling
from extender.tiers.settings import TiersSettings
from extender.tiers.survey import HeldBack, LabelState, Survey, SurveyRules, survey
from extender.tiers.watch import ClusterWatch
from extender.tiers.wishes import TierOptions
from ledger.store import Ledger
from ledger.writer import LedgerWriter
from telemetry.serving.door import GuardedApp

TOKEN = "a-token-of-some-length"  # noqa: S105 - it opens nothing
NOW = 1000.0
FINDER = ProfileFinder(Catalogue.shipped())
RULES = SurveyRules(options=TierOptions(), limits=LabelLimits())


def node(name: str, cpu_model: str, value: str | None = None, **label: object) -> LabelledNode:
    """A node of 64 cores."""
    size = Resources(cpu_millicores=64_000, memory_bytes=2**38)
    return LabelledNode(
        node=Node(name=name, allocatable=size, labels={CPU_MODEL: cpu_model}),
        label=NodeLabel(node=name, uid=name, value=value, **label),
    )


def looked() -> Survey:
    """A look at a node in each state."""
    nodes = [
        node("right", "AMD EPYC 7742", "0", ours=True),
        node("due", "AMD EPYC 7742"),
        node("waiting", "AMD EPYC 7742", "4", ours=True, changed_at_seconds=NOW - 1),
        node("foreign", "AMD EPYC 7742", "x", foreign_owners=("kubectl",)),
        node("failing", "AMD EPYC 7742"),
        node("unknown", "a guess"),
        LabelledNode(
            node=None, label=NodeLabel(node="odd", uid="odd", value=None), doubts=("node odd: ?",)
        ),
    ]
    held = {
        name: HeldBack(until_seconds=NOW + 9, reason="refused") for name in ("failing", "right")
    }
    return survey(nodes, FINDER, RULES, now_seconds=NOW, held_back=held)


@pytest.mark.parametrize("late_seconds", [3600.0, -3600.0])
def test_what_another_replica_changed_rests_whatever_our_clock_was_at_the_start(
    late_seconds: float,
) -> None:
    """The API server's times are by the wall, and so are those that people are told."""
    changed_at = NOW + late_seconds - 30
    nodes = [
        node("rests", "AMD EPYC 7742", "4", ours=True, changed_at_seconds=changed_at),
        node("right", "AMD EPYC 7742", "0", ours=True),
    ]
    limits = LabelLimits(relabel_seconds_min=600)

    for passed_seconds, state in ((0.0, LabelState.WAITING), (570.0, LabelState.DUE)):
        found = survey(
            nodes,
            FINDER,
            SurveyRules(options=TierOptions(), limits=limits),
            now_seconds=NOW + passed_seconds,
            wall_ahead_seconds=late_seconds,
        )
        told = next(each for each in found.tiers() if each.node == "rests")
        assert told.state is state
        if state is LabelState.WAITING:
            assert found.due_seconds == NOW + 570
            assert told.waiting_until_seconds == changed_at + 600


def test_each_node_is_told_with_state_and_reason() -> None:
    """And until when it waits."""
    found = {tier.node: tier for tier in looked().tiers()}

    assert {name: tier.state for name, tier in found.items()} == {
        "right": LabelState.RIGHT,
        "due": LabelState.DUE,
        "waiting": LabelState.WAITING,
        "foreign": LabelState.FOREIGN,
        "failing": LabelState.FAILING,
        "unknown": LabelState.RIGHT,
        "odd": LabelState.UNREADABLE,
    }
    assert found["waiting"].waiting_until_seconds == NOW + 599
    assert found["failing"].waits == "refused"
    assert found["foreign"].owners == ("kubectl",)
    assert "guess" in found["unknown"].reason
    assert found["odd"].doubts == ("node odd: ?",)
    assert looked().due_seconds == NOW + 9


def test_every_series_has_a_row_of_the_page_and_a_value(tmp_path: Path) -> None:
    """What is counted adds up."""
    figures = TierFigures(mode="act", rule="fill-cost", survey=looked())
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.sqlite'}") as ledger:
        said = exposition(process_registry(), figures, LedgerWriter(ledger))
    page = (repository.ROOT / "docs/reference/tiers-metrics.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `(negawatt_\w+)`", page, re.MULTILINE))
    lines = said.decode().splitlines()

    assert named == {line.split()[2] for line in lines if line.startswith("# TYPE negawatt_")}
    assert 'negawatt_tiers_labels{state="failing"} 1' in lines
    assert 'negawatt_tiers_nodes{tier="none"} 4' in lines
    assert 'negawatt_tiers_nodes_wanted{tier="0"} 5' in lines
    assert "negawatt_tiers_leader 0" in lines


@pytest.fixture
def app(tmp_path: Path) -> Iterator[GuardedApp]:
    """A controller that was never started, of a cluster that is not there."""
    (tmp_path / "token").write_text(TOKEN)
    config = tmp_path / "kubeconfig"
    config.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
        'clusters: [{name: c, cluster: {server: "http://127.0.0.1:9"}}]\n'
        "users: [{name: u, user: {}}]\n"
        "contexts: [{name: c, context: {cluster: c, user: u}}]\n"
    )
    settings = TiersSettings(token_file=tmp_path / "token")
    client = connect(KubeSettings(kubeconfig=config), environment={})
    controller = Controller(
        settings,
        Relabelling(labels=NodeLabels(client), now=lambda: NOW, rng=Random(1)),
        lambda changed: ClusterWatch(client, changed, rng=Random(1)),
        Alone(),
    )
    yield create_app(controller, settings)
    client.close()


def test_strangers_learn_of_health_alone(app: GuardedApp) -> None:
    """With the token they learn the rest."""
    assert ask(app, "GET", "/readyz", client=ELSEWHERE).status == 503
    assert ask(app, "GET", "/tiers", client=ELSEWHERE).status == 401
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert ask(app, "GET", "/tiers", client=ELSEWHERE, headers=headers).status == 200


def test_a_page_whose_name_points_here_reads_nothing_but_health(app: GuardedApp) -> None:
    """A browser on this machine is on loopback whatever page it shows."""
    foreign = {"Host": "evil.example:10381"}

    for path in ("/tiers", "/metrics"):
        assert ask(app, "GET", path, headers=foreign).status == 403
        assert ask(app, "GET", path, headers={"Host": "127.0.0.1:10381"}).status == 200
    assert ask(app, "GET", "/readyz", headers=foreign).status == 503


def test_before_the_first_look_nothing_is_told_of_nodes(app: GuardedApp) -> None:
    """A zero would be an answer; a thread that does not run is no health."""
    said = ask(app, "GET", "/tiers").json()
    assert said["nodes"] is None
    assert said["troubles"]
    assert "negawatt_tiers_nodes{" not in ask(app, "GET", "/metrics").sent.decode()
    assert ask(app, "GET", "/healthz").status == 503
    app.draining = True
    assert ask(app, "GET", "/readyz").sent == b"shutting down\n"
