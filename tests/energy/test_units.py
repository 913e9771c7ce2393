"""Units convert exactly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.units import SECONDS_PER_HOUR, joules, kilowatt_hours


def test_a_kilowatt_for_an_hour_is_a_kilowatt_hour() -> None:
    """1,000 W for 3,600 s is 1 kWh by definition."""
    assert kilowatt_hours(joules(1000, 3600)) == 1


@given(st.floats(0, 1e6), st.floats(0, 1e9))
def test_energy_is_power_times_time_in_either_unit(watts: float, seconds: float) -> None:
    """Watts over hours, by a thousand, are kilowatt hours."""
    hours = seconds / SECONDS_PER_HOUR
    assert kilowatt_hours(joules(watts, seconds)) == pytest.approx(watts * hours / 1000)
