"""`negawatt extender tiers`: what would change, what was taken away, which profile reads it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from command_line import Done, negawatt
from tiers_stage import KIND, TiersStage

from cluster.kube.client import KubeClient, connect
from cluster.kube.node_labels import NodeLabels
from cluster.kube.settings import KubeSettings
from cluster.scheduling.profile import ENERGY_TIER_LABEL
from console.tier_plan import Planned, checked_by_server
from extender.tiers.labels import LabelPlan
from extender.tiers.settings import TiersSettings
from extender.tiers.survey import Survey
from simulator.sandbox.control_plane import ControlPlane
from telemetry.serving.given_settings import flag


def tiers(*arguments: object) -> Done:
    """Run a command."""
    return negawatt("extender", "tiers", *arguments)


@pytest.fixture(scope="module")
def live(kubeconfig: Path) -> Iterator[KubeClient]:
    """Return the administrator's client."""
    client = connect(KubeSettings(kubeconfig=kubeconfig), environment={})
    yield client
    client.close()


@pytest.fixture
def stage(control_plane: ControlPlane, live: KubeClient) -> Iterator[TiersStage]:
    """Return two cheap nodes, a dear one, and one that nobody knows; profiles are in a file."""
    stage = TiersStage(control_plane, live)
    stage.furnish(profiles=False, cheap=2, dear=1, unknown=1)
    yield stage
    stage.clear()


@pytest.fixture
def profiles(stage: TiersStage, tmp_path: Path) -> Path:
    """Return the file of power profiles."""
    documents = [stage.profile("cheap", 100), stage.profile("dear", 400)]
    path = tmp_path / "profiles.yaml"
    path.write_text(yaml.safe_dump_all(documents), encoding="utf-8")
    return path


def test_a_plan_is_a_table_of_nodes_alike(stage: TiersStage, profiles: Path) -> None:
    """With the sums, and the label that would do as well; the API server checks it unsaved."""
    before = stage.metadata()
    reads = ("--kubeconfig", stage.plane.kubeconfig, "--power-profiles", profiles)
    done = tiers("plan", *reads, "--server-dry-run")

    assert done.returncode == 0, done.stderr
    rows = [" ".join(line.split()) for line in done.stdout.splitlines()]
    name = stage.prefix
    assert f"{name}-cheap-0, {name}-cheap-1 {name}-cheap 5.18 - 0 set" in rows
    assert f"{name}-dear-0 {name}-dear 36.29 - 1 set" in rows
    assert "labels of 4 nodes: set 3, no label 1" in rows
    assert f"label {KIND} says the same: without a controller," in rows
    assert "the API server would accept every change (dry run)" in rows
    assert stage.metadata() == before


def test_a_dry_run_of_no_change_asks_nobody_and_shows_no_bar(tmp_path: Path) -> None:
    """There is no such kubeconfig: who asked the API server would learn of it."""
    plan = Survey(wanted={}, plan=LabelPlan(), held_back={})
    found = Planned(rule="envelope", survey=plan, telling=(), doubts=())

    assert checked_by_server(found, TiersSettings(kubeconfig=tmp_path / "none")) == {}


def test_a_plan_is_json_for_programs(stage: TiersStage, profiles: Path) -> None:
    """A node each, as GET /tiers has it."""
    reads = ("--kubeconfig", stage.plane.kubeconfig, "--power-profiles", profiles)
    document = json.loads(tiers("plan", *reads, "--output", "json").stdout)

    found = {each["node"].removeprefix(f"{stage.prefix}-"): each for each in document["nodes"]}
    assert {name: each["wanted"] for name, each in found.items()} == {
        "cheap-0": 0,
        "cheap-1": 0,
        "dear-0": 1,
        "unknown-0": None,
    }
    assert found["dear-0"]["state"] == "due"
    assert "guess" in found["unknown-0"]["reason"]
    values = {"0": [f"{stage.prefix}-cheap"], "1": [f"{stage.prefix}-dear"]}
    assert document["telling_labels"] == [{"key": KIND, "values_of_tier": values}]


def test_a_profile_reads_a_label_that_nodes_have_anyway(stage: TiersStage, profiles: Path) -> None:
    """Its values in place of the tiers, weighed alike."""
    reads = ("--kubeconfig", stage.plane.kubeconfig, "--power-profiles", profiles)
    done = tiers("profile", *reads, "--by-label", KIND)

    assert done.returncode == 0, done.stderr
    (found,) = yaml.safe_load(done.stdout)["profiles"]
    (affinity,) = (each for each in found["pluginConfig"] if each["name"] == "NodeAffinity")
    terms = affinity["args"]["addedAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert [
        (term["weight"], *term["preference"]["matchExpressions"][0].values()) for term in terms
    ] == [
        (40, KIND, "In", [f"{stage.prefix}-cheap"]),
        (36, KIND, "In", [f"{stage.prefix}-dear"]),
    ]
    refused = tiers("profile", *reads, "--by-label", "type")
    assert refused.returncode == 2
    assert f"label type does not tell the tiers of these nodes apart; use {KIND}" in refused.stderr


def test_removing_leaves_nodes_as_they_were(stage: TiersStage, live: KubeClient) -> None:
    """Labels and owners of fields; another's label stays unless it is asked for by name."""
    labels = NodeLabels(live)
    before = stage.metadata()
    reach = ("--kubeconfig", stage.plane.kubeconfig)
    for name in sorted(before)[:2]:
        labels.set(name, 3)
    foreign = sorted(before)[2]
    stage.plane.kubectl("label", "node", foreign, f"{ENERGY_TIER_LABEL}=5")

    shown = tiers("remove", *reach)
    assert shown.returncode == 0, shown.stderr
    assert "tier labels would be removed from 2 of 4 nodes" in shown.stdout
    assert sum(label.value is not None for label in labels.read_all()) == 3
    assert "nothing was removed; --yes does that" in shown.stdout
    refused = tiers("remove", *reach, "--yes", "--dry-run")
    assert (refused.returncode, refused.stdout) == (2, "")

    done = tiers("remove", *reach, "--yes")
    assert done.returncode == 0, done.stderr
    assert f"kept: node {foreign}, tier 5, set by kubectl-label; see --all" in done.stdout
    after = stage.metadata()
    assert {name: after[name] for name in after if name != foreign} == {
        name: before[name] for name in before if name != foreign
    }

    done = tiers("remove", *reach, "--yes", "--all", "--output", "json")
    assert json.loads(done.stdout)["removed"] == [foreign]
    assert stage.metadata() == before


def test_each_setting_has_a_flag() -> None:
    """`negawatt extender tiers run` takes all that the environment takes; so do bare options."""
    said = tiers("run", "--help").stdout
    # A narrow terminal breaks long names.
    missing = [name for name in TiersSettings.model_fields if flag(name)[:17] not in said]
    assert not missing
    refused = tiers("--mode", "perhaps")
    assert refused.returncode == 2
    assert "--mode: " in refused.stderr
