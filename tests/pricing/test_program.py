"""The placement program against exhaustive search, and against itself."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_fleets import GIBIBYTE, NEW, OLD, fleet_of

from energy.errors import InputError
from pricing.program import PlacementProgram, Shapes


def program(fleet, shapes, *, usage_ratio=1.0, sleep=False, integer=True):
    """Build the program over a fleet's classes."""
    return PlacementProgram(
        fleet.classes.classes,
        shapes,
        usage_ratio=usage_ratio,
        nodes_may_sleep=sleep,
        integer=integer,
    )


def shapes_of(pods):
    """One shape per pod, from (cores, GiB) pairs."""
    return Shapes(
        cpu_cores=np.array([float(cpu) for cpu, _ in pods]),
        memory_bytes=np.array([float(memory) * GIBIBYTE for _, memory in pods]),
    )


def best_watts(fleet, pods, usage_ratio, sleep):
    """The least watts of any placement, by trying all of them; None if there is none."""
    best = None
    for choice in itertools.product(range(len(fleet.nodes)), repeat=len(pods)):
        watts = 0.0
        for index, (node, profile) in enumerate(zip(fleet.nodes, fleet.profiles, strict=True)):
            mine = [pod for pod, place in zip(pods, choice, strict=True) if place == index]
            cpu = 1000 * sum(pod[0] for pod in mine)
            size = node.allocatable
            if cpu > size.cpu_millicores or sum(p[1] for p in mine) * GIBIBYTE > size.memory_bytes:
                break
            if mine or not sleep:
                watts += profile.curve.watts_at(usage_ratio * cpu / size.cpu_millicores)
            else:
                watts += profile.sleep_watts
        else:
            best = watts if best is None else min(best, watts)
    return best


@given(
    pods=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 8)), min_size=1, max_size=4),
    usage_ratio=st.sampled_from([0.5, 1.0]),
    sleep=st.booleans(),
)
def test_relaxed_bound_never_exceeds_the_best_placement(pods, usage_ratio, sleep):
    """No placement of up to four pods on three nodes costs less than the relaxed bound."""
    fleet = fleet_of((1, 4, 16, OLD), (2, 8, 16, NEW))
    relaxed = program(
        fleet, shapes_of(pods), usage_ratio=usage_ratio, sleep=sleep, integer=False
    ).solve(np.ones(len(pods)))
    best = best_watts(fleet, pods, usage_ratio, sleep)

    if best is None:
        return
    assert relaxed is not None
    assert relaxed.watts <= best + 1e-6


@given(pods=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 8)), min_size=1, max_size=4))
def test_whole_pods_cost_at_least_what_fractions_cost(pods):
    """The integer program's optimum lies at or above its relaxation."""
    fleet = fleet_of((2, 4, 16, OLD), (2, 8, 16, NEW))
    whole = program(fleet, shapes_of(pods), sleep=True).solve(np.ones(len(pods)))
    relaxed = program(fleet, shapes_of(pods), sleep=True, integer=False).solve(np.ones(len(pods)))

    assert whole is not None
    assert relaxed is not None
    assert whole.watts >= relaxed.watts * (1 - 1e-3) - 1e-6


def test_more_demand_never_costs_less():
    """A warm program's value rises with the demand, and returns when the demand does."""
    fleet = fleet_of((3, 8, 32, OLD), (3, 8, 32, NEW))
    solver = program(fleet, shapes_of([(1, 2), (2, 8)]), sleep=True, integer=False)
    values = [
        solver.solve(np.array([float(count), float(count)])).watts for count in (1, 4, 8, 12, 8)
    ]

    assert values[:4] == sorted(values[:4])
    assert values[4] == pytest.approx(values[2])


def test_empty_demand_costs_idle_or_sleeping_watts():
    """Without pods the fleet idles, or sleeps where it may."""
    fleet = fleet_of((2, 8, 32, OLD))
    nothing = np.array([0.0])

    assert program(fleet, shapes_of([(1, 1)])).solve(nothing).watts == pytest.approx(200.0)
    asleep = program(fleet, shapes_of([(1, 1)]), sleep=True).solve(nothing)
    assert asleep.watts == pytest.approx(10.0)
    assert asleep.awake_nodes == pytest.approx(0.0)


def test_what_does_not_fit_has_no_bound():
    """A demand beyond the fleet is infeasible, and says so with None."""
    fleet = fleet_of((1, 4, 8, OLD))

    assert program(fleet, shapes_of([(4, 1)])).solve(np.array([2.0])) is None


@pytest.mark.parametrize("usage_ratio", [0.0, -0.5, 1.5, float("nan")])
def test_refuses_an_impossible_usage_ratio(usage_ratio):
    """A usage ratio outside (0, 1] is refused by name."""
    with pytest.raises(InputError, match="usage ratio"):
        program(fleet_of((1, 4, 8, OLD)), shapes_of([(1, 1)]), usage_ratio=usage_ratio)
