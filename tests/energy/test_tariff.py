"""What energy costs at a site, and what no site can be."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.errors import InputError
from energy.tariff import Tariff

SITE = Tariff(pue_ratio=1.5, price_eur_per_kilowatt_hour=0.20, carbon_grams_per_kilowatt_hour=400.0)
KILOWATT_HOUR_JOULES = 3.6e6


def test_a_kilowatt_hour_of_machines_costs_its_overhead_too() -> None:
    """1 kWh at a PUE of 1.5 is 1.5 kWh at the meter of the building."""
    assert SITE.facility_joules(KILOWATT_HOUR_JOULES) == 1.5 * KILOWATT_HOUR_JOULES
    assert SITE.cost_eur(KILOWATT_HOUR_JOULES) == pytest.approx(0.30)
    assert SITE.carbon_grams(KILOWATT_HOUR_JOULES) == pytest.approx(600)


@given(st.floats(0, 1e12), st.floats(0, 1e12))
def test_two_energies_cost_what_their_sum_costs(one: float, other: float) -> None:
    """Cost and carbon are additive."""
    assert SITE.cost_eur(one) + SITE.cost_eur(other) == pytest.approx(SITE.cost_eur(one + other))
    both = SITE.carbon_grams(one) + SITE.carbon_grams(other)
    assert both == pytest.approx(SITE.carbon_grams(one + other))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pue_ratio", 0.9),
        ("pue_ratio", math.nan),
        ("pue_ratio", 115.0),
        ("price_eur_per_kilowatt_hour", math.nan),
        ("price_eur_per_kilowatt_hour", math.inf),
        ("price_eur_per_kilowatt_hour", 2000.0),
        ("carbon_grams_per_kilowatt_hour", -1.0),
        ("carbon_grams_per_kilowatt_hour", math.nan),
    ],
)
def test_what_no_site_can_be_is_refused(name: str, value: float) -> None:
    """NaN, below the physical limit, or in another unit."""
    figures = {
        "pue_ratio": 1.2,
        "price_eur_per_kilowatt_hour": 0.1,
        "carbon_grams_per_kilowatt_hour": 300.0,
    }
    with pytest.raises(InputError, match=name):
        Tariff(**{**figures, name: value})


def test_a_negative_price_is_a_price() -> None:
    """Spot markets have them."""
    windy = Tariff(
        pue_ratio=1.0, price_eur_per_kilowatt_hour=-0.05, carbon_grams_per_kilowatt_hour=50.0
    )
    assert windy.cost_eur(KILOWATT_HOUR_JOULES) == pytest.approx(-0.05)


@pytest.mark.parametrize("energy_joules", [math.nan, math.inf])
def test_energy_that_was_not_measured_has_no_cost(energy_joules: float) -> None:
    """NaN never turns into money."""
    with pytest.raises(InputError):
        SITE.cost_eur(energy_joules)
