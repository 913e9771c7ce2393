"""Nodes with known watts are ordered by them; a guess never makes a node look good."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from cluster.model import Node, Resources
from energy.catalogue import Catalogue
from energy.power_curve import PowerCurve
from energy.profile import NodePowerProfile, ProfileSource, Scope
from extender.fleet import CPU_MODEL, INSTANCE_TYPE, ProfileFinder
from extender.tiers.labels import PresentLabel
from extender.tiers.wishes import TierOptions, TierRule, telling_labels, wanted_labels

ZONE = "topology.kubernetes.io/zone"


class Told:
    """Stands for the catalogue: a profile by the node's instance type."""

    def __init__(self, profiles: Mapping[str, NodePowerProfile]) -> None:
        self._profiles = profiles

    def profile(self, node: Node) -> NodePowerProfile:
        """Look the node's type up."""
        return self._profiles[node.labels[INSTANCE_TYPE]]


def profile(
    name: str, idle: float, peak: float, source: ProfileSource = ProfileSource.POWER_PROFILE
) -> NodePowerProfile:
    """Make a straight curve."""
    curve = PowerCurve(utilisation_ratios=(0.0, 1.0), watts=(idle, peak))
    return NodePowerProfile(name=name, curve=curve, source=source, trust=0.5)


def node(name: str, kind: str, cores: int = 10, **labels: str) -> Node:
    """Describe a node of a kind of machines."""
    size = Resources(cpu_millicores=1000 * cores, memory_bytes=2**33)
    return Node(name=name, allocatable=size, labels={INSTANCE_TYPE: kind, **labels})


# Per core: thrifty 10 W at full load and 2 W more than idle, steep 8 W and 7.5 W more than idle.
PROFILES = {"thrifty": profile("thrifty", 80, 100), "steep": profile("steep", 5, 80)}
NODES = (node("t", "thrifty"), node("s", "steep"))


@pytest.mark.parametrize(
    ("options", "best"),
    [
        (TierOptions(), "t"),
        (TierOptions(nodes_may_sleep=True), "s"),
        (TierOptions(rule=TierRule.PEAK_WATTS), "s"),
    ],
    ids=["nodes stay on", "nodes may sleep", "watts at full load"],
)
def test_whether_idle_watts_count_decides_the_order(options: TierOptions, best: str) -> None:
    """On a node that stays on they are spent anyway."""
    wanted = wanted_labels(NODES, {}, Told(PROFILES), options)
    assert wanted[best].tier == 0
    assert sorted(each.tier for each in wanted.values() if each.tier is not None) == [0, 1]
    assert "W" in wanted[best].reason


def test_a_node_whose_watts_are_a_guess_gets_no_label() -> None:
    """By the real catalogue: nothing names its machine."""
    size = Resources(cpu_millicores=64000, memory_bytes=2**38)
    known = Node(name="known", allocatable=size, labels={CPU_MODEL: "AMD EPYC 7742"})
    nodes = (Node(name="guessed", allocatable=size), known)
    wanted = wanted_labels(nodes, {}, ProfileFinder(Catalogue.shipped()), TierOptions())
    assert wanted["guessed"].tier is None
    assert "guess" in wanted["guessed"].reason
    assert wanted["known"].tier == 0


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        (node("odd", "thrifty", **{"negawatt.dev/ignore": "true"}), "ignore"),
        (Node(name="odd", allocatable=Resources(), labels={INSTANCE_TYPE: "thrifty"}), "no CPU"),
        (node("odd", "package"), "packages"),
        (node("odd", "flat"), "nothing"),
    ],
    ids=["opted out", "no CPU", "packages only", "load is free"],
)
def test_what_cannot_be_compared_gets_no_label(odd: Node, said: str) -> None:
    """And keeps none that it had; the others are ranked all the same."""
    package = NodePowerProfile(
        name="package",
        curve=PowerCurve(utilisation_ratios=(0.0, 1.0), watts=(1.0, 2.0)),
        source=ProfileSource.MEASURED_PACKAGE,
        scope=Scope.PACKAGE,
    )
    profiles = {**PROFILES, "package": package, "flat": profile("flat", 50, 50)}
    present = {"odd": PresentLabel(value="0")}
    wanted = wanted_labels((*NODES, odd), present, Told(profiles), TierOptions())
    assert wanted["odd"].tier is None
    assert said in wanted["odd"].reason
    assert wanted["t"].tier == 0


def test_a_label_that_says_the_same_as_the_tiers_is_found() -> None:
    """The type does; zones are the same for all, names are as many as nodes."""
    nodes = tuple(
        node(f"{kind}{number}", kind, **{ZONE: "a", "machine": f"{kind}{number}"})
        for kind in PROFILES
        for number in range(5)
    )
    wanted = wanted_labels(nodes, {}, Told(PROFILES), TierOptions())
    (found,) = telling_labels(nodes, wanted)
    assert found.key == INSTANCE_TYPE
    assert found.values_of_tier == {0: ("thrifty",), 1: ("steep",)}


def test_a_label_that_a_node_without_a_tier_shares_says_too_much() -> None:
    """It would prefer a node that we know nothing of."""
    nodes = (*NODES, node("ignored", "thrifty", **{"negawatt.dev/ignore": "true"}))
    wanted = wanted_labels(nodes, {}, Told(PROFILES), TierOptions())
    assert telling_labels(nodes, wanted) == ()


def test_a_kind_that_has_no_tier_may_have_a_value_of_its_own() -> None:
    """Its value is not named, so its nodes come last, as those without a tier label do."""
    profiles = {**PROFILES, "unknown": profile("unknown", 1, 2, ProfileSource.GENERIC_CORES)}
    nodes = (*NODES, node("u", "unknown"))
    (found,) = telling_labels(nodes, wanted_labels(nodes, {}, Told(profiles), TierOptions()))
    assert found.values_of_tier == {0: ("thrifty",), 1: ("steep",)}


def test_where_all_nodes_cost_the_same_no_label_tells_anything() -> None:
    """Nor does the name of a node."""
    alike = (node("a", "thrifty", **{ZONE: "a"}), node("b", "thrifty", **{ZONE: "a"}))
    assert telling_labels(alike, wanted_labels(alike, {}, Told(PROFILES), TierOptions())) == ()
    named = tuple(
        node(name, kind, **{"kubernetes.io/hostname": name})
        for name, kind in (("a", "thrifty"), ("b", "steep"))
    )
    found = telling_labels(named, wanted_labels(named, {}, Told(PROFILES), TierOptions()))
    assert [each.key for each in found] == [INSTANCE_TYPE]
