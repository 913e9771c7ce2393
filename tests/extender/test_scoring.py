"""Scores of ranks, and which node kube-scheduler will take among those of the best one."""

from __future__ import annotations

import numpy as np
from core_scenes import GIBIBYTE, server, task
from hypothesis import given
from hypothesis import strategies as st
from model_objects import table_of

from cluster.scheduling.table import NodeTable
from extender.scoring import (
    WORST_RANK,
    candidate_ranks,
    most_allocated,
    packed_best,
    score_of_rank,
)


class PricedRule:
    """A rule that knows the price of every node, whoever asks."""

    name = "priced"

    def __init__(self, *watts: float) -> None:
        self._watts = np.array(watts)

    def costs(self, table, pod):
        """As watts."""
        return self._watts

    def watts(self, table, pod):
        """As told."""
        return self._watts

    def reason(self, table, pod, node):
        """None."""
        return ""


def empty_table(count: int) -> NodeTable:
    """Give a table of nodes alike."""
    return table_of([server(f"n{number}") for number in range(count)])


def test_ten_for_the_best_rank_and_one_less_for_each_after_it() -> None:
    """Down to 0."""
    assert score_of_rank(np.arange(13)).tolist() == [10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0, 0]


@given(
    st.lists(st.floats(0, 1e6), min_size=1, max_size=30),
    st.data(),
)
def test_a_closed_node_is_never_above_an_open_one(watts, data) -> None:
    """Be it the cheapest; and an open one never looks like a closed one."""
    count = len(watts)
    closed = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    rows = np.arange(count)
    rank = candidate_ranks(PricedRule(*watts), empty_table(count), task("p"), rows, closed=closed)
    assert (rank[closed] == WORST_RANK).all()
    if closed.any():
        assert (rank[~closed] < WORST_RANK).all()
    if not closed.all():
        assert rank[~closed].min() == 0


def test_ranks_are_of_the_candidates_asked_for_in_their_order() -> None:
    """A cheaper node that is no candidate takes no rank."""
    rule = PricedRule(1.0, 50.0, 30.0, 30.1)
    rank = candidate_ranks(rule, empty_table(4), task("p"), np.array([3, 1, 2]))
    assert rank.tolist() == [0, 1, 0]


def test_the_fullest_of_the_best_rank_is_taken() -> None:
    """A fuller node of a worse rank is not."""
    table = table_of(
        [server("a"), server("b"), server("c")],
        {"b": [task("p1", 2000)], "c": [task("p2", 7000)]},
    )
    assert packed_best(table, task("p"), np.arange(3), np.array([0, 0, 1])) == 1
    assert packed_best(table, task("p"), np.arange(3), np.array([0, 1, 1])) == 0
    assert packed_best(table, task("p"), np.zeros(0, np.int64), np.zeros(0, np.int64)) == -1


def test_whole_points_of_cpu_and_memory_are_added_as_kube_scheduler_does() -> None:
    """By hand: 3 of 8 cores are 37 points, 2 of 32 GiB are 6; their mean is 21."""
    table = table_of([server("a")], {"a": [task("p1", 2000, GIBIBYTE)]})
    assert most_allocated(table, task("p", 1000, GIBIBYTE), np.array([0])).tolist() == [21]


def test_a_pod_without_requests_counts_what_kube_scheduler_assumes() -> None:
    """A tenth of a core and 200 MiB: 1 and 0 points."""
    points = most_allocated(table_of([server("a")]), task("p", 0, 0), np.array([0]))
    assert points.tolist() == [0]
    table = table_of([server("a")], {"a": [task(f"p{n}", 0, 0) for n in range(20)]})
    assert most_allocated(table, task("p", 0, 0), np.array([0])).tolist() == [(26 + 12) // 2]


def test_more_than_everything_is_everything() -> None:
    """A node that is overfull has 100 points and not more."""
    table = table_of([server("a")], {"a": [task("p1", 9000, 40 * GIBIBYTE)]})
    assert most_allocated(table, task("p"), np.array([0])).tolist() == [100]
