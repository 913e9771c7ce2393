"""The suite's arithmetic: intervals, cells, and policies that never beat the bound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.catalogue import Catalogue
from simulator.churn import Churn, ShapeTable, churn_stream
from simulator.engine import run
from simulator.fleet import named_fleet
from simulator.intervals import Interval
from simulator.policies import POLICIES
from simulator.policy import Setting
from simulator.suite import SETTINGS, Task, cells, run_task


@given(values=st.lists(st.floats(0.5, 5.0), min_size=2, max_size=8))
def test_an_interval_holds_its_mean(values):
    """The interval is centred on the mean, and twice the spread makes it twice as wide."""
    interval = Interval.of(values)
    wider = Interval.of([2 * value for value in values])

    assert (interval.low + interval.high) / 2 == pytest.approx(np.mean(values))
    assert wider.high - wider.low == pytest.approx(2 * (interval.high - interval.low), abs=1e-9)


def test_one_seed_has_no_interval():
    """Of a single run nothing is known about its spread."""
    assert Interval.of([1.5]) == Interval(mean=1.5, low=None, high=None)


def test_an_interval_is_students():
    """Two values 1 and 3: mean 2, half width 12.706 x 1."""
    interval = Interval.of([1.0, 3.0])

    assert interval.high - interval.mean == pytest.approx(12.706, abs=1e-3)


def test_no_policy_beats_the_bound_and_all_settings_are_graded():
    """One task grades each policy in all six settings, never below the bound."""
    policies = ("default", "fill-cost", "marginal-idle", "bound")
    found = list(run_task(Task(fleet="20/20/20", load_ratio=0.3, seed=1, policies=policies)))

    assert len(found) == 3 * len(SETTINGS)
    assert all(outcome.bound_ratio is not None for outcome in found)
    assert min(outcome.bound_ratio for outcome in found) >= 1.0
    assert len(cells(found)) == len(SETTINGS)


def energies(policy, *, fleet="two-generations", seed=1):
    """Joules of one policy by setting."""
    work = Task(fleet=fleet, load_ratio=0.3, seed=seed, policies=(policy,))
    return {
        (outcome.setting.usage_ratio, outcome.setting.nodes_may_sleep): outcome.energy_joules
        for outcome in run_task(work)
    }


def test_the_same_placement_costs_more_where_pods_use_more_and_nodes_stay_on():
    """A policy that heeds no setting places alike in all, so grading alone orders its energy."""
    joules = energies("most-allocated")

    for sleep in (False, True):
        assert joules[0.3, sleep] < joules[0.6, sleep] < joules[1.0, sleep]
    for usage in (0.3, 0.6, 1.0):
        assert joules[usage, True] < joules[usage, False]


def test_policies_that_heed_a_setting_are_run_for_it():
    """Told the setting, a rule's placement differs from the one it would make untold."""
    fleet, stream = small_stream()
    runs = {
        (name, usage, sleep): place(name, fleet, stream, usage, sleep=sleep)
        for name in ("fill-cost", "marginal", "marginal-idle")
        for usage in (0.3, 0.6)
        for sleep in (False, True)
    }

    assert runs["fill-cost", 0.3, True] != runs["fill-cost", 0.6, True]
    assert runs["fill-cost", 0.6, True] != runs["fill-cost", 0.6, False]
    assert runs["marginal", 0.3, True] != runs["marginal", 0.6, True]
    assert runs["marginal", 0.3, True] == runs["marginal", 0.3, False]
    assert runs["marginal-idle", 0.3, True] != runs["marginal-idle", 0.3, False]
    for name, policy in POLICIES.items():
        if name in ("fill-cost", "marginal", "marginal-idle"):
            assert policy.heeds_usage
            assert policy.heeds_sleep == (name != "marginal")


def small_stream():
    """A few hundred pods on a fleet of two generations."""
    fleet = named_fleet("two-generations", Catalogue.shipped())
    churn = Churn(load_ratio=0.4, hours=1)
    return fleet, churn_stream(ShapeTable.shipped(), fleet, churn, np.random.default_rng(5))


def place(name, fleet, stream, usage, *, sleep):
    """Where each pod went."""
    setting = Setting(usage_ratio=usage, nodes_may_sleep=sleep)
    chooser = POLICIES[name].build(fleet, setting, 1)
    nodes = fleet.with_tiers().nodes
    record = run(nodes, stream, chooser, end_seconds=3600.0, clock=lambda: 0.0)
    return record.node_of_pod.tolist()


def test_a_seed_names_the_stream_and_the_random_policy():
    """Other seeds draw other pods, and random places them elsewhere; a seed repeats itself."""
    assert energies("random", seed=1) == energies("random", seed=1)
    assert energies("default", seed=1) != energies("default", seed=2)
    fleet, stream = small_stream()
    setting = Setting(usage_ratio=1.0, nodes_may_sleep=False)
    choices = []
    for seed in (1, 2):
        chooser = POLICIES["random"].build(fleet, setting, seed)
        record = run(fleet.nodes, stream, chooser, end_seconds=0.0, clock=lambda: 0.0)
        choices.append(record.node_of_pod.tolist())

    assert choices[0] != choices[1]
