"""Recorded pods compressed to a load: the load is met, and stays steady."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from small_fleets import NEW, fleet_of

from energy.errors import InputError
from simulator.pod_file import PodFile, PodRecord
from simulator.recorded import recorded_stream
from simulator.stream import mean_demand

INF = float("inf")


def record(number, arrival, lifetime, cpu=1000, memory=64):
    """A row of a file."""
    return PodRecord(
        name=f"p{number}",
        cpu_millicores=cpu,
        memory_mebibytes=memory,
        arrival_seconds=arrival,
        lifetime_seconds=lifetime,
    )


def mean_cores(recorded):
    """Mean requested cores over the window, by the demand that the bound is solved for."""
    end = recorded.end_seconds
    demand = mean_demand(recorded.stream, start_seconds=0, end_seconds=end, step_seconds=end / 10)
    return float((demand.counts * demand.shapes.cpu_cores).sum(axis=1).mean())


@given(
    rows=st.lists(
        st.tuples(st.floats(0, 1e6), st.floats(1, 1e6) | st.just(INF), st.integers(500, 4000)),
        min_size=3,
        max_size=30,
    ),
    load=st.floats(0.02, 0.5),
)
def test_compressed_time_meets_the_stated_load(rows, load):
    """The mean requested share over the window is what was asked for."""
    fleet = fleet_of((1, 8, 1024, NEW))
    records = [record(n, a, life, cpu) for n, (a, life, cpu) in enumerate(rows)]
    assume(sum(row[2] for row in rows) / 8000 > load * 1.01)
    assume(np.ptp([row[0] for row in rows]) > 1)
    assume(any(row[1] < INF for row in rows))
    try:
        recorded = recorded_stream(PodFile(records=tuple(records), is_openb=False), fleet, load)
    except InputError:
        # Pods that never leave may alone exceed the load.
        assert sum(cpu for _, life, cpu in rows if life == INF) / 8000 > load * 0.99
        return

    assert mean_cores(recorded) / 8 == pytest.approx(load, rel=1e-3)


def test_our_own_file_keeps_its_time_without_a_load():
    """Arrivals and lifetimes are those of the file; the run ends with the last arrival."""
    records = (record(0, 0, 50), record(1, 100, INF))
    recorded = recorded_stream(
        PodFile(records=records, is_openb=False), fleet_of((1, 8, 8, NEW)), None
    )

    assert recorded.stream.arrival_seconds.tolist() == [0, 100]
    assert recorded.stream.lifetime_seconds.tolist() == [50, INF]
    assert recorded.end_seconds == 100
    assert recorded.time_factor == 1


def test_rows_that_were_never_scheduled_are_counted():
    """A row without a lifetime is left out and counted."""
    records = (record(0, 0, 50), record(1, 10, None), record(2, 100, 50))
    recorded = recorded_stream(
        PodFile(records=records, is_openb=False), fleet_of((1, 8, 8, NEW)), None
    )

    assert recorded.unscheduled_pods == 1
    assert len(recorded.stream) == 2


def test_a_load_that_cannot_be_reached_is_refused_in_a_line():
    """Too few pods for the load: the error says what all of them request."""
    records = (record(0, 0, 50), record(1, 100, 50))
    with pytest.raises(InputError, match=r"all pods at once request 25\.0%"):
        recorded_stream(PodFile(records=records, is_openb=False), fleet_of((1, 8, 8, NEW)), 0.9)


def test_a_burst_cannot_be_compressed():
    """All arrivals at one moment leave no time to compress."""
    records = (record(0, 5, 50), record(1, 5, 50))
    with pytest.raises(InputError, match="at once"):
        recorded_stream(PodFile(records=records, is_openb=False), fleet_of((1, 8, 8, NEW)), 0.1)
