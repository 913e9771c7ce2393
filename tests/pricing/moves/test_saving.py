"""When a move is worth it: savings in true watts, costs, horizons, fleets that never sleep."""

from __future__ import annotations

import numpy as np
import pytest
from fleet_power import power_of, true_watts
from hypothesis import assume, given
from hypothesis import strategies as st
from move_scenes import pod_of, scenes
from small_fleets import NEW, OLD, fleet_of

from cluster.scheduling.table import NodeTable
from energy.power_curve import PowerCurve
from energy.profile import NodePowerProfile
from pricing.envelope import Envelope
from pricing.moves.plan import plan_moves
from pricing.moves.saving import MoveTerms, Savings
from pricing.rules import FillCost


@given(scene=scenes(), usage_ratio=st.sampled_from([0.3, 1.0]), sleep=st.booleans())
def test_the_watts_that_savings_count_are_those_of_each_nodes_curve(scene, usage_ratio, sleep):
    """Node by node they sum to the fleet's own, and what emptying saves is never negative."""
    fleet, table, _ = scene
    savings = Savings(power_of(fleet, usage_ratio=usage_ratio, sleep=sleep))
    watts = savings.node_watts(table, np.zeros(len(table), dtype=np.int64))

    true = true_watts(fleet, table, usage_ratio=usage_ratio, sleep=sleep)
    assert watts.sum() == pytest.approx(true)
    assert np.all(savings.most_joules(watts, 3600.0) >= -1e-6)


def half_and_half(fleet):
    """Two nodes with one small pod each."""
    table = NodeTable.of(fleet.nodes)
    pods = [[pod_of("a", 1000, 64)], [pod_of("b", 1000, 64)]]
    for row in (0, 1):
        table.assign(pods[row][0], row)
    return table, pods


def test_two_half_empty_nodes_become_one():
    """One eviction empties a node, and its reason says which and what it saves."""
    fleet = fleet_of((2, 8, 32, OLD))
    table, pods = half_and_half(fleet)
    power = power_of(fleet)
    (move,) = plan_moves(table, pods, power, Envelope(power), moves_max=5)

    saved_watts = OLD.idle_watts - OLD.sleep_watts
    assert f"{saved_watts:.0f} W" in move.reason
    assert fleet.nodes[move.source].name in move.reason


@pytest.mark.parametrize(
    ("other", "is_awake", "saved_watts", "cost_joules"),
    [
        # The pod starts anew, and the node that it leaves is shut down at its idle watts for 30 s.
        (OLD, True, 95.0, 0.5 * 60.0 * 300.0 / 8 + 30.0 * 100.0),
        # The better node must wake for it, at its peak watts for 120 s.
        (NEW, False, 50.0, 0.5 * 60.0 * 250.0 / 8 + 30.0 * 100.0 + 120.0 * 250.0),
    ],
)
@pytest.mark.parametrize("more_joules", [-1.0, 1.0])
def test_starts_shutdowns_and_wakes_are_paid_to_the_joule(
    other, is_awake, saved_watts, cost_joules, more_joules
):
    """A pod moves where it saves just more than the minimum after them, and not where just less."""
    fleet = fleet_of((1, 8, 32, OLD), (1, 8, 32, other))
    table, pods = half_and_half(fleet)
    if not is_awake:
        table.release(pods[1].pop(), 1)
    power, terms = power_of(fleet), MoveTerms()
    net_joules = saved_watts * terms.horizon_seconds - cost_joules
    terms = MoveTerms(saving_joules_min=net_joules + more_joules)
    moves = plan_moves(table, pods, power, FillCost(power), moves_max=5, terms=terms)

    assert len(moves) == (1 if more_joules < 0.0 else 0)


def test_without_a_saving_nothing_moves():
    """Nodes that never sleep and cost the same along their curves are left as they are."""
    fleet = fleet_of((2, 8, 32, OLD))
    table, pods = half_and_half(fleet)
    power = power_of(fleet, sleep=False)

    assert plan_moves(table, pods, power, Envelope(power), moves_max=5) == []


@pytest.mark.parametrize(
    "terms",
    [
        MoveTerms(horizon_seconds=60.0),
        MoveTerms(saving_joules_min=4 * 3600.0 * OLD.idle_watts),
    ],
)
def test_a_saving_that_does_not_pay_in_time_moves_nothing(terms):
    """A horizon too short for the costs, or a minimum that is too high, leaves all in place."""
    fleet = fleet_of((2, 8, 32, OLD))
    table, pods = half_and_half(fleet)
    power = power_of(fleet)

    assert plan_moves(table, pods, power, Envelope(power), moves_max=5, terms=terms) == []


@given(
    steep_watts=st.floats(60.0, 600.0), loads=st.lists(st.integers(1, 8), min_size=2, max_size=2)
)
def test_nodes_that_never_sleep_are_emptied_only_where_the_curve_says_so(steep_watts, loads):
    """Of two nodes that stay on, only the one with the steeper curve is emptied onto the other."""
    steep = NodePowerProfile(name="s", curve=PowerCurve.linear(50.0, 50.0 + steep_watts))
    flat = NodePowerProfile(name="f", curve=PowerCurve.linear(50.0, 100.0))
    fleet = fleet_of((1, 20, 64, flat), (1, 20, 64, steep))
    table, pods = NodeTable.of(fleet.nodes), [[], []]
    for row, count in enumerate(loads):
        for number in range(count):
            pods[row].append(pod_of(f"p{row}-{number}", 1000, 64))
            table.assign(pods[row][-1], row)
    power = power_of(fleet, sleep=False)
    moves = plan_moves(table, pods, power, FillCost(power), moves_max=20)

    assert all((move.source, move.target) == (1, 0) for move in moves)
    each_watts = (steep_watts - 50.0) / 20
    start_joules = 0.5 * 60.0 / 20 * flat.peak_watts
    each_joules = each_watts * MoveTerms().horizon_seconds - start_joules
    assume(abs(each_joules - MoveTerms().saving_joules_min) > 1.0)
    assert len(moves) == (loads[1] if each_joules > MoveTerms().saving_joules_min else 0)
