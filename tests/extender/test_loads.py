"""Present loads: what was measured and what came since, else requests; never a guess of nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from core_scenes import CORES, server, task
from hypothesis import given
from hypothesis import strategies as st
from model_objects import table_of

from extender.loads import LAG_SECONDS, Loads, MeasuredLoad

NOW = 10_000.0
NAMES = ["n0", "n1", "n2"]
TABLE = table_of(
    [server(name) for name in NAMES], {"n0": [task("p", 4000)], "n1": [task("q", 2000)]}
)


def measured(cores: float, at: float = NOW, source: str = "prometheus") -> MeasuredLoad:
    """Give a measurement."""
    return MeasuredLoad(cpu_cores=cores, source=source, measured_at_seconds=at)


def loads_of(**nodes: MeasuredLoad) -> Loads:
    """Give loads at a usage ratio of 0.5 with these measurements."""
    loads = Loads(0.5)
    loads.take_over(TABLE)
    loads.measured(nodes)
    return loads


def cores(loads: Loads) -> list[float]:
    """Give cores in use by node."""
    return [round(ratio * CORES, 9) for ratio in loads.ratios(TABLE)]


def test_without_measurements_requests_times_the_ratio_stand_in() -> None:
    """And the source says so."""
    loads = loads_of()
    assert cores(loads) == [2.0, 1.0, 0.0]
    assert loads.source_of("n0", NOW) == ("requests", None)


def test_a_measured_node_goes_by_its_measurement_and_the_others_by_requests() -> None:
    """Each with its source and age."""
    loads = loads_of(n1=measured(5.0, NOW - 7.0, "metrics.k8s.io"))
    assert cores(loads) == [2.0, 5.0, 0.0]
    assert loads.source_of("n1", NOW) == ("metrics.k8s.io", 7.0)
    assert loads.source_of("n2", NOW) == ("requests", None)


def test_an_age_is_never_negative() -> None:
    """Clocks differ."""
    assert loads_of(n1=measured(5.0, NOW + 3.0)).source_of("n1", NOW) == ("prometheus", 0.0)


def test_a_pod_that_was_bound_since_is_added() -> None:
    """At once, and again when the measurements are replaced by ones that cannot know of it."""
    loads = loads_of(n1=measured(5.0))
    loads.came("n1", 1.5, NOW + 1.0)
    assert cores(loads)[1] == 6.5
    loads.measured({"n1": measured(5.0, NOW + 15.0)})
    assert cores(loads)[1] == 6.5


def test_a_pod_is_not_counted_twice_once_the_measurement_has_seen_it() -> None:
    """A rate is taken over about a minute."""
    loads = loads_of(n1=measured(5.0))
    loads.came("n1", 1.5, NOW + 1.0)
    loads.measured({"n1": measured(6.5, NOW + 1.0 + LAG_SECONDS)})
    assert cores(loads)[1] == 6.5


def test_a_pod_on_a_node_that_is_not_measured_counts_by_its_requests_alone() -> None:
    """Which the table has."""
    loads = loads_of(n1=measured(5.0))
    loads.came("n0", 1.5, NOW + 1.0)
    loads.came("nowhere", 1.5, NOW + 1.0)
    assert cores(loads) == [2.0, 5.0, 0.0]


def test_what_is_too_old_is_dropped_and_requests_stand_in() -> None:
    """The names say for which nodes."""
    loads = loads_of(n0=measured(7.0, NOW - 121.0), n1=measured(5.0, NOW - 119.0))
    assert list(loads.drop_stale(NOW, 120.0)) == ["n0"]
    assert cores(loads) == [2.0, 5.0, 0.0]
    assert loads.source_of("n0", NOW)[0] == "requests"
    assert list(loads.drop_stale(NOW, 120.0)) == []


def test_measurements_follow_the_nodes_into_another_table() -> None:
    """By name; one of a node that is gone waits for it."""
    loads = loads_of(n1=measured(5.0), n9=measured(3.0))
    other = table_of([server("n9"), server("n1")])
    loads.take_over(other)
    assert (loads.ratios(other) * CORES).tolist() == [3.0, 5.0]


def test_rows_can_be_asked_for() -> None:
    """In the order asked."""
    rows = np.array([2, 0])
    assert (loads_of().ratios(TABLE, rows) * CORES).tolist() == [0.0, 2.0]


def test_loads_beyond_the_node_are_not_cut() -> None:
    """An overfull node must not look like a full one."""
    assert cores(loads_of(n1=measured(12.0)))[1] == 12.0


@pytest.mark.parametrize("absurd", [math.nan, -5.0, math.inf, -math.inf])
def test_what_cannot_be_does_not_make_a_node_look_empty(absurd: float) -> None:
    """Readers refuse such figures; if one came through, it must not attract."""
    assert cores(loads_of(n0=measured(absurd)))[0] >= 0.0


@given(
    st.lists(st.tuples(st.sampled_from(NAMES), st.floats(0, 8), st.floats(0, 300)), max_size=20),
    st.floats(0, 300),
)
def test_a_load_is_its_measurement_and_what_came_within_the_lag_before_it_or_later(
    binds: list[tuple[str, float, float]], measured_after: float
) -> None:
    """Against the definition, in any order of binds and whenever it is read."""
    loads = loads_of(n1=measured(1.0))
    for name, used, after in sorted(binds, key=lambda bind: bind[2]):
        loads.came(name, used, NOW + after)
    at = NOW + measured_after
    loads.measured({"n1": measured(1.0, at)})
    since = [used for name, used, after in binds if name == "n1" and NOW + after > at - LAG_SECONDS]
    assert math.isclose(loads.ratios(TABLE)[1] * CORES, 1.0 + sum(since), rel_tol=1e-9)
