"""Prices against the program's own value elsewhere, and the program against exhaustive search."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from price_cases import STEEP, Case, cases, shapes_of, value
from small_fleets import GIBIBYTE, NEW, OLD, fleet_of

from energy.errors import InputError
from pricing.fleet_state import FleetState
from pricing.node_class import NodeClass
from pricing.price_program import PriceProgram, Unsolved
from pricing.program import PlacementProgram
from pricing.terms import Shapes

# Watts; the solver's tolerance times the penalties that may enter a value.
CLOSE = 1e-3


def below(lower, upper):
    """Whether one value is at most another, to the solver's rounding."""
    return lower <= upper + CLOSE + 1e-9 * abs(upper)


@given(case=cases(), step=st.sampled_from([0.25, 1.0, 2.0]), data=st.data())
def test_prices_lie_between_the_differences_to_both_sides(case, step, data):
    """A core, a GiB or a pod more costs at least its price, one less saves at most its price."""
    program = case.program()
    here = program.solve(case.state, case.counts)
    number = data.draw(st.integers(0, len(case.classes) - 1))
    shape = data.draw(st.integers(0, len(case.shapes) - 1))
    held = case.state.placed_cpu_cores[number], case.state.placed_memory_bytes[number] / GIBIBYTE
    group = case.classes[number]
    room = case.state.nodes[number] * np.array([group.cpu_cores, group.memory_bytes / GIBIBYTE])
    for sign in (step, -step):
        cores, gibibytes = np.clip(sign, -np.array(held), room - held)
        counts = case.counts.copy()
        counts[shape] = max(0.0, counts[shape] + sign)
        for there, change in (
            (
                program.solve(case.with_cores(number, cores), case.counts),
                here.watts_per_core[number] * cores,
            ),
            (
                program.solve(case.with_gibibytes(number, gibibytes), case.counts),
                here.watts_per_gibibyte[number] * gibibytes,
            ),
            (
                program.solve(case.state, counts),
                here.watts_per_pod[shape] * (counts - case.counts)[shape],
            ),
        ):
            assert below(value(here) + change - here.gap_watts, value(there))


@given(case=cases())
def test_prices_are_those_of_an_optimum(case):
    """The gap of the prices is no more than the solver's rounding."""
    assert case.program().solve(case.state, case.counts).gap_watts <= CLOSE


@given(case=cases(), others=st.lists(st.integers(0, 8), min_size=4, max_size=4))
def test_a_warm_start_finds_the_value_and_the_prices_of_a_cold_one(case, others):
    """Where the solver comes from changes neither the value nor the prices."""
    program = case.program()
    program.solve(FleetState.empty(case.classes), np.array(others[: len(case.shapes)], dtype=float))
    warm = program.solve(case.state, case.counts)
    cold = case.program().solve(case.state, case.counts)

    assert value(warm) == pytest.approx(value(cold), abs=CLOSE)
    assert warm.watts_per_core == pytest.approx(cold.watts_per_core, abs=CLOSE)
    assert warm.watts_per_gibibyte == pytest.approx(cold.watts_per_gibibyte, abs=CLOSE)


@given(case=cases(empty=True))
def test_an_empty_state_gives_the_bound_of_the_placement_program(case):
    """Without a state the value is the relaxed bound; it says what fits where that says None."""
    found = case.program().solve(case.state, case.counts)
    bound = PlacementProgram(
        case.classes,
        case.shapes,
        usage_ratio=case.usage_ratio,
        nodes_may_sleep=case.nodes_may_sleep,
        integer=False,
    ).solve(case.counts)

    if bound is None:
        assert found.unplaced_counts.sum() > 0.0
    else:
        assert found.unplaced_counts.sum() == 0.0
        assert found.watts == pytest.approx(bound.watts, abs=CLOSE)


@given(
    placed=st.lists(st.tuples(st.integers(1, 3), st.integers(1, 6)), max_size=2),
    queue=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 8)), min_size=1, max_size=3),
    usage_ratio=st.sampled_from([0.5, 1.0]),
    sleep=st.booleans(),
)
def test_no_placement_of_the_queue_costs_less_than_the_value(placed, queue, usage_ratio, sleep):
    """By trying all placements beside the pods that stand on the first nodes already."""
    fleet = fleet_of((2, 4, 16, OLD), (1, 8, 16, STEEP))
    classes = fleet.classes
    here = np.zeros((2, 2))
    awake = np.zeros(2)
    for node, (cpu, memory) in enumerate(placed):
        here[:, classes.class_of_node[node]] += cpu, memory * GIBIBYTE
        awake[classes.class_of_node[node]] += 1
    state = replace(
        FleetState.empty(classes.classes),
        awake_nodes=awake,
        placed_cpu_cores=here[0],
        placed_memory_bytes=here[1],
    )
    case = Case(classes.classes, shapes_of(*queue), state, np.ones(len(queue)), usage_ratio, sleep)
    found = case.program().solve(state, case.counts)
    best = min(
        watts_of_each_placement(fleet, placed, queue, usage_ratio, sleep=sleep), default=None
    )

    if best is not None:
        assert found.penalty_watts == 0.0
        assert below(found.watts, best)


def watts_of_each_placement(fleet, placed, queue, usage_ratio, *, sleep):
    """Watts of every placement of the queue that fits, one pod standing on each first node."""
    for choice in itertools.product(range(len(fleet.nodes)), repeat=len(queue)):
        watts = 0.0
        for index, (node, profile) in enumerate(zip(fleet.nodes, fleet.profiles, strict=True)):
            mine = [pod for pod, place in zip(queue, choice, strict=True) if place == index]
            mine += placed[index : index + 1]
            cpu, size = 1000 * sum(pod[0] for pod in mine), node.allocatable
            if cpu > size.cpu_millicores or sum(p[1] for p in mine) * GIBIBYTE > size.memory_bytes:
                break
            asleep = sleep and not mine
            load = usage_ratio * cpu / size.cpu_millicores
            watts += profile.sleep_watts if asleep else profile.curve.watts_at(load)
        else:
            yield watts


@given(case=cases(), data=st.data())
def test_more_to_carry_never_costs_less(case, data):
    """The value rises with the demand, with what is placed, and when no node may sleep."""
    program = case.program()
    here = program.solve(case.state, case.counts)
    number = data.draw(st.integers(0, len(case.classes) - 1))
    never = case.program(nodes_may_sleep=False).solve(case.state, case.counts)

    assert below(value(here), value(program.solve(case.state, case.counts + 1.0)))
    for more in (case.with_cores(number, 1.0), case.with_gibibytes(number, 1.0)):
        there = program.solve(more, case.counts)
        assert there.overloaded[number] or below(value(here), value(there))
    assert below(value(here), value(never))
    assert never.awake_nodes == pytest.approx(case.state.nodes)


@given(case=cases(), ratio=st.sampled_from([0.2, 0.5, 0.8]))
def test_a_ceiling_keeps_nodes_below_it(case, ratio):
    """No class runs more than the ceiling of its awake nodes' cores, or it is said to."""
    found = case.program(ceiling_ratio=ratio).solve(case.state, case.counts)
    cores = case.state.placed_cpu_cores + case.shapes.cpu_cores @ found.placed_counts
    size = np.array([group.cpu_cores for group in case.classes])

    room = ratio * found.awake_nodes * size
    assert np.all((case.usage_ratio * cores <= room + CLOSE) | found.overloaded)
    assert found.placed_counts.sum(axis=1) + found.unplaced_counts == pytest.approx(case.counts)


def test_a_sleeping_class_is_worth_what_waking_it_costs():
    """Unused, a full node's cores and memory together cost its watts less those asleep."""
    group = fleet_of((3, 8, 32, OLD)).classes.classes
    program = PriceProgram(group, shapes_of((1, 1)))
    found = program.solve(FleetState.empty(group), [0.0])

    whole = 8 * found.watts_per_core[0] + 32 * found.watts_per_gibibyte[0]
    assert whole == pytest.approx(300.0 - 5.0)
    assert found.watts_per_core[0] == pytest.approx(295.0 / 8)


def test_nodes_that_never_sleep_are_priced_by_their_slope_alone():
    """Idle watts are spent anyway; a class may sleep while another may not."""
    groups = fleet_of((3, 8, 32, OLD), (3, 8, 32, NEW)).classes.classes
    program = PriceProgram(groups, shapes_of((1, 1)), nodes_may_sleep=[False, True])
    found = program.solve(FleetState.empty(groups), [1.0])

    assert found.watts_per_core == pytest.approx([200.0 / 8, 245.0 / 8])
    assert found.awake_nodes == pytest.approx([3.0, 0.0])


def test_memory_that_runs_out_is_what_costs():
    """A GiB of the better class, full of memory-heavy pods, is worth what it saves elsewhere."""
    groups = fleet_of((2, 64, 64, NEW), (4, 64, 128, OLD)).classes.classes
    found = PriceProgram(groups, shapes_of((1, 16))).solve(FleetState.empty(groups), [30.0])

    assert found.placed_counts == pytest.approx(np.array([[8.0, 22.0]]))
    assert found.watts_per_gibibyte == pytest.approx([95.0 / 128] * 2)
    assert found.watts_per_core == pytest.approx([200.0 / 64] * 2)


def test_a_usage_ratio_by_class_prices_requests_by_their_use():
    """A requested core of which half is used costs half as much."""
    groups = fleet_of((3, 8, 32, OLD), (3, 8, 33, OLD)).classes.classes
    program = PriceProgram(groups, shapes_of((1, 1)), usage_ratio=[1, 0.5], nodes_may_sleep=False)
    found = program.solve(FleetState.empty(groups), [0.0])

    assert found.watts_per_core == pytest.approx([25.0, 12.5])


def test_shapes_go_only_where_they_are_allowed():
    """A class stays empty of what it does not admit; what is admitted nowhere waits."""
    groups = fleet_of((3, 8, 32, OLD), (3, 8, 32, NEW)).classes.classes
    allowed = [[True, False], [False, False]]
    program = PriceProgram(groups, shapes_of((1, 1), (2, 2)), allowed=allowed)
    found = program.solve(FleetState.empty(groups), [4.0, 2.0])

    assert found.placed_counts == pytest.approx(np.array([[4.0, 0.0], [0.0, 0.0]]))
    assert found.unplaced_counts == pytest.approx([0.0, 2.0])
    assert found.penalty_watts > 1000 * found.watts


@pytest.mark.parametrize("unit", [1, 2**30])
def test_an_extended_resource_is_priced_where_it_runs_out(unit):
    """The good class runs out of it: the next unit costs what it does on the old class instead.

    Whether it is counted in pieces or in bytes makes no difference.
    """
    good = NodeClass(
        name="good", cpu_cores=8, memory_bytes=64 * GIBIBYTE, profile=NEW, count=1,
        extended={"pages": 4 * unit},
    )  # fmt: skip
    groups = [good, replace(good, name="old", profile=OLD), replace(good, name="bare", extended={})]
    shapes = Shapes(
        cpu_cores=np.ones(1),
        memory_bytes=np.ones(1) * GIBIBYTE,
        extended={"pages": np.ones(1) * unit},
    )
    program = PriceProgram(groups, shapes, nodes_may_sleep=[True, True, True])
    state = FleetState.empty(groups)
    found = program.solve(state, [5.0])
    prices = unit * found.watts_per_extended["pages"]

    assert found.placed_counts == pytest.approx(np.array([[4.0, 1.0, 0.0]]))
    assert prices[0] > prices[1] / 2 > prices[2] == 0.0
    more = replace(state, placed_extended={"pages": np.array([0.5, 0.0, 0.0]) * unit})
    there = program.solve(more, [5.0])
    assert there.watts - found.watts == pytest.approx(0.5 * prices[0])
    assert there.placed_counts == pytest.approx(np.array([[3.5, 1.5, 0.0]]))


@given(case=cases())
def test_nodes_that_carry_pods_stay_awake(case):
    """As many nodes of each class are awake as carry pods, at least, and no more than there are."""
    found = case.program().solve(case.state, case.counts)

    assert np.all(found.awake_nodes >= case.state.awake_nodes - 1e-6)
    assert np.all(found.awake_nodes <= case.state.nodes + 1e-6)


def test_more_than_a_class_can_carry_is_said():
    """What is placed beyond capacity is no reason to fail, and marks its class."""
    groups = fleet_of((1, 8, 32, OLD), (1, 8, 32, NEW)).classes.classes
    state = replace(
        FleetState.empty(groups), awake_nodes=np.ones(2), placed_cpu_cores=np.array([9.0, 1.0])
    )
    found = PriceProgram(groups, shapes_of((1, 1))).solve(state, [1.0])

    assert found.overloaded.tolist() == [True, False]
    assert found.placed_counts.tolist() == [[0.0, 1.0]]


def test_out_of_time_there_are_no_prices_but_a_reason():
    """A deadline that has passed gives a reason, and a later solve is as good as ever."""
    groups = fleet_of((3, 8, 32, OLD), (3, 8, 32, NEW)).classes.classes
    program = PriceProgram(groups, shapes_of((1, 1), (2, 8)))
    late = program.solve(FleetState.empty(groups), [8.0, 4.0], deadline_seconds=-1.0)

    assert isinstance(late, Unsolved)
    assert "in time" in late.reason
    assert program.solve(FleetState.empty(groups), [8.0, 4.0]).watts > 0.0


BAD = [float("nan"), float("inf"), -1.0]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("name", ["counts", "nodes", "awake_nodes", "placed_cpu_cores"])
def test_amounts_that_are_none_are_refused_in_one_line(name, bad):
    """NaN, infinite and negative amounts end in one line, not in prices."""
    groups = fleet_of((1, 8, 32, OLD)).classes.classes
    state, counts = FleetState.empty(groups), [1.0]
    if name == "counts":
        counts = [bad]
    else:
        state = replace(state, **{name: np.array([bad])})
    with pytest.raises(InputError, match="negative or no number") as caught:
        PriceProgram(groups, shapes_of((1, 1))).solve(state, counts)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "terms",
    [
        {"usage_ratio": 0.0},
        {"usage_ratio": [0.5, 1.5]},
        {"ceiling_ratio": float("nan")},
        {"ceiling_ratio": [1.0, 1.0, 1.0]},
        {"allowed": [[True] * 3]},
    ],
)
def test_impossible_terms_are_refused(terms):
    """A ratio outside (0, 1], or a term for other classes than there are, is refused."""
    groups = fleet_of((1, 8, 32, OLD), (1, 8, 32, NEW)).classes.classes
    with pytest.raises(InputError):
        PriceProgram(groups, shapes_of((1, 1)), **terms)


def test_a_state_of_other_classes_is_refused():
    """A state needs an entry for each class, and no more nodes awake than there are."""
    groups = fleet_of((1, 8, 32, OLD), (1, 8, 32, NEW)).classes.classes
    program, state = PriceProgram(groups, shapes_of((1, 1))), FleetState.empty(groups)

    with pytest.raises(InputError, match="classes"):
        program.solve(FleetState.empty(groups[:1]), [1.0])
    with pytest.raises(InputError, match="awake"):
        program.solve(replace(state, awake_nodes=np.array([2.0, 0.0])), [1.0])
    with pytest.raises(InputError, match="counts"):
        program.solve(state, [1.0, 1.0])
    with pytest.raises(InputError, match="no classes"):
        PriceProgram([], shapes_of((1, 1)))
