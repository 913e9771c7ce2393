"""Reasons name what binds: memory that ran out, another class, nodes that sleep or draw more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from price_cases import cases, shapes_of
from small_fleets import GIBIBYTE, NEW, OLD, fleet_of

from pricing.fleet_state import FleetState
from pricing.price_program import PriceProgram
from pricing.price_reasons import price_reasons


def reasons_of(groups, shapes, counts, *, state=None, **terms):
    """Reasons of every class of a small fleet."""
    program = PriceProgram(groups, shapes, **terms)
    state = state or FleetState.empty(groups)
    solution = program.solve(state, counts)
    return price_reasons(program, state, counts, solution, [group.name for group in groups])


@given(case=cases())
def test_every_price_has_a_reason_in_one_line(case):
    """Whatever the fleet, its state and the demand, both prices of each class are explained."""
    program = case.program()
    solution = program.solve(case.state, case.counts)
    names = [f"class {number}" for number in range(len(case.classes))]
    for why in price_reasons(program, case.state, case.counts, solution, names):
        for reason in (why.core_reason, why.memory_reason):
            assert reason
            assert "\n" not in reason
        assert 0.0 <= why.cpu_taken_ratio <= 1.0 + 1e-6
        assert 0.0 <= why.memory_taken_ratio <= 1.0 + 1e-6


def test_explaining_leaves_the_program_as_good_as_before():
    """The solves behind the reasons change no later price."""
    groups = fleet_of((2, 8, 32, OLD), (2, 8, 32, NEW)).classes.classes
    program, state = PriceProgram(groups, shapes_of((1, 2))), FleetState.empty(groups)
    before = program.solve(state, [20.0])
    price_reasons(program, state, [20.0], before, ["old", "new"])
    after = program.solve(state, [20.0])

    assert after.watts == pytest.approx(before.watts)
    assert after.watts_per_core == pytest.approx(before.watts_per_core)


def test_a_full_class_names_where_the_next_pod_goes():
    """All cores of the new class are taken; the next pod goes to the old one, at its price."""
    groups = fleet_of((2, 8, 64, OLD), (2, 8, 64, NEW)).classes.classes
    old, new = reasons_of(groups, shapes_of((1, 1)), [20.0])

    assert "all its cores are taken" in new.core_reason
    assert "sends pods to old, where a core costs 36.88 W" in new.core_reason
    assert new.memory_reason == "its cores run out first"
    assert "keeps more of its nodes awake" in old.core_reason
    assert new.cpu_taken_ratio == pytest.approx(1.0)


def test_memory_that_runs_out_first_is_said():
    """Memory-heavy pods fill the new class's memory; its cores are left over or cheap."""
    groups = fleet_of((1, 64, 64, NEW), (2, 64, 128, OLD)).classes.classes
    new, _ = reasons_of(groups, shapes_of((1, 16)), [12.0])

    assert "memory runs out first" in new.core_reason
    assert "all its memory is taken" in new.memory_reason
    assert "sends pods to old" in new.memory_reason


def test_an_unused_class_says_what_waking_it_costs():
    """A class that sleeps through is priced by what a filled node of it would draw."""
    groups = fleet_of((2, 4, 64, OLD), (2, 8, 64, NEW)).classes.classes
    asleep, _ = reasons_of(groups, shapes_of((1, 1)), [4.0])
    on, _ = reasons_of(groups, shapes_of((1, 1)), [4.0], nodes_may_sleep=False)

    assert not asleep.is_used
    assert "woken and filled, costs 295 W for 4 cores" in asleep.core_reason
    assert "rise with load" in on.core_reason


def test_pods_without_a_place_are_the_reason_for_a_penalty():
    """Where the fleet is full the reason says that pods would be left without a place."""
    groups = fleet_of((1, 8, 64, OLD)).classes.classes
    (why,) = reasons_of(groups, shapes_of((1, 1)), [9.0])

    assert "without a place" in why.core_reason


def test_a_class_full_by_what_is_placed_or_without_nodes_is_said():
    """Where no pod can be added the reason speaks of what is there, or that nothing is."""
    groups = fleet_of((1, 8, 64, OLD), (1, 8, 64, NEW)).classes.classes
    empty = FleetState.empty(groups)
    full = replace(
        empty,
        awake_nodes=np.ones(2),
        placed_cpu_cores=np.array([8.0, 0.0]),
        placed_memory_bytes=np.array([8.0, 0.0]) * GIBIBYTE,
    )
    old, _ = reasons_of(groups, shapes_of((1, 1)), [4.0], state=full)
    gone, _ = reasons_of(
        groups, shapes_of((1, 1)), [4.0], state=replace(empty, nodes=np.array([0.0, 1.0]))
    )

    assert "what is placed already fills its cores" in old.core_reason
    assert gone.core_reason == "none of its nodes takes pods"
