"""The event loop: order of time, waiting pods, and a table that ends as it should."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from small_fleets import NEW, FirstFit, fleet_of, stream_of

from simulator.engine import NOWHERE, run

INF = float("inf")


def place(fleet, stream, end_seconds):
    """Run first fit; its decisions are not timed."""
    ticks = itertools.count()
    return run(
        fleet.nodes, stream, FirstFit(), end_seconds=end_seconds, clock=lambda: float(next(ticks))
    )


def test_a_departure_makes_room_for_a_pod_that_waited():
    """The second pod is placed the moment the first leaves, and stays for its whole lifetime."""
    fleet = fleet_of((1, 4, 8, NEW))
    record = place(fleet, stream_of([(0, 100, 4000, 1), (10, 50, 4000, 1)]), 1000)

    assert record.change_seconds.tolist() == [0, 100, 100, 150]
    assert record.change_pods.tolist() == [1, 0, 1, 0]
    assert record.waited_pod_seconds == 90
    assert record.pending_pods == 0


def test_waiting_pods_keep_their_order():
    """When room appears the pod that came first is tried first."""
    fleet = fleet_of((1, 4, 8, NEW))
    rows = [(0, 100, 4000, 1), (10, INF, 3000, 1), (20, INF, 3000, 1)]

    assert place(fleet, stream_of(rows), 1000).node_of_pod.tolist() == [0, 0, NOWHERE]


def test_a_small_pod_need_not_wait_for_a_large_one():
    """Room that the first in line cannot use goes to the next that can."""
    fleet = fleet_of((1, 4, 8, NEW))
    rows = [(0, 100, 2000, 1), (0, INF, 2000, 1), (10, INF, 4000, 1), (20, INF, 1500, 1)]

    assert place(fleet, stream_of(rows), 1000).node_of_pod.tolist() == [0, 0, NOWHERE, 0]


def test_a_pod_larger_than_every_node_stays_pending_and_harms_nobody():
    """It is counted, and the others are placed."""
    fleet = fleet_of((1, 4, 8, NEW))
    record = place(fleet, stream_of([(0, INF, 9000, 1), (0, INF, 1000, 1)]), 60)

    assert record.node_of_pod.tolist() == [NOWHERE, 0]
    assert record.waited_pod_seconds == 60


def test_a_departure_at_the_moment_of_an_arrival_comes_first():
    """A pod that leaves at t makes room for one that arrives at t."""
    fleet = fleet_of((1, 4, 8, NEW))
    record = place(fleet, stream_of([(0, 10, 4000, 1), (10, INF, 4000, 1)]), 60)

    assert record.waited_pod_seconds == 0


def test_pods_after_the_end_are_left_out():
    """What arrives later than the end is not placed."""
    fleet = fleet_of((1, 4, 8, NEW))

    record = place(fleet, stream_of([(0, 5, 1, 1), (70, 5, 1, 1)]), 60)

    assert record.decisions == 1
    assert record.pending_pods == 0


@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 100), st.integers(1, 200), st.integers(0, 4000), st.integers(0, 4096)
        ),
        max_size=30,
    )
)
def test_no_node_ever_carries_more_than_it_has(rows):
    """Requests stay within the node, time never runs back, and the last departure empties all."""
    fleet = fleet_of((2, 4, 8, NEW))
    record = place(fleet, stream_of(sorted(rows, key=lambda row: row[0])), 1e9)

    assert (record.change_cpu_millicores <= 4000).all()
    assert (record.change_cpu_millicores >= 0).all()
    assert (np.diff(record.change_seconds) >= 0).all()
    for node in range(2):
        assert record.change_pods[record.change_node == node][-1:].sum() == 0
