"""Comparisons on streams: bounds by hand, bounds of what was run, and honest waiting."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_fleets import NEW, OLD, fleet_of, stream_of

from simulator.comparison import StreamScenario, bound_joules, compare, oversized_pods
from simulator.policy import Setting
from simulator.stream import is_burst

INF = float("inf")


def scenario(fleet, rows, *, usage_ratio=1.0, sleep=False, end_seconds=3600.0):
    """A scenario over rows of (arrival, lifetime, millicores, mebibytes)."""
    return StreamScenario(
        name="test",
        fleet=fleet,
        stream=stream_of(sorted(rows, key=lambda row: row[0])),
        setting=Setting(usage_ratio=usage_ratio, nodes_may_sleep=sleep),
        seed=1,
        start_seconds=0.0,
        end_seconds=end_seconds,
    )


def test_the_bound_of_a_stream_is_what_a_hand_calculation_gives():
    """One node, half full for half of an hour: idle throughout, half of the dynamic watts."""
    half_hour = scenario(fleet_of((1, 4, 8, NEW)), [(0, 1800, 2000, 1), (1800, 1, 0, 1)])

    assert bound_joules(half_hour, half_hour.stream) == pytest.approx(50 * 3600 + 100 * 1800)


def test_the_bound_lets_idle_nodes_sleep():
    """Half of a node's work on one of two nodes: the relaxation wakes half a node."""
    asleep = scenario(fleet_of((2, 4, 8, NEW)), [(0, 1800, 2000, 1)], sleep=True)

    watts_awake = 0.5 * NEW.peak_watts + 1.5 * NEW.sleep_watts
    expected = watts_awake * 1800 + 2 * NEW.sleep_watts * 1800
    assert bound_joules(asleep, asleep.stream) == pytest.approx(expected)


def test_a_burst_is_bounded_with_whole_pods():
    """Three pods that fit one node each wake three nodes, where fractions would wake fewer."""
    pods = [(0, INF, 2600, 1)] * 3
    burst = scenario(fleet_of((3, 4, 8, NEW)), pods, sleep=True)
    stream = scenario(fleet_of((3, 4, 8, NEW)), [*pods, (3599, INF, 0, 1)], sleep=True)

    assert is_burst(burst.stream, 0.0, 3600.0)
    assert bound_joules(burst, burst.stream) > 1.02 * bound_joules(stream, stream.stream)


ROWS = st.lists(
    st.tuples(
        st.integers(0, 3000), st.integers(60, 4000), st.integers(100, 4000), st.integers(1, 4096)
    ),
    min_size=1,
    max_size=15,
)


@given(rows=ROWS, sleep=st.booleans(), usage_ratio=st.sampled_from([0.3, 0.45, 1.0]))
def test_no_policy_beats_its_own_bound_even_where_pods_wait(rows, sleep, usage_ratio):
    """Two small nodes and any pods: every policy costs at least the bound of what it ran."""
    crowded = scenario(
        fleet_of((1, 4, 8, OLD), (1, 4, 8, NEW)), rows, sleep=sleep, usage_ratio=usage_ratio
    )
    policies = ("default", "fill-cost", "marginal-idle", "bound")
    results = compare(crowded, policies, clock=lambda: 0.0).results

    for name in policies[:-1]:
        bound = results[name].bound_kilowatt_hours
        assert bound is not None
        # A burst is compared with whole nodes at load points, which is no strict bound.
        if not is_burst(crowded.stream, 0.0, 3600.0):
            assert results[name].energy_kilowatt_hours >= bound * (1 - 1e-9)


def test_waiting_work_has_a_smaller_bound():
    """A pod that waits for half of the run is bounded by what ran, and says how long it waited."""
    rows = [(0, 1800, 4000, 1), (0, INF, 4000, 1), (3599, INF, 0, 1)]
    crowded = scenario(fleet_of((1, 4, 8, NEW)), rows)
    result = compare(crowded, ("fill-cost", "bound"), clock=lambda: 0.0).results["fill-cost"]

    assert result.waited_pod_hours == pytest.approx(0.5)
    assert result.energy_kilowatt_hours == pytest.approx(result.bound_kilowatt_hours)


def test_usage_reaches_the_account():
    """Pods that use less cost less."""
    rows = [(0, 1800, 2000, 1)]
    full, low = (
        compare(
            scenario(fleet_of((1, 4, 8, NEW)), rows, usage_ratio=usage), ("default",), clock=int
        ).results["default"]
        for usage in (1.0, 0.3)
    )

    assert low.dynamic_kilowatt_hours == pytest.approx(0.3 * full.dynamic_kilowatt_hours)
    assert low.idle_kilowatt_hours == pytest.approx(full.idle_kilowatt_hours)


def test_oversized_pods_are_named():
    """Only the pod that fits no node is."""
    fleet = fleet_of((1, 4, 8, NEW))

    assert oversized_pods(stream_of([(0, 1, 4000, 1), (0, 1, 4001, 1)]), fleet) == ["p1"]
