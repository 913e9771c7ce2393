"""Streams merge in order, and their mean demand holds every pod-second."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_fleets import stream_of

from simulator.stream import mean_demand, merged

INF = float("inf")


@given(
    rows=st.lists(
        st.tuples(
            st.floats(0, 900),
            st.floats(0, 2000) | st.just(INF),
            st.sampled_from([100, 200]),
            st.sampled_from([1, 2]),
        ),
        min_size=1,
        max_size=20,
    ),
    start=st.sampled_from([0.0, 300.0]),
)
def test_mean_demand_holds_every_pod_second(rows, start):
    """Summed over steps, demand is the time that each pod spends in the window."""
    stream = stream_of(sorted(rows, key=lambda row: row[0]))
    demand = mean_demand(stream, start_seconds=start, end_seconds=900.0, step_seconds=300.0)

    stays = np.minimum(stream.departure_seconds, 900.0) - np.maximum(stream.arrival_seconds, start)
    expected = np.maximum(stays, 0.0).sum()
    assert demand.counts.sum() * demand.step_seconds == pytest.approx(expected, abs=1e-6)


def test_merged_streams_arrive_in_order_of_time():
    """Merging sorts by arrival and keeps each pod's lifetime with it."""
    one = stream_of([(0, 1, 100, 1), (10, 2, 100, 1)])
    two = stream_of([(5, 3, 200, 1)])
    both = merged([one, two])

    assert both.arrival_seconds.tolist() == [0, 5, 10]
    assert both.lifetime_seconds.tolist() == [1, 3, 2]
    assert [pod.requests.cpu_millicores for pod in both.pods] == [100, 200, 100]
