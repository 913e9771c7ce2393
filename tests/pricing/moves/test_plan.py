"""Moves on random small fleets: feasible in their order, worth it in true watts, no trace left."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from fleet_power import power_of, true_watts
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from move_scenes import as_daemon, as_database, carried_out, columns, cost_joules, scenes
from small_fleets import OLD, fleet_of

from cluster.scheduling.table import NodeTable
from energy.power_curve import PowerCurve
from energy.profile import NodePowerProfile
from pricing.envelope import Envelope
from pricing.moves.plan import plan_moves
from pricing.moves.saving import MoveTerms
from pricing.rules import EfficiencyOrder, FillCost
from simulator.pod_file import pod_of

RULES = st.sampled_from([Envelope, FillCost, EfficiencyOrder])
TERMS = st.builds(
    MoveTerms,
    horizon_seconds=st.sampled_from([1800.0, 4 * 3600.0, 86_400.0]),
    saving_joules_min=st.sampled_from([0.0, 50_000.0, 500_000.0]),
)


@given(
    scene=scenes(), kind=RULES, terms=TERMS, moves_max=st.integers(0, 14), sleep=st.booleans(),
    usage_ratio=st.sampled_from([0.5, 1.0]),
)  # fmt: skip
def test_moves_are_feasible_few_and_worth_it_and_planning_leaves_no_trace(
    scene, kind, terms, moves_max, sleep, usage_ratio
):
    """In true watts, over the horizon and after all costs, each move saves the minimum or more."""
    fleet, table, pods_of_node = scene
    power = power_of(fleet, usage_ratio=usage_ratio, sleep=sleep)
    state, pods = columns(table), [list(pods) for pods in pods_of_node]
    rule = kind(power)
    moves = plan_moves(table, pods_of_node, power, rule, moves_max=moves_max, terms=terms)

    assert columns(table) == state
    assert pods_of_node == pods
    assert len(moves) <= moves_max
    before, count = true_watts(fleet, table, usage_ratio=usage_ratio, sleep=sleep), table.pod_count
    count = count.copy()
    standing = carried_out(table, pods_of_node, moves)
    saved_watts = before - true_watts(fleet, table, usage_ratio=usage_ratio, sleep=sleep)
    cost = cost_joules(fleet, count, table.pod_count, moves, sleep=sleep)
    net_joules = saved_watts * terms.horizon_seconds - cost
    assert net_joules >= terms.saving_joules_min * len(moves) - 1e-6
    assert moves == [] or net_joules > 0.0
    names = Counter(pod.name for pods in standing for pod in pods)
    assert names == Counter(pod.name for pods in pods_of_node for pod in pods)


@given(scene=scenes(), kind=RULES, moves_max=st.integers(0, 14))
def test_planning_leaves_even_the_record_of_who_runs_where(scene, kind, moves_max):
    """After planning, every pod can be released from where it stands, and the table is empty."""
    fleet, table, pods_of_node = scene
    power = power_of(fleet)
    plan_moves(table, pods_of_node, power, kind(power), moves_max=moves_max)
    for row, pods in enumerate(pods_of_node):
        for pod in pods:
            table.release(pod, row)

    assert not table.pod_count.any()
    assert not table.requested.any()


@given(scene=scenes(kinds=(lambda pod: pod, as_daemon)), kind=RULES)
def test_pods_of_a_daemon_set_stay_where_they_are(scene, kind):
    """What belongs to its node is never evicted, whatever that would save."""
    fleet, table, pods_of_node = scene
    power = power_of(fleet)
    moves = plan_moves(
        table, pods_of_node, power, kind(power), moves_max=14,
        terms=MoveTerms(saving_joules_min=0.0),
    )  # fmt: skip

    assert all(move.pod.owner is None for move in moves)
    carried_out(table, pods_of_node, moves)


@settings(max_examples=150)
@given(scene=scenes(kinds=(lambda pod: pod, as_database)), kind=RULES)
def test_pods_that_will_not_share_a_host_land_apart(scene, kind):
    """At each turn and in the end no two pods with required anti-affinity share a node."""
    fleet, table, pods_of_node = scene
    power = power_of(fleet)
    moves = plan_moves(
        table, pods_of_node, power, kind(power), moves_max=14,
        terms=MoveTerms(saving_joules_min=0.0),
    )  # fmt: skip
    standing = carried_out(table, pods_of_node, moves)

    assert all(sum(bool(pod.labels) for pod in pods) <= 1 for pods in standing)


@given(scene=scenes(), kind=RULES)
def test_no_pod_is_moved_onto_a_cordoned_node(scene, kind):
    """A node that is being taken away gains nothing, though it may be emptied."""
    fleet, table, pods_of_node = scene
    power = power_of(fleet)
    moves = plan_moves(table, pods_of_node, power, kind(power), moves_max=14)

    assert not any(table.unschedulable[move.target] for move in moves)


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


@given(scene=scenes())
def test_more_evictions_never_save_less(scene):
    """A larger budget leaves the fleet at no more watts than no budget, and uses what it may."""
    fleet, table, pods_of_node = scene
    power = power_of(fleet)
    watts = [true_watts(fleet, table)]
    for moves_max in (1, 14):
        moves = plan_moves(table, pods_of_node, power, FillCost(power), moves_max=moves_max)
        carried_out(table, pods_of_node, moves)
        watts.append(true_watts(fleet, table))
        for move in reversed(moves):
            table.release(move.pod, move.target)
            table.assign(move.pod, move.source)

    assert np.all(np.array(watts[1:]) <= watts[0] + 1e-6)
