"""Moves on random small fleets: feasible in their order, worth it in true watts, no trace left."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from fleet_power import power_of, true_watts
from hypothesis import given, settings
from hypothesis import strategies as st
from move_scenes import as_daemon, as_database, carried_out, columns, cost_joules, scenes

from pricing.envelope import Envelope
from pricing.moves.plan import plan_moves
from pricing.moves.saving import MoveTerms
from pricing.rules import EfficiencyOrder, FillCost

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


def every_worthwhile_move(scene, kind):
    """What is planned where any saving is worth an eviction."""
    fleet, table, pods_of_node = scene
    power = power_of(fleet)
    return plan_moves(
        table, pods_of_node, power, kind(power), moves_max=14,
        terms=MoveTerms(saving_joules_min=0.0),
    )  # fmt: skip


@given(scene=scenes(kinds=(lambda pod: pod, as_daemon)), kind=RULES)
def test_pods_of_a_daemon_set_stay_where_they_are(scene, kind):
    """What belongs to its node is never evicted, whatever that would save."""
    _, table, pods_of_node = scene
    moves = every_worthwhile_move(scene, kind)

    assert all(move.pod.owner.kind != "DaemonSet" for move in moves)
    carried_out(table, pods_of_node, moves)


def bare(pod):
    """The pod without anyone who would start it again."""
    return replace(pod, owner=None)


@given(scene=scenes(kinds=(lambda pod: pod, bare)), kind=RULES)
def test_a_bare_pod_is_never_evicted_nor_any_beside_it(scene, kind):
    """Nobody would start it again, so its node stays on and moving the others saves nothing."""
    _, _, pods_of_node = scene
    moves = every_worthwhile_move(scene, kind)

    held = {row for row, pods in enumerate(pods_of_node) if any(p.owner is None for p in pods)}
    assert all(move.source not in held for move in moves)


@settings(max_examples=150)
@given(scene=scenes(kinds=(lambda pod: pod, as_database)), kind=RULES)
def test_pods_that_will_not_share_a_host_land_apart(scene, kind):
    """At each turn and in the end no two pods with required anti-affinity share a node."""
    _, table, pods_of_node = scene
    moves = every_worthwhile_move(scene, kind)
    standing = carried_out(table, pods_of_node, moves)

    assert all(sum(bool(pod.labels) for pod in pods) <= 1 for pods in standing)


@settings(max_examples=200)
@given(scene=scenes(), kind=RULES)
def test_no_pod_is_moved_twice_in_one_plan(scene, kind):
    """A pod that has just started anew is not evicted again before anyone could tell."""
    fleet, table, pods_of_node = scene
    power = power_of(fleet)
    moves = plan_moves(table, pods_of_node, power, kind(power), moves_max=14)

    assert len({move.pod.name for move in moves}) == len(moves)


@given(scene=scenes(), kind=RULES)
def test_no_pod_is_moved_onto_a_cordoned_node(scene, kind):
    """A node that is being taken away gains nothing, though it may be emptied."""
    fleet, table, pods_of_node = scene
    power = power_of(fleet)
    moves = plan_moves(table, pods_of_node, power, kind(power), moves_max=14)

    assert not any(table.unschedulable[move.target] for move in moves)


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
