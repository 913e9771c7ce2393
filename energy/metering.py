"""What a node draws now: the wall meter, else a package meter on the curve, else the load.

A package reading (RAPL, Kepler) sees CPUs only. It moves the load point on a wall curve and never
replaces wall watts. A reading that is stale, missing or absurd is passed over, and the answer says
so; where nothing at all is known, the node is taken to draw its peak.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from energy.errors import InputError
from energy.profile import NodePowerProfile, ProfileSource, Scope

STALE_SECONDS: Final = 120.0
#: Above this multiple of the profile's peak a reading is a slip of the unit.
ABSURD_FACTOR: Final = 5.0
MEASURED_TRUST: Final = 1.0
#: A package meter knows the load well; the curve below it is only as good as its profile.
PACKAGE_TRUST_GAIN: Final = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterReading:
    """Watts that a meter gave at a time, and what it sees."""

    watts: float
    scope: Scope
    at_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageRange:
    """What the CPU packages of a node draw when idle and when full."""

    idle_watts: float
    peak_watts: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.peak_watts) and 0 <= self.idle_watts < self.peak_watts):
            raise InputError(
                f"packages idle at {self.idle_watts} W and peak at {self.peak_watts} W",
                mend="give idle below peak",
            )

    def load_ratio(self, package_watts: float) -> float:
        """Load from 0 to 1 at which the packages draw this."""
        load = (package_watts - self.idle_watts) / (self.peak_watts - self.idle_watts)
        return min(1.0, max(0.0, load))


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerValue:
    """Wall watts of a node now, with the link of the chain that they came from."""

    watts: float
    source: ProfileSource
    trust: float
    age_seconds: float | None = None
    scope: Scope = Scope.WALL
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """All that is known of a node's present power; what is missing is None."""

    wall: MeterReading | None = None
    package: MeterReading | None = None
    package_range: PackageRange | None = None
    utilisation_ratio: float | None = None


def present_watts(
    profile: NodePowerProfile, observation: Observation, now_seconds: float
) -> PowerValue:
    """Return the wall watts of a node now, by the best link that holds."""
    if profile.scope is not Scope.WALL:
        raise InputError(
            f"the profile {profile.name!r} has scope {profile.scope}",
            mend="only wall watts are compared; give a wall profile",
        )
    notes: list[str] = []
    measured = _from_wall(profile, observation.wall, now_seconds, notes)
    measured = measured or _from_package(profile, observation, now_seconds, notes)
    return measured or _from_load(profile, observation.utilisation_ratio, notes)


def _from_wall(
    profile: NodePowerProfile, wall: MeterReading | None, now_seconds: float, notes: list[str]
) -> PowerValue | None:
    fault = _fault(wall, Scope.WALL, now_seconds, profile.peak_watts)
    if wall is None or fault:
        notes.append(f"wall meter: {fault}")
        return None
    return PowerValue(
        watts=wall.watts,
        source=ProfileSource.MEASURED_WALL,
        trust=MEASURED_TRUST,
        age_seconds=now_seconds - wall.at_seconds,
    )


def _from_package(
    profile: NodePowerProfile, observation: Observation, now_seconds: float, notes: list[str]
) -> PowerValue | None:
    package, package_range = observation.package, observation.package_range
    fault = _fault(package, Scope.PACKAGE, now_seconds, profile.peak_watts)
    if not fault and package_range is None:
        fault = "idle and peak watts of the packages are unknown"
    if package is None or package_range is None or fault:
        notes.append(f"package meter: {fault}")
        return None
    return PowerValue(
        watts=profile.curve.watts_at(package_range.load_ratio(package.watts)),
        source=ProfileSource.MEASURED_PACKAGE,
        trust=min(MEASURED_TRUST, profile.trust + PACKAGE_TRUST_GAIN),
        age_seconds=now_seconds - package.at_seconds,
        notes=(*notes, f"load point on the curve of {profile.name}"),
    )


def _from_load(
    profile: NodePowerProfile, utilisation_ratio: float | None, notes: list[str]
) -> PowerValue:
    trust = profile.trust
    if utilisation_ratio is None or not 0 <= utilisation_ratio < math.inf:
        notes.append("the load is unknown: taken to be full")
        utilisation_ratio, trust = 1.0, 0.0
    return PowerValue(
        watts=profile.curve.watts_at(utilisation_ratio),
        source=profile.source,
        trust=trust,
        notes=(*notes, *profile.notes),
    )


def _fault(
    reading: MeterReading | None, scope: Scope, now_seconds: float, peak_watts: float
) -> str:
    if reading is None:
        return "no reading"
    if reading.scope is not scope:
        return f"the reading has scope {reading.scope}"
    age_seconds = now_seconds - reading.at_seconds
    if not 0 <= age_seconds <= STALE_SECONDS:
        return f"stale, {age_seconds:.0f} s old"
    if not 0 < reading.watts <= ABSURD_FACTOR * peak_watts:
        return f"absurd, {reading.watts:g} W"
    return ""
