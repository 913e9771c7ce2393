"""Energy tiers in simulation: our labels, and the profile that is written for them."""

from __future__ import annotations

import pytest

from cluster.scheduling.profile import ENERGY_TIER_LABEL
from energy.catalogue import Catalogue
from simulator.engine import run
from simulator.fleet import named_fleet
from simulator.policies import POLICIES
from simulator.policy import Setting
from simulator.sandbox.trial_grades import placement_watts
from simulator.sandbox.trial_pods import shipped_pods
from simulator.stream import burst
from simulator.tier_labels import labelled, labelled_with_memory


def fleet_of(name):
    """Give a named fleet."""
    return named_fleet(name, Catalogue.shipped())


def tier_of_server(fleet):
    """Give the tiers of each kind of server."""
    return {
        profile.name: node.labels[ENERGY_TIER_LABEL]
        for node, profile in zip(fleet.nodes, fleet.profiles, strict=True)
    }


def watts_of(policy, fleet, setting):
    """Give the watts of 600 pods at 40 % of the cores, none of which leaves, and the placement."""
    pods = shipped_pods(fleet, 600, seed=11)
    placed_by = POLICIES[policy]
    record = run(
        placed_by.nodes(fleet, setting),
        burst(pods),
        placed_by.build(fleet, setting, 1),
        end_seconds=0.0,
        clock=lambda: 0.0,
    )
    assert record.pending_pods == 0
    return placement_watts(fleet, pods, record.node_of_pod, setting), record.node_of_pod.tolist()


@pytest.mark.parametrize("sleep", [False, True])
def test_the_standard_fleet_is_labelled_as_an_operator_would(sleep):
    """Three kinds of servers far apart: every order is the same."""
    fleet = fleet_of("20/30/10")
    setting = Setting(usage_ratio=0.5, nodes_may_sleep=sleep)
    assert labelled(fleet, setting).nodes == fleet.with_tiers().nodes


def test_idle_watts_count_where_nodes_sleep():
    """Two generations that cost the same at full load: an operator's label does not tell them."""
    fleet = fleet_of("two-generations")
    assert set(tier_of_server(fleet.with_tiers()).values()) == {"0"}
    orders = [
        tier_of_server(labelled(fleet, Setting(usage_ratio=0.5, nodes_may_sleep=sleep)))
        for sleep in (False, True)
    ]
    older, newer = "hpe-proliant-dl360-gen9-e5-2699-v3", "hpe-proliant-dl380-gen10-plus-8380"
    assert orders == [{newer: "0", older: "1"}, {newer: "0", older: "0"}]


def test_a_node_that_is_filled_to_its_efficient_load_is_ranked_at_that_load():
    """Where pods use all they request, the profile does not fill the last tenths."""
    fleet = fleet_of("two-generations")
    setting = Setting(usage_ratio=1.0, nodes_may_sleep=True)
    older, newer = "hpe-proliant-dl360-gen9-e5-2699-v3", "hpe-proliant-dl380-gen10-plus-8380"
    assert tier_of_server(labelled(fleet, setting)) == {newer: "0", older: "1"}


def test_a_node_short_of_memory_is_ranked_as_never_full():
    """Told the memory of the pods, the older servers' idle watts are for fewer used cores."""
    fleet = fleet_of("two-generations")
    setting = Setting(usage_ratio=0.5, nodes_may_sleep=True)
    older, newer = "hpe-proliant-dl360-gen9-e5-2699-v3", "hpe-proliant-dl380-gen10-plus-8380"
    assert tier_of_server(labelled_with_memory(fleet, setting)) == {newer: "0", older: "1"}


@pytest.mark.parametrize("sleep", [False, True])
def test_where_pods_use_half_of_their_requests_tiers_are_the_careful_operators(sleep):
    """Node by node: the weights differ, and nothing that these pods ask for tells."""
    setting = Setting(usage_ratio=0.5, nodes_may_sleep=sleep)
    fleet = fleet_of("20/30/10")
    assert watts_of("tiers", fleet, setting) == watts_of("efficiency-order", fleet, setting)


@pytest.mark.parametrize("sleep", [False, True])
def test_where_pods_use_all_tiers_stop_filling_where_watts_rise(sleep):
    """And save at least 2 % of the fleet's watts in this burst."""
    setting = Setting(usage_ratio=1.0, nodes_may_sleep=sleep)
    fleet = fleet_of("20/30/10")
    tiers, _ = watts_of("tiers", fleet, setting)
    hand_made, _ = watts_of("efficiency-order", fleet, setting)
    assert tiers < 0.98 * hand_made
