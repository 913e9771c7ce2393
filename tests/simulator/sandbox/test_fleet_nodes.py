"""The nodes of a sandbox are servers of a fleet, in its proportions and with their real sizes."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.kube.convert import read_node
from cluster.scheduling.profile import ENERGY_TIER_LABEL
from energy.catalogue import Catalogue, NodeFacts
from energy.errors import InputError
from energy.power_profile import PowerProfile
from energy.profile import ProfileSource
from simulator.fleet import FLEETS
from simulator.sandbox.fleet_nodes import (
    SERVER_LABEL,
    ZONE_LABEL,
    drawn_servers,
    node_manifests,
    power_profiles,
    sandbox_fleet,
)

CATALOGUE = Catalogue.shipped()


@given(fleet=st.sampled_from(sorted(FLEETS)), nodes=st.integers(1, 5000))
def test_every_server_gets_its_share_to_within_one_node(fleet: str, nodes: int) -> None:
    """A small sandbox looks like the fleet that it is a part of."""
    drawn = drawn_servers(fleet, nodes)
    whole = sum(FLEETS[fleet].values())

    assert sum(drawn.values()) == nodes
    for slug, count in FLEETS[fleet].items():
        assert abs(drawn.get(slug, 0) - count * nodes / whole) < 1


@pytest.mark.parametrize("fleet", FLEETS)
def test_without_a_number_the_fleet_is_what_it_is(fleet: str) -> None:
    """The default is the fleet itself."""
    assert drawn_servers(fleet, None) == FLEETS[fleet]


@pytest.mark.parametrize(
    ("fleet", "nodes", "message"),
    [
        ("mixd", None, "no fleet is named 'mixd'"),
        ("mixed", 0, "0 nodes cannot be simulated"),
        ("mixed", -3, "-3 nodes cannot be simulated"),
        ("mixed", 5001, "5001 nodes cannot be simulated"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_line(
    fleet: str, nodes: int | None, message: str
) -> None:
    """The line names the option and what would do."""
    with pytest.raises(InputError, match=message) as caught:
        drawn_servers(fleet, nodes)

    assert caught.value.where.startswith("--")
    assert caught.value.mend


def test_api_server_is_told_the_size_and_the_server_of_every_node() -> None:
    """What is read back from a manifest is the fleet's node, with the address on loopback."""
    fleet = sandbox_fleet("mixed", drawn_servers("mixed", 30), CATALOGUE, tier_labels=False)
    manifests = node_manifests(fleet)

    for manifest, node, profile in zip(manifests, fleet.nodes, fleet.profiles, strict=True):
        read = read_node(manifest).value
        assert read is not None
        assert read.name == node.name
        assert read.allocatable == node.allocatable
        assert read.pods_max == node.pods_max
        assert read.labels[SERVER_LABEL] == profile.name
        assert read.labels["kubernetes.io/hostname"] == node.name
        assert ENERGY_TIER_LABEL not in read.labels
        assert manifest["status"]["addresses"] == [{"type": "InternalIP", "address": "127.0.0.1"}]


def test_zones_take_turns_within_every_kind_of_server() -> None:
    """No zone is all old servers."""
    fleet = sandbox_fleet("mixed", drawn_servers("mixed", 60), CATALOGUE, tier_labels=False)
    labels = [manifest["metadata"]["labels"] for manifest in node_manifests(fleet)]

    assert Counter(each[ZONE_LABEL] for each in labels) == dict.fromkeys(
        ("zone-a", "zone-b", "zone-c"), 20
    )
    for slug in FLEETS["mixed"]:
        assert len({each[ZONE_LABEL] for each in labels if each[SERVER_LABEL] == slug}) == 3


def test_tier_labels_are_put_on_where_they_are_asked_for() -> None:
    """The label of a careful operator: every node has one."""
    fleet = sandbox_fleet("mixed", drawn_servers("mixed", 30), CATALOGUE, tier_labels=True)

    tiers = {
        manifest["metadata"]["labels"][ENERGY_TIER_LABEL] for manifest in node_manifests(fleet)
    }

    assert {"0"} < tiers <= {str(tier) for tier in range(10)}


@pytest.mark.parametrize("slug", sorted(FLEETS["mixed"]))
def test_written_profile_gives_the_node_the_curve_of_its_server(slug: str) -> None:
    """What an operator would have written leads the catalogue to the measured watts."""
    server = CATALOGUE.servers[slug]
    (document,) = power_profiles([server])
    written = CATALOGUE.with_power_profiles([PowerProfile.model_validate(document)])

    facts = NodeFacts(name="any", cpu_cores=server.cores, labels={SERVER_LABEL: slug})
    found = written.resolve(facts)

    assert found.source is ProfileSource.POWER_PROFILE
    assert found.curve.watts == server.curve.watts
    assert found.sleep_watts == server.profile().sleep_watts
    assert found.wake_joules == server.profile().wake_joules
