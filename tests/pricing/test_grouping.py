"""Fewer classes and shapes: the true value lies between those of the stand-ins."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from price_cases import PROFILES, Case, cases, shapes_of, value
from small_fleets import NEW, OLD, fleet_of

from energy.errors import InputError
from pricing.fleet_state import FleetState
from pricing.grouping import group_nodes, group_shapes, value_range
from pricing.node_class import NodeClasses
from pricing.price_program import PriceProgram
from pricing.terms import Shapes

CLOSE = 1e-3


def classified(case):
    """The classes of a case with the class of each node."""
    numbers = np.repeat(np.arange(len(case.classes)), [group.count for group in case.classes])
    return NodeClasses(classes=case.classes, class_of_node=numbers)


def all_draw_alike(case, ratio):
    """The case with profiles that differ in watts by up to a ratio, so that mergers matter."""
    classes = [
        replace(
            group,
            profile=group.profile.with_curve(group.curve.scaled(1.0 + ratio * number)),
        )
        for number, group in enumerate(case.classes)
    ]
    return replace(case, classes=tuple(classes))


@given(
    case=cases(empty=True),
    nodes_most=st.integers(1, 3),
    shapes_most=st.integers(1, 4),
    ratio=st.sampled_from([0.0, 0.1]),
)
def test_the_true_value_lies_within_the_range(case, nodes_most, shapes_most, ratio):
    """On an empty fleet the value over all classes and shapes lies between the stand-ins'."""
    case = all_draw_alike(case, ratio)
    nodes = group_nodes(classified(case), nodes_most)
    shapes = group_shapes(case.shapes, case.counts, shapes_most)
    found = value_range(
        nodes,
        shapes,
        case.counts,
        usage_ratio=case.usage_ratio,
        nodes_may_sleep=case.nodes_may_sleep,
    )
    true = value(case.program().solve(case.state, case.counts))

    assert found.lower_watts <= true + CLOSE + 1e-9 * true
    assert true <= found.upper_watts + CLOSE + 1e-9 * true
    assert len(nodes.lower.classes) <= nodes_most
    assert len(shapes.lower) <= shapes_most
    assert shapes.counts(case.counts).sum() == pytest.approx(case.counts.sum())


@given(case=cases(), most=st.integers(1, 3))
def test_the_lower_stand_ins_bound_any_state(case, most):
    """With pods placed already, the value over lower stand-ins is no more than the true one."""
    nodes = group_nodes(classified(case), most)
    size = len(nodes.lower.classes)

    def summed(amounts):
        return np.bincount(nodes.group_of_class, amounts, size)

    state = FleetState(
        nodes=summed(case.state.nodes),
        awake_nodes=summed(case.state.awake_nodes),
        placed_cpu_cores=summed(case.state.placed_cpu_cores),
        placed_memory_bytes=summed(case.state.placed_memory_bytes),
    )
    true = case.program().solve(case.state, case.counts)
    grouped = Case(
        nodes.lower.classes,
        case.shapes,
        state,
        case.counts,
        case.usage_ratio,
        case.nodes_may_sleep,
    )
    found = grouped.program().solve(state, case.counts)

    if not true.penalty_watts:
        assert found.penalty_watts == 0.0
        assert found.watts <= true.watts + CLOSE


@given(
    parts=st.lists(
        st.tuples(
            st.integers(1, 3),
            st.sampled_from([4, 8, 9, 16]),
            st.sampled_from([16, 17, 64]),
            st.sampled_from(PROFILES),
        ),
        min_size=1,
        max_size=8,
        unique_by=lambda part: part[1:],
    ),
    most=st.integers(1, 8),
)
def test_groups_hold_all_nodes_and_no_member_is_better(parts, most):
    """Each node is in one group; stand-ins are as good, or as bad, as the members allow."""
    classes = fleet_of(*parts).classes
    groups = group_nodes(classes, most)

    assert sum(group.count for group in groups.lower.classes) == len(classes.class_of_node)
    for node, number in enumerate(groups.lower.class_of_node):
        member = classes.classes[classes.class_of_node[node]]
        low, high = groups.lower.classes[number], groups.upper.classes[number]
        assert low.cpu_cores >= member.cpu_cores >= high.cpu_cores
        assert low.memory_bytes >= member.memory_bytes >= high.memory_bytes
        for cores in np.linspace(0.0, high.cpu_cores, 23):
            watts = member.curve.watts_at(cores / member.cpu_cores)
            assert low.curve.watts_at(cores / low.cpu_cores) <= watts + 1e-9
            assert high.curve.watts_at(cores / high.cpu_cores) >= watts - 1e-9


def test_like_classes_are_merged_before_unlike_ones():
    """Two of three sizes that differ by a gibibyte become one class, and the error is small."""
    classes = fleet_of((4, 16, 63, NEW), (4, 16, 64, NEW), (4, 16, 64, OLD)).classes
    groups = group_nodes(classes, 2)
    shapes = group_shapes(shapes_of((1, 1), (2, 2)), [30.0, 10.0], 2)
    found = value_range(groups, shapes, [30.0, 10.0])

    assert groups.group_of_class.tolist() == [0, 0, 1]
    assert "1 like it" in groups.lower.classes[0].name
    assert 0.0 <= found.error_watts <= 0.02 * found.lower_watts


def test_nothing_is_merged_without_need():
    """As many groups as classes leave everything as it was, and no error."""
    classes = fleet_of((4, 16, 63, NEW), (4, 16, 64, OLD)).classes
    groups = group_nodes(classes, 2)
    shapes = group_shapes(shapes_of((1, 1), (2, 2)), [30.0, 10.0], 5)

    assert groups.lower.classes == groups.upper.classes == classes.classes
    assert value_range(groups, shapes, [30.0, 10.0]).error_watts == pytest.approx(0.0, abs=1e-6)


def test_different_kinds_stay_apart():
    """Classes of other kinds, and shapes of other feasibility or resources, are never merged."""
    classes = fleet_of((4, 16, 63, NEW), (4, 16, 64, NEW)).classes
    shapes = Shapes(
        cpu_cores=np.ones(3), memory_bytes=np.ones(3), extended={"gpu": np.array([0.0, 0.0, 1.0])}
    )
    allowed = np.array([[True], [False], [True]])

    assert len(group_nodes(classes, 1, kinds=["a", "b"]).lower.classes) == 2
    assert len(group_nodes(classes, 1).lower.classes) == 1
    assert group_shapes(shapes, np.ones(3), 1).group_of_shape.tolist() == [0, 0, 1]
    assert len(group_shapes(shapes, np.ones(3), 1, allowed=allowed).lower) == 3


def test_many_like_nodes_are_priced_by_few_classes():
    """Forty sizes in four groups: the value is within a few percent, and the range says so."""
    rng = np.random.default_rng(3)
    parts = [
        (2, int(cores), int(memory), profile)
        for cores, profile in ((16, OLD), (64, NEW))
        for memory in rng.choice(np.arange(100, 140), 20, replace=False)
    ]
    classes = fleet_of(*parts).classes
    groups = group_nodes(classes, 4)
    sizes = shapes_of((1, 1), (2, 4))
    shapes = group_shapes(sizes, [300.0, 200.0], 2)
    found = value_range(groups, shapes, [300.0, 200.0])
    true = PriceProgram(classes.classes, sizes).solve(
        FleetState.empty(classes.classes), [300.0, 200.0]
    )

    assert len(classes.classes) == 40
    assert found.lower_watts - CLOSE <= true.watts <= found.upper_watts + CLOSE
    assert found.error_watts < 0.05 * true.watts


@pytest.mark.parametrize("most", [0, -1])
def test_no_groups_at_all_are_refused(most):
    """At least one group is needed."""
    with pytest.raises(InputError, match="allow one"):
        group_nodes(fleet_of((1, 4, 8, OLD), (1, 4, 9, OLD)).classes, most)
