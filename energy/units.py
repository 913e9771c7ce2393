"""Units of power and energy, and the few conversions between them.

Everything inside is watts, seconds and joules; kilowatt hours appear in reports only.
"""

from __future__ import annotations

from typing import Final, NewType

Watts = NewType("Watts", float)
Joules = NewType("Joules", float)
Seconds = NewType("Seconds", float)

#: One kilowatt hour is 1,000 W for 3,600 s, exactly (SI brochure, 9th edition, table 8).
JOULES_PER_KILOWATT_HOUR: Final = 3_600_000.0

SECONDS_PER_HOUR: Final = 3600.0
SECONDS_PER_DAY: Final = 24 * SECONDS_PER_HOUR


def joules(watts: float, seconds: float) -> Joules:
    """Energy in joules of a constant power in watts over a time in seconds."""
    return Joules(watts * seconds)


def kilowatt_hours(energy_joules: float) -> float:
    """Energy in kilowatt hours, for reports, of an energy in joules."""
    return energy_joules / JOULES_PER_KILOWATT_HOUR
