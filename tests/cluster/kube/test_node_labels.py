"""Our one label on the nodes of a real API server: set, seen, contested, gone without a trace."""

from __future__ import annotations

import json
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scripted_api import write_kubeconfig

from cluster.kube.client import KubeClient, connect
from cluster.kube.errors import KubeError, NotFoundError
from cluster.kube.node_labels import (
    FIELD_MANAGER,
    LabelOwnedError,
    NodeLabel,
    NodeLabels,
    read_node_label,
)
from cluster.kube.settings import KubeSettings
from cluster.scheduling.profile import ENERGY_TIER_LABEL
from energy.errors import InputError
from simulator.sandbox.control_plane import ControlPlane
from simulator.sandbox.fake_node import fake_node
from simulator.sandbox.ports import LOOPBACK

NEVER = "00000000-0000-0000-0000-000000000000"


@pytest.fixture(scope="module")
def live(kubeconfig: Path) -> Iterator[KubeClient]:
    """Return a client of the real API server."""
    client = connect(KubeSettings(kubeconfig=kubeconfig), environment={})
    yield client
    client.close()


@pytest.fixture(scope="module")
def labels(live: KubeClient) -> NodeLabels:
    """Return the gateway."""
    return NodeLabels(live)


@pytest.fixture
def node(control_plane: ControlPlane) -> Iterator[str]:
    """Return the name of a fresh node."""
    name = f"label-{uuid.uuid4().hex[:8]}"
    control_plane.kubectl("create", "-f", "-", manifest=fake_node(name))
    yield name
    control_plane.kubectl("delete", "node", name, "--ignore-not-found")


def test_an_answer_is_waited_for_as_long_as_it_is_worth_something(tmp_path: Path) -> None:
    """A silent server holds nobody up: a label that comes late is another's to set."""
    with socket.create_server((LOOPBACK, 0)) as silent:
        file = tmp_path / "kubeconfig"
        write_kubeconfig(file, f"http://{LOOPBACK}:{silent.getsockname()[1]}", bearer="x")
        settings = KubeSettings(kubeconfig=file, read_timeout_seconds=3600.0)
        client = connect(settings, environment={})
        hasty = NodeLabels(client, answer_seconds_max=0.05)
        for change in (lambda: hasty.set("node", 3, uid=NEVER), lambda: hasty.remove("node")):
            with pytest.raises(KubeError, match="did not answer in time"):
                change()
        client.close()


def stored(plane: ControlPlane, node: str) -> dict[str, Any]:
    """Return a node's metadata with managedFields."""
    text = plane.kubectl("get", "node", node, "--output=json", "--show-managed-fields")
    return json.loads(text)["metadata"]


def managers(metadata: dict[str, Any]) -> set[str]:
    """Return who is on record for anything."""
    return {entry["manager"] for entry in metadata["managedFields"]}


def theirs(plane: ControlPlane, node: str, value: str) -> None:
    """Set the label as an administrator does."""
    plane.kubectl("label", "--overwrite", "node", node, f"{ENERGY_TIER_LABEL}={value}")


def test_a_label_is_set_changed_and_removed_without_a_trace(
    labels: NodeLabels, control_plane: ControlPlane, node: str
) -> None:
    """Neither another field nor the record of who manages what is left different."""
    before = stored(control_plane, node)
    bare = labels.read(node)
    assert bare == NodeLabel(node=node, uid=before["uid"], value=None)

    set_ = labels.set(node, 3, uid=bare.uid)
    assert (set_.value, set_.ours, set_.foreign_owners) == ("3", True, ())
    assert set_.changed_at_seconds is not None
    assert abs(set_.changed_at_seconds - time.time()) < 60
    assert labels.set(node, 7).value == "7"
    during = stored(control_plane, node)
    assert during["labels"] == {**before["labels"], ENERGY_TIER_LABEL: "7"}
    (entry,) = [each for each in during["managedFields"] if each["manager"] == FIELD_MANAGER]
    assert entry["operation"] == "Apply"
    assert entry["fieldsV1"] == {"f:metadata": {"f:labels": {f"f:{ENERGY_TIER_LABEL}": {}}}}

    assert labels.remove(node, uid=bare.uid) == bare
    after = stored(control_plane, node)
    assert after["labels"] == before["labels"]
    assert after["annotations"].keys() >= before["annotations"].keys()
    assert FIELD_MANAGER not in managers(after)


def test_what_is_right_already_is_not_written_again(
    labels: NodeLabels, control_plane: ControlPlane, node: str
) -> None:
    """Nobody who watches nodes is woken; others write too, so one quiet attempt is proof."""

    def version_after_setting() -> str:
        labels.set(node, 2)
        return stored(control_plane, node)["resourceVersion"]

    versions = [version_after_setting() for _ in range(4)]
    assert len(set(versions)) < len(versions)


def test_removing_what_is_not_there_writes_nothing(labels: NodeLabels, node: str) -> None:
    """A second uninstall is as good as the first."""
    assert labels.remove(node).value is None


def test_a_dry_run_answers_and_writes_nothing(
    labels: NodeLabels, control_plane: ControlPlane, node: str
) -> None:
    """The server says what it would store, its admission included."""
    assert labels.set(node, 4, dry_run=True).value == "4"
    assert labels.read(node).value is None
    labels.set(node, 5)
    assert labels.remove(node, dry_run=True).value is None
    assert labels.read(node).value == "5"


def test_another_s_label_is_left_alone_unless_forced(
    labels: NodeLabels, control_plane: ControlPlane, node: str
) -> None:
    """One line names the node, the value and who set it; with force the label is ours alone."""
    theirs(control_plane, node, "8")

    with pytest.raises(LabelOwnedError) as caught:
        labels.set(node, 1)
    said = str(caught.value)
    assert f"node {node} has {ENERGY_TIER_LABEL}=8 from another field manager (kubectl" in said
    assert "\n" not in said
    assert caught.value.label == labels.read(node)
    with pytest.raises(LabelOwnedError):
        labels.remove(node)
    assert labels.read(node).value == "8"

    taken = labels.set(node, 1, force=True)
    assert (taken.value, taken.ours, taken.foreign_owners) == ("1", True, ())
    assert labels.remove(node).value is None


def test_a_value_agreed_on_stays_with_whoever_else_set_it(
    labels: NodeLabels, control_plane: ControlPlane, node: str
) -> None:
    """We let go of our part; with force the label goes as well, and nobody's record stays."""
    theirs(control_plane, node, "6")
    shared = labels.set(node, 6)
    assert shared.ours
    assert len(shared.foreign_owners) == 1

    with pytest.raises(LabelOwnedError):
        labels.remove(node)
    left = labels.read(node)
    assert (left.value, left.ours) == ("6", False)

    labels.set(node, 6)
    assert labels.remove(node, force=True).value is None
    assert FIELD_MANAGER not in managers(stored(control_plane, node))


def test_a_node_that_is_gone_is_not_made_anew(
    labels: NodeLabels, control_plane: ControlPlane, node: str
) -> None:
    """Server-side apply creates what is missing, were it not for the uid."""
    old = labels.read(node)
    control_plane.kubectl("delete", "node", node)

    with pytest.raises(NotFoundError, match=f"nodes {node}"):
        labels.set(node, 1, uid=old.uid)
    for again in (labels.set, labels.remove):
        with pytest.raises(NotFoundError):
            again(node, *([1] if again == labels.set else []))
    assert node not in control_plane.kubectl("get", "nodes", "--output=name")

    control_plane.kubectl("create", "-f", "-", manifest=fake_node(node))
    for again in (lambda: labels.set(node, 1, uid=old.uid), lambda: labels.remove(node, uid=NEVER)):
        with pytest.raises(NotFoundError, match="another has its name"):
            again()
    assert labels.read(node).value is None


def test_all_nodes_are_read_at_once(
    labels: NodeLabels, control_plane: ControlPlane, node: str
) -> None:
    """With whose label it is, as for one of them."""
    one = labels.set(node, 9)

    found = {label.node: label for label in labels.read_all()}

    assert found[node] == one
    assert len(found) == len(control_plane.kubectl("get", "nodes", "--output=name").split())


@pytest.mark.parametrize("tier", [-1, 10])
def test_only_tiers_are_set(labels: NodeLabels, tier: int) -> None:
    """Before anything is sent."""
    with pytest.raises(InputError, match="a tier is 0 to 9"):
        labels.set("any", tier)


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"metadata": None},
        {"metadata": {"managedFields": [None, {"fieldsV1": []}, {"manager": 3}]}},
        {"metadata": {"managedFields": "x", "labels": []}},
    ],
)
def test_an_odd_object_is_a_node_without_our_label(item: dict[str, Any]) -> None:
    """An informer's reader must not raise."""
    assert read_node_label(item) == NodeLabel(node="", uid="", value=None)
