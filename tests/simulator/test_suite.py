"""The suite's arithmetic: intervals, cells, and policies that never beat the bound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.suite import SETTINGS, Interval, Task, cells, run_task


@given(values=st.lists(st.floats(0.5, 5.0), min_size=2, max_size=8))
def test_an_interval_holds_its_mean(values):
    """Low, mean and high are in order, and widen only with spread."""
    interval = Interval.of(values)

    assert interval.low <= interval.mean + 1e-12
    assert interval.mean <= interval.high + 1e-12


def test_an_interval_is_students():
    """Two values 1 and 3: mean 2, half width 12.706 x 1."""
    interval = Interval.of([1.0, 3.0])

    assert interval.high - interval.mean == pytest.approx(12.706, abs=1e-3)


def test_no_policy_beats_the_bound_and_all_settings_are_graded():
    """One task grades each policy in all six settings, never below the bound."""
    policies = ("default", "fill-cost", "marginal-idle", "bound")
    found = list(run_task(Task(fleet="20/20/20", load_ratio=0.3, seed=1, policies=policies)))

    assert len(found) == 3 * len(SETTINGS)
    assert all(outcome.bound_ratio is not None for outcome in found)
    assert min(outcome.bound_ratio for outcome in found) >= 1.0
    assert len(cells(found)) == len(SETTINGS)


def test_policies_that_heed_no_setting_place_alike_in_all():
    """The default's energy differs between settings only by how it is graded: never more asleep."""
    found = list(run_task(Task(fleet="homogeneous", load_ratio=0.3, seed=2, policies=("random",))))
    by_setting = {outcome.setting: outcome.energy_joules for outcome in found}

    for setting, joules in by_setting.items():
        if setting.usage_ratio == 1.0:
            assert joules >= max(
                other
                for key, other in by_setting.items()
                if key.nodes_may_sleep == setting.nodes_may_sleep
            )
