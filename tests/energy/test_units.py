"""Units convert exactly and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.units import joules, joules_of_kilowatt_hours, kilowatt_hours


def test_a_kilowatt_for_an_hour_is_a_kilowatt_hour() -> None:
    """1,000 W for 3,600 s is 1 kWh by definition."""
    assert kilowatt_hours(joules(1000, 3600)) == 1


@given(st.floats(0, 1e12))
def test_kilowatt_hours_convert_back_to_the_same_joules(energy_kilowatt_hours: float) -> None:
    """There and back is the identity but for rounding."""
    back = kilowatt_hours(joules_of_kilowatt_hours(energy_kilowatt_hours))
    assert back == pytest.approx(energy_kilowatt_hours)
