"""What must hold on any cluster, and an independent reading of every constraint."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from model_objects import constrained_pods, node_lists, plain_pods
from slow_scheduler import SlowCluster

from cluster.model import Node, Pod
from cluster.scheduling.feasibility import feasible, reasons, resources_fit
from cluster.scheduling.profile import (
    SchedulerProfile,
    ScoringStrategy,
    ScoringStrategyType,
    ShapePoint,
)
from cluster.scheduling.scheduler import plugin_scores, schedule_one, total_scores
from cluster.scheduling.table import NodeTable
from cluster.scheduling.tie import TieState

NAMESPACES = {"default": {"team": "a"}, "other": {"team": "b"}}
PROFILES = st.sampled_from(
    [
        SchedulerProfile.default(),
        SchedulerProfile.most_allocated(),
        SchedulerProfile.energy_tiers(),
        SchedulerProfile(
            strategy=ScoringStrategy(
                type=ScoringStrategyType.REQUESTED_TO_CAPACITY_RATIO,
                resources=(("cpu", 1), ("example.com/gpu", 9)),
                shape=(ShapePoint(0, 0), ShapePoint(50, 10), ShapePoint(100, 3)),
            ),
            balanced_resources=("cpu", "memory", "example.com/gpu"),
        ),
    ]
)
pods = st.one_of(plain_pods, constrained_pods)
placements = st.lists(st.tuples(pods, st.integers(0, 5)), max_size=10)


def build(nodes: list[Node], placed: list[tuple[Pod, int]]) -> tuple[NodeTable, SlowCluster]:
    """Give the same cluster twice: as columns and as lists."""
    table = NodeTable.of(nodes, NAMESPACES)
    slow = SlowCluster(nodes, namespace_labels=NAMESPACES)
    for pod, row in placed:
        table.assign(pod, row % len(nodes))
        slow.pods[nodes[row % len(nodes)].name].append(pod)
    return table, slow


def columns(table: NodeTable) -> dict[str, Any]:
    """Give every public column of the table as lists."""
    state = {
        name: column.tolist()
        for name, column in vars(table).items()
        if isinstance(column, np.ndarray) and not name.startswith("_")
    }
    for name, column in table.requested_extended.items():
        if column.any():
            state[name] = column.tolist()
    return state


@given(node_lists, placements, pods)
def test_the_mask_agrees_with_a_reading_node_by_node(
    nodes: list[Node], placed: list[tuple[Pod, int]], pod: Pod
) -> None:
    """Arrays, caches and kinds of pods change nothing in the meaning of the constraints."""
    table, slow = build(nodes, placed)
    assert feasible(table, pod).tolist() == slow.feasible(pod)


@given(node_lists, placements, pods)
def test_a_node_is_refused_exactly_when_there_is_a_reason(
    nodes: list[Node], placed: list[tuple[Pod, int]], pod: Pod
) -> None:
    """Mask and reasons are two ways to say one thing."""
    table, _ = build(nodes, placed)
    told = [not why for why in reasons(table, pod)]
    assert told == feasible(table, pod).tolist()


@given(node_lists, placements, pods, pods)
def test_placing_a_pod_never_makes_room_for_another(
    nodes: list[Node], placed: list[tuple[Pod, int]], first: Pod, second: Pod
) -> None:
    """Resources that are taken are not there."""
    table, _ = build(nodes, placed)
    before = resources_fit(table, second)
    table.assign(first, 0)
    assert not (resources_fit(table, second) & ~before).any()


@given(node_lists, placements, pods, st.data())
def test_releasing_undoes_assigning_exactly(
    nodes: list[Node], placed: list[tuple[Pod, int]], probe: Pod, data: st.DataObject
) -> None:
    """After any comings and goings the table equals one that never knew the pods that left."""
    table, _ = build(nodes, placed)
    feasible(table, probe)  # asks its questions while the pods that will leave are there
    leaving = data.draw(st.sets(st.integers(0, len(placed) - 1))) if placed else set()
    for i in data.draw(st.permutations(sorted(leaving))):
        table.release(placed[i][0], placed[i][1] % len(nodes))
    fresh, _ = build(nodes, [each for i, each in enumerate(placed) if i not in leaving])
    assert columns(table) == columns(fresh)
    assert table.placed.any_terms == fresh.placed.any_terms
    assert feasible(table, probe).tolist() == feasible(fresh, probe).tolist()
    rows = slice(None)
    profile = SchedulerProfile.default()
    totals = total_scores(table, probe, profile, rows, len(nodes))
    assert totals.tolist() == total_scores(fresh, probe, profile, rows, len(nodes)).tolist()


@given(node_lists, placements, pods, PROFILES)
def test_scores_lie_between_0_and_100(
    nodes: list[Node], placed: list[tuple[Pod, int]], pod: Pod, profile: SchedulerProfile
) -> None:
    """kube-scheduler fails a cycle whose normalised scores lie outside."""
    table, _ = build(nodes, placed)
    for name, _weight, score in plugin_scores(table, pod, profile, slice(None)):
        values = np.asarray(score)
        assert values.dtype.kind == "i", name
        assert ((values >= 0) & (values <= 100)).all(), (name, values)


@given(node_lists, placements, pods, PROFILES, st.data())
def test_the_order_of_candidates_does_not_change_their_scores(
    nodes: list[Node],
    placed: list[tuple[Pod, int]],
    pod: Pod,
    profile: SchedulerProfile,
    data: st.DataObject,
) -> None:
    """All rows as a slice, as an array and shuffled: the same score for the same node."""
    table, _ = build(nodes, placed)
    order = np.array(data.draw(st.permutations(range(len(nodes)))))
    in_order = total_scores(table, pod, profile, slice(None), len(nodes))
    shuffled = total_scores(table, pod, profile, order, len(nodes))
    assert shuffled.tolist() == in_order[order].tolist()


@given(node_lists, placements, pods, PROFILES)
def test_a_decision_changes_nothing_and_takes_a_feasible_node_of_the_highest_total(
    nodes: list[Node], placed: list[tuple[Pod, int]], pod: Pod, profile: SchedulerProfile
) -> None:
    """Deciding is not binding; the choice is always among the best."""
    table, _ = build(nodes, placed)
    before = columns(table)
    fits = np.flatnonzero(feasible(table, pod))
    placement = schedule_one(table, pod, profile, TieState())
    assert columns(table) == before
    if placement is None:
        assert len(fits) == 0
        return
    totals = dict(zip(fits, total_scores(table, pod, profile, fits, len(fits)), strict=True))
    assert totals[placement.index] == max(totals.values())
    assert placement.node_name == nodes[placement.index].name
    assert placement.feasible_count == len(fits)


@given(node_lists, placements, pods, st.data())
def test_other_nodes_with_the_pods_that_stay_are_as_a_table_built_afresh(
    nodes: list[Node], placed: list[tuple[Pod, int]], probe: Pod, data: st.DataObject
) -> None:
    """Nodes that come, go or change places take no pod with them that was not theirs."""
    table, _ = build(nodes, placed)
    feasible(table, probe)  # so that questions have been asked before
    kept = data.draw(st.lists(st.sampled_from(nodes), unique_by=lambda node: node.name))
    after = [*kept, Node(name="new-one", allocatable=nodes[0].allocatable)]

    moved = table.with_nodes(after)

    afresh = NodeTable.of(after, NAMESPACES)
    for pod, row in placed:
        name = nodes[row % len(nodes)].name
        if name in afresh.index_of:
            afresh.assign(pod, afresh.index_of[name])
    assert columns(moved) == columns(afresh)
    assert feasible(moved, probe).tolist() == feasible(afresh, probe).tolist()
    moved.assign(probe, 0)
    moved.release(probe, 0)
    assert columns(moved) == columns(afresh)
