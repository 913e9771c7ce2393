"""A power curve says the measured watts at its points, and nothing outside of them."""

from __future__ import annotations

import numpy as np
import pytest
from energy_strategies import curves
from hypothesis import given
from hypothesis import strategies as st

from energy.errors import InputError
from energy.power_curve import LOAD_LEVELS, PowerCurve

# Dell PowerEdge R720, SPEC result of 2012-11-28.
R720_WATTS = (52.3, 75.4, 86.6, 98.3, 112, 124, 140, 161, 178, 201, 231)


def test_load_levels_come_back_at_their_utilisation() -> None:
    """Eleven measured watts are returned at 0, 10 .. 100 %."""
    curve = PowerCurve.from_load_levels(R720_WATTS)
    assert [curve.watts_at(level) for level in LOAD_LEVELS] == pytest.approx(list(R720_WATTS))


def test_between_two_points_the_curve_is_their_mean_halfway() -> None:
    """45 % lies between 112 W and 124 W."""
    assert PowerCurve.from_load_levels(R720_WATTS).watts_at(0.45) == pytest.approx(118)


def test_a_line_knows_its_idle_peak_and_middle() -> None:
    """The fallback curve is straight."""
    line = PowerCurve.linear(100, 300)
    assert (line.idle_watts, line.watts_at(0.5), line.peak_watts) == (100, 200, 300)


@given(curves(), st.floats(0, 1))
def test_watts_stay_between_the_lowest_and_the_highest_point(
    curve: PowerCurve, utilisation_ratio: float
) -> None:
    """Interpolation invents no watts."""
    slack = 1e-9 * max(curve.watts)
    watts = curve.watts_at(utilisation_ratio)
    assert min(curve.watts) - slack <= watts <= max(curve.watts) + slack


@given(curves(monotone=True), st.floats(0, 2), st.floats(0, 2))
def test_a_rising_curve_never_gives_watts_back_for_more_load(
    curve: PowerCurve, one: float, other: float
) -> None:
    """Marginal watts of added load are not negative on a monotone curve."""
    assert curve.marginal_watts(min(one, other), max(one, other)) >= -1e-9 * max(curve.watts)


@given(curves(), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_marginal_watts_add_up_along_any_path(
    curve: PowerCurve, start: float, middle: float, end: float
) -> None:
    """The watts of two steps are the watts of both at once."""
    both = curve.marginal_watts(start, middle) + curve.marginal_watts(middle, end)
    assert both == pytest.approx(curve.marginal_watts(start, end), abs=1e-6)


@given(curves(), st.lists(st.floats(0, 3), max_size=20))
def test_an_array_gives_what_each_of_its_numbers_gives(
    curve: PowerCurve, ratios: list[float]
) -> None:
    """The vectorised reading is the same function."""
    one_by_one = [curve.watts_at(ratio) for ratio in ratios]
    assert curve.watts_at_each(np.array(ratios)) == pytest.approx(one_by_one, rel=1e-9)


@pytest.mark.parametrize("ratio", [float("nan"), -0.1, float("-inf")])
def test_a_utilisation_that_is_none_is_refused(ratio: float) -> None:
    """NaN or negative load never turns into watts."""
    curve = PowerCurve.linear(1, 2)
    with pytest.raises(InputError):
        curve.watts_at(ratio)
    with pytest.raises(InputError):
        curve.watts_at_each([0.5, ratio])


@pytest.mark.parametrize(
    ("ratios", "watts"),
    [
        ((0.0, 1.0), (1.0,)),
        ((0.0,), (1.0,)),
        ((0.0, 1.0), (1.0, float("nan"))),
        ((0.0, 1.0), (-1.0, 2.0)),
        ((0.1, 1.0), (1.0, 2.0)),
        ((0.0, 0.9), (1.0, 2.0)),
        ((0.0, 0.5, 0.5, 1.0), (1.0, 2.0, 3.0, 4.0)),
        ((0.0, float("nan"), 1.0), (1.0, 2.0, 3.0)),
    ],
)
def test_points_that_are_no_curve_are_refused(
    ratios: tuple[float, ...], watts: tuple[float, ...]
) -> None:
    """Every malformed curve is named in one line."""
    with pytest.raises(InputError) as caught:
        PowerCurve(utilisation_ratios=ratios, watts=watts)
    assert "\n" not in str(caught.value)


def test_ten_load_levels_are_not_eleven() -> None:
    """A forgotten level is refused."""
    with pytest.raises(InputError, match="give 11"):
        PowerCurve.from_load_levels(R720_WATTS[1:])
