"""Energy from records: by hand, conserved, and the same by two ways of summing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_fleets import NEW, OLD, FirstFit, fleet_of, stream_of

from simulator.accounting import account, series
from simulator.engine import run


def placed(fleet, rows, end_seconds):
    """First fit over rows of (arrival, lifetime, millicores, mebibytes)."""
    stream = stream_of(sorted(rows, key=lambda row: row[0]))
    return run(fleet.nodes, stream, FirstFit(), end_seconds=end_seconds, clock=lambda: 0.0)


def energy(fleet, record, *, usage_ratio=1.0, sleep=False, start_seconds=0.0):
    """The account of a record."""
    return account(
        record,
        fleet.profiles,
        fleet.cpu_cores,
        usage_ratio=usage_ratio,
        nodes_may_sleep=sleep,
        start_seconds=start_seconds,
    )


def test_energy_is_what_a_hand_calculation_gives():
    """A node at half load for 100 s of 200: 50 W idle throughout, 100 W of load for half of it."""
    fleet = fleet_of((1, 4, 8, NEW))
    result = energy(fleet, placed(fleet, [(0, 100, 2000, 1)], 200))

    assert result.idle_joules == pytest.approx(50 * 200)
    assert result.dynamic_joules == pytest.approx(100 * 100)
    assert result.active_node_seconds == 100
    assert result.end_watts == pytest.approx(50)


def test_pods_that_use_half_of_their_requests_cost_half_of_the_dynamic_energy():
    """On a straight line from idle to peak the dynamic energy follows the use."""
    fleet = fleet_of((1, 4, 8, NEW))
    record = placed(fleet, [(0, 100, 2000, 1)], 200)

    full, half = energy(fleet, record), energy(fleet, record, usage_ratio=0.5)
    assert half.dynamic_joules == pytest.approx(full.dynamic_joules / 2)


def test_sleeping_nodes_cost_sleeping_watts_and_their_transitions():
    """A node that wakes once and sleeps again pays 5 W asleep, its wake and its shutdown."""
    fleet = fleet_of((1, 4, 8, NEW))
    result = energy(fleet, placed(fleet, [(50, 100, 2000, 1)], 200), sleep=True)

    transitions = NEW.wake_joules + NEW.shutdown_joules
    assert result.wakes == 1
    assert result.transition_joules == pytest.approx(transitions)
    assert result.idle_joules == pytest.approx(50 * 100 + 5 * 100 + transitions)


def test_a_node_that_changes_hands_within_a_moment_never_slept():
    """A waiting pod that takes the place of one that leaves costs no wake and no shutdown."""
    fleet = fleet_of((1, 4, 8, NEW))
    rows = [(50, 50, 4000, 1), (60, 40, 4000, 1)]
    result = energy(fleet, placed(fleet, rows, 200), sleep=True)

    assert result.wakes == 1
    assert result.transition_joules == pytest.approx(NEW.wake_joules + NEW.shutdown_joules)


def test_warm_up_is_not_counted():
    """What happens before the start leaves the account, its wakes too."""
    fleet = fleet_of((1, 4, 8, NEW))
    record = placed(fleet, [(50, 1000, 2000, 1)], 200)
    result = energy(fleet, record, sleep=True, start_seconds=100)

    assert result.wakes == 0
    assert result.energy_joules == pytest.approx(150 * 100)


ROWS = st.lists(
    st.tuples(st.integers(0, 50), st.integers(1, 60), st.integers(0, 4000), st.integers(0, 4096)),
    max_size=20,
)


@given(rows=ROWS, cut=st.integers(1, 99), sleep=st.booleans())
def test_energy_is_additive_over_time(rows, cut, sleep):
    """Energy from 0 equals energy up to a cut plus energy from it: nothing is lost or doubled."""
    fleet = fleet_of((2, 4, 8, OLD), (1, 8, 8, NEW))
    whole = energy(fleet, placed(fleet, rows, 100.0), sleep=sleep)
    before = energy(fleet, placed(fleet, rows, float(cut)), sleep=sleep)
    after = energy(fleet, placed(fleet, rows, 100.0), sleep=sleep, start_seconds=float(cut))

    total = before.energy_joules + after.energy_joules
    assert total == pytest.approx(whole.energy_joules)
    assert before.active_node_seconds + after.active_node_seconds == pytest.approx(
        whole.active_node_seconds
    )


@given(rows=ROWS, sleep=st.booleans())
def test_energy_lies_between_asleep_and_peak(rows, sleep):
    """No fleet costs less than all asleep or idle, nor more than all at peak plus transitions."""
    fleet = fleet_of((2, 4, 8, OLD), (1, 8, 8, NEW))
    result = energy(fleet, placed(fleet, rows, 100.0), sleep=sleep)

    floor = 3 * 5.0 if sleep else 250.0
    assert floor * 100 <= result.energy_joules + 1e-6
    assert result.energy_joules - result.transition_joules <= 850.0 * 100 + 1e-6
    assert result.idle_joules >= 0
    assert result.dynamic_joules >= 0


@given(rows=ROWS)
def test_the_series_ends_where_the_account_ends(rows):
    """Watts over time integrate to the account, and end with its watts and awake nodes."""
    fleet = fleet_of((2, 4, 8, OLD), (1, 8, 8, NEW))
    record = placed(fleet, rows, 100.0)
    moments = np.arange(0.5, 100.0)
    lived = series(
        record, fleet.profiles, fleet.cpu_cores, moments, usage_ratio=1.0, nodes_may_sleep=False
    )
    result = energy(fleet, record)

    # All events fall on whole seconds, so the value at half seconds is the mean of its second.
    assert lived.watts.sum() == pytest.approx(result.energy_joules)
    assert lived.awake_nodes.sum() == pytest.approx(result.active_node_seconds)
