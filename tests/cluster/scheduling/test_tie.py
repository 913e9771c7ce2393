"""Which of equal nodes wins, which nodes are looked at, and in what order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_objects import node

from cluster.scheduling.node_order import node_order
from cluster.scheduling.tie import TieRule, TieState, feasible_nodes_to_find
from energy.errors import InputError


def root_of_heap(scores: list[int]) -> int:
    """Do what Go's container/heap.Init does with the scores, and give the root's position."""
    heap = list(range(len(scores)))
    for start in reversed(range(len(heap) // 2)):
        parent = start
        while (child := 2 * parent + 1) < len(heap):
            if child + 1 < len(heap) and scores[heap[child + 1]] > scores[heap[child]]:
                child += 1
            if not scores[heap[child]] > scores[heap[parent]]:
                break
            heap[parent], heap[child] = heap[child], heap[parent]
            parent = child
    return heap[0]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=300))
def test_the_winner_of_a_tie_is_the_root_of_gos_heap(scores: list[int]) -> None:
    """Ranks replace the building of a heap, on any scores."""
    ties = np.flatnonzero(np.array(scores) == max(scores))
    assert TieState().choose(ties) == root_of_heap(scores)


def test_equal_nodes_all_lead_to_the_first() -> None:
    """Without an extender, pod after pod goes to one node, as measured on the real scheduler."""
    assert [TieState().choose(np.arange(count)) for count in (1, 2, 60, 5000)] == [0, 0, 0, 0]


def test_the_random_rule_takes_every_tie_and_only_ties() -> None:
    """With an extender every best node has its chance, the same for the same seed."""
    ties = np.array([3, 8, 11])

    def draws(seed: int) -> list[int]:
        state = TieState(TieRule.RANDOM, np.random.default_rng(seed))
        return [state.choose(ties) for _ in range(300)]

    chosen = draws(1)
    assert set(chosen) == {3, 8, 11}
    assert min(map(chosen.count, ties.tolist())) > 60
    assert chosen == draws(1)
    assert chosen != draws(2)


def test_the_random_rule_needs_its_generator() -> None:
    """Randomness is an argument."""
    with pytest.raises(InputError, match="random number generator"):
        TieState(TieRule.RANDOM)


@pytest.mark.parametrize(
    ("nodes", "percentage", "found"),
    [
        (10, 0, 10),
        (10, 40, 10),
        (1000, 0, 420),
        (1000, 40, 400),
        (6000, 0, 300),
        (6000, 40, 2400),
        (99, 5, 99),
        (100, 5, 100),
        (500, 0, 230),
        (5000, 0, 500),
        (15_000, 0, 750),
        (5000, 100, 5000),
    ],
)
def test_large_clusters_are_searched_in_part(nodes: int, percentage: int, found: int) -> None:
    """Facts of TestNumFeasibleNodesToFind (schedule_one_test.go) and of the documentation."""
    assert feasible_nodes_to_find(nodes, percentage) == found


@given(
    st.integers(0, 2**32),
    st.integers(90, 400),
    st.floats(0, 1),
    st.sampled_from([0, 5, 50, 100]),
)
def test_the_search_resumes_where_the_last_one_ended(
    seed: int, count: int, share: float, percentage: int
) -> None:
    """Beside a search node by node, as findNodesThatPassFilters does it with one worker."""
    rng = np.random.default_rng(seed)
    state, start = TieState(), 0
    for _ in range(3):
        fits = rng.random(count) < share
        wanted = feasible_nodes_to_find(count, percentage)
        found: list[int] = []
        processed = 0
        for step in range(count):
            row = (start + step) % count
            if fits[row]:
                if len(found) == wanted:
                    break
                found.append(row)
            processed += 1
        assert state.sample(fits, percentage).tolist() == found
        start = (start + processed) % count
        assert state.next_start_row == start


def test_nodes_are_listed_by_turns_from_each_zone() -> None:
    """Facts of TestNodeTree_List (node_tree_test.go)."""
    zone, region = "topology.kubernetes.io/zone", "topology.kubernetes.io/region"
    old_zone, old_region = (
        "failure-domain.beta.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
    )
    labels: list[dict[str, str]] = [
        {},
        {region: "region-1"},
        {zone: "zone-2"},
        {region: "region-1", zone: "zone-2"},
        {old_region: "region-1", old_zone: "zone-2"},
        {region: "region-1", zone: "zone-3"},
        {region: "region-2", zone: "zone-2"},
        {region: "region-2", zone: "zone-2"},
        {region: "region-2", zone: "zone-2"},
    ]
    nodes = [node(f"node-{i}", labels=each) for i, each in enumerate(labels)]
    listed = [each.name.removeprefix("node-") for each in node_order(nodes)]
    assert listed == ["0", "1", "2", "3", "5", "6", "4", "7", "8"]
