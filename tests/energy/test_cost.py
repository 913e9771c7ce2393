"""What a core costs: conserved over any order of pods, and never free on a full node."""

from __future__ import annotations

import pytest
from energy_strategies import profiles
from hypothesis import given
from hypothesis import strategies as st

from energy.cost import fill_cost_watts_per_core, marginal_watts
from energy.errors import InputError
from energy.power_curve import PowerCurve
from energy.profile import NodePowerProfile

NODE = NodePowerProfile(name="node", curve=PowerCurve.linear(100, 300))


def test_a_node_that_may_sleep_charges_its_idle_watts_less_those_asleep() -> None:
    """(300 W - 5 W) over 10 cores."""
    assert fill_cost_watts_per_core(NODE, 10) == pytest.approx(29.5)


def test_a_node_that_stays_on_charges_only_its_load() -> None:
    """(300 W - 100 W) over 10 cores."""
    assert fill_cost_watts_per_core(NODE, 10, node_may_sleep=False) == pytest.approx(20)


def test_the_fill_cost_is_that_of_the_target_load() -> None:
    """At half load 200 W - 5 W are spread over 5 cores."""
    assert fill_cost_watts_per_core(NODE, 10, 0.5) == pytest.approx(39)


@given(profiles(monotone=True), st.lists(st.floats(0, 8), max_size=6), st.floats(1, 64))
def test_pods_added_one_by_one_add_up_to_the_watts_of_all_at_once(
    profile: NodePowerProfile, pods: list[float], cpu_cores: float
) -> None:
    """Sum of marginal watts = difference of node watts, whatever the number of steps."""
    used, total = 0.0, 0.0
    for pod_cores in pods:
        total += marginal_watts(profile, cpu_cores, used, pod_cores)
        used += pod_cores
    assert total == pytest.approx(marginal_watts(profile, cpu_cores, 0, used), rel=1e-6, abs=1e-6)


@given(profiles(monotone=True), st.floats(1, 64), st.floats(0, 100), st.floats(0, 100))
def test_load_never_pays_for_itself_on_a_rising_curve(
    profile: NodePowerProfile, cpu_cores: float, used: float, added: float
) -> None:
    """Marginal watts are not negative, on an overloaded node neither."""
    assert marginal_watts(profile, cpu_cores, used, added) >= -1e-6


def test_an_overloaded_node_is_charged_at_its_steepest_slope() -> None:
    """A curve that ends at 100 % must not make the next pod look free."""
    steep_end = PowerCurve(utilisation_ratios=(0.0, 0.5, 1.0), watts=(100.0, 120.0, 220.0))
    profile = NodePowerProfile(name="node", curve=steep_end)
    assert marginal_watts(profile, 10, 10, 1) == pytest.approx(20)


def test_a_sleeping_node_also_pays_for_being_on() -> None:
    """Waking adds idle watts less those asleep."""
    awake = marginal_watts(NODE, 10, 0, 1)
    assert marginal_watts(NODE, 10, 0, 1, node_asleep=True) == pytest.approx(awake + 95)


@pytest.mark.parametrize("bad", [float("nan"), -1.0, float("inf")])
def test_cores_that_are_no_number_are_refused(bad: float) -> None:
    """NaN and negative cores never get a price."""
    for cores in ((bad, 0, 1), (10, bad, 1), (10, 0, bad)):
        with pytest.raises(InputError):
            marginal_watts(NODE, *cores)
    with pytest.raises(InputError):
        fill_cost_watts_per_core(NODE, bad)
    with pytest.raises(InputError):
        fill_cost_watts_per_core(NODE, 10, bad)
