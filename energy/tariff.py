"""What energy costs at a site: overhead of the building, money and carbon.

There are no defaults: a site that nobody described has no known price, and a guess would end up in
a report as a figure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from energy.errors import InputError
from energy.units import Joules, kilowatt_hours

#: Nothing was ever built beyond these; a value above is a slip of the unit (percent, cents, kg).
_HIGHEST: Final = {
    "pue_ratio": 10.0,
    "price_eur_per_kilowatt_hour": 100.0,
    "carbon_grams_per_kilowatt_hour": 5000.0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """A site's power usage effectiveness, its price and the carbon of its grid, at one time.

    `pue_ratio` is facility energy over energy of the machines (ISO/IEC 30134-2), 1 at best. The
    price may be negative, as it is on spot markets with much wind.
    """

    pue_ratio: float
    price_eur_per_kilowatt_hour: float
    carbon_grams_per_kilowatt_hour: float

    def __post_init__(self) -> None:
        lowest = {
            "pue_ratio": 1.0,
            "price_eur_per_kilowatt_hour": -_HIGHEST["price_eur_per_kilowatt_hour"],
            "carbon_grams_per_kilowatt_hour": 0.0,
        }
        for name, highest in _HIGHEST.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and lowest[name] <= value <= highest):
                raise InputError(
                    f"{name} is {value}",
                    where="tariff",
                    mend=f"give a number from {lowest[name]:g} to {highest:g}",
                )

    def facility_joules(self, machine_joules: float) -> Joules:
        """Energy that the whole site draws for this energy of its machines."""
        return Joules(_finite(machine_joules) * self.pue_ratio)

    def cost_eur(self, machine_joules: float) -> float:
        """Money that this energy of the machines costs, the building's overhead included."""
        energy = kilowatt_hours(self.facility_joules(machine_joules))
        return energy * self.price_eur_per_kilowatt_hour

    def carbon_grams(self, machine_joules: float) -> float:
        """Grams of CO2-equivalent of this energy of the machines, the overhead included."""
        energy = kilowatt_hours(self.facility_joules(machine_joules))
        return energy * self.carbon_grams_per_kilowatt_hour


def _finite(energy_joules: float) -> float:
    if not math.isfinite(energy_joules):
        raise InputError(f"energy is {energy_joules} J", mend="leave out what was not measured")
    return energy_joules
