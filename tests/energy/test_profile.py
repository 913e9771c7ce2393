"""A profile fills in what nobody measured, by the stated defaults, and refuses nonsense."""

from __future__ import annotations

import pytest

from energy.errors import InputError
from energy.power_curve import PowerCurve
from energy.profile import NodePowerProfile

CURVE = PowerCurve.linear(100, 300)


def test_waking_costs_peak_watts_and_shutting_down_idle_watts_by_default() -> None:
    """120 s at 300 W, 30 s at 100 W, 5 W asleep."""
    profile = NodePowerProfile(name="node", curve=CURVE)
    assert (profile.wake_joules, profile.shutdown_joules, profile.sleep_watts) == (36000, 3000, 5)


def test_measured_wake_and_shutdown_energies_are_kept() -> None:
    """A given figure wins over the default."""
    profile = NodePowerProfile(name="node", curve=CURVE, wake_joules=1.0, shutdown_joules=0.0)
    assert (profile.wake_joules, profile.shutdown_joules) == (1, 0)


def test_another_curve_brings_its_own_wake_energy() -> None:
    """Half of a server does not boot at the watts of a whole one."""
    half = NodePowerProfile(name="node", curve=CURVE).with_curve(CURVE.scaled(0.5))
    assert (half.wake_joules, half.shutdown_joules) == (18000, 1500)


@pytest.mark.parametrize(
    "figure",
    ["sleep_watts", "wake_seconds", "wake_joules", "shutdown_seconds", "shutdown_joules", "trust"],
)
@pytest.mark.parametrize("value", [float("nan"), -1.0, float("inf")])
def test_a_figure_that_is_no_number_from_zero_up_is_refused(figure: str, value: float) -> None:
    """NaN, negative and infinite figures are named."""
    with pytest.raises(InputError, match=figure):
        NodePowerProfile(name="node", curve=CURVE, **{figure: value})  # type: ignore[arg-type]


def test_trust_above_one_is_refused() -> None:
    """Trust is a ratio."""
    with pytest.raises(InputError, match="trust"):
        NodePowerProfile(name="node", curve=CURVE, trust=1.5)


def test_a_node_never_draws_more_asleep_than_awake() -> None:
    """The default of 5 W asleep gives way to the idle watts of a small share of a server."""
    profile = NodePowerProfile(name="share", curve=PowerCurve.linear(3.0, 10.0))

    assert profile.sleep_watts == 3.0
