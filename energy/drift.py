"""Does the profile still fit the machine? Residuals against a wall meter, and what follows.

Where a node has a wall meter, each reading is compared with what the profile predicts at the
present load. A slow correction follows the ratio of the two within limits; a profile that stays
off by more than 15 % for a day raises a flag, for then something is wrong that no factor mends.
Readings that are missing, stale or absurd change nothing and are counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from energy.errors import InputError
from energy.profile import NodePowerProfile, Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftLimits:
    """How slowly the correction follows, how far it goes, and when the flag is raised."""

    #: A correction halves its distance to the measured ratio in this time: far slower than load.
    half_life_seconds: float = 12 * 3600.0
    #: Beyond a quarter the profile is wrong, not worn.
    largest_correction_ratio: float = 0.25
    #: The error behind the flag is averaged over about this time, so that one spike is no drift.
    error_half_life_seconds: float = 1800.0
    off_ratio: float = 0.15
    off_seconds: float = 24 * 3600.0
    #: A reading older than this says nothing about the present load.
    stale_seconds: float = 120.0
    #: A gap counts as this long at most: a night without readings is no night of drift.
    longest_step_seconds: float = 600.0
    #: Further from the prediction than this factor it is a broken meter or a slip of the unit.
    absurd_factor: float = 10.0


LIMITS: Final = DriftLimits()


class Verdict(StrEnum):
    """What became of a reading."""

    USED = "used"
    MISSING = "missing"
    STALE = "stale"
    REPEATED = "repeated"
    ABSURD = "absurd"


@dataclass(frozen=True, slots=True, kw_only=True)
class WallReading:
    """Wall watts of a node at a time (None: the meter gave none), and what the profile predicts."""

    at_seconds: float
    wall_watts: float | None
    predicted_watts: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """What is known of one node's drift. The default is that of a node never measured."""

    residual_watts: float | None = None
    last_seconds: float | None = None
    correction_ratio: float = 1.0
    error_ratio: float = 0.0
    seconds_off: float = 0.0
    used: int = 0
    ignored: int = 0
    last_verdict: Verdict = Verdict.MISSING

    def is_off(self, limits: DriftLimits = LIMITS) -> bool:
        """Whether the flag is up: off by more than the limit for the whole time."""
        return self.seconds_off >= limits.off_seconds


def observe(
    drift: Drift, reading: WallReading, now_seconds: float, limits: DriftLimits = LIMITS
) -> Drift:
    """Return the drift after a reading; one that cannot be used only adds to the count."""
    verdict = judge(drift, reading, now_seconds, limits)
    if verdict is not Verdict.USED or reading.wall_watts is None:
        return replace(drift, ignored=drift.ignored + 1, last_verdict=verdict)
    measured_ratio = reading.wall_watts / reading.predicted_watts
    step_seconds = 0.0
    if drift.last_seconds is not None:
        gap_seconds = reading.at_seconds - drift.last_seconds
        step_seconds = min(gap_seconds, limits.longest_step_seconds)
    error_ratio = measured_ratio - 1
    if drift.used:
        pace = _pace(step_seconds, limits.error_half_life_seconds)
        error_ratio = drift.error_ratio + pace * (error_ratio - drift.error_ratio)
    off = abs(error_ratio) > limits.off_ratio
    pace = _pace(step_seconds, limits.half_life_seconds)
    correction = drift.correction_ratio + pace * (measured_ratio - drift.correction_ratio)
    return Drift(
        residual_watts=reading.wall_watts - reading.predicted_watts,
        last_seconds=reading.at_seconds,
        correction_ratio=_within(correction, limits.largest_correction_ratio),
        error_ratio=error_ratio,
        seconds_off=drift.seconds_off + step_seconds if off else 0.0,
        used=drift.used + 1,
        ignored=drift.ignored,
        last_verdict=verdict,
    )


def judge(
    drift: Drift, reading: WallReading, now_seconds: float, limits: DriftLimits = LIMITS
) -> Verdict:
    """Say whether a reading can be used at all."""
    if reading.wall_watts is None or not math.isfinite(reading.wall_watts):
        return Verdict.MISSING
    if not (math.isfinite(reading.at_seconds) and math.isfinite(now_seconds)):
        return Verdict.MISSING
    if not 0 <= now_seconds - reading.at_seconds <= limits.stale_seconds:
        return Verdict.STALE
    if drift.last_seconds is not None and reading.at_seconds <= drift.last_seconds:
        return Verdict.REPEATED
    believable = _is_believable(reading.wall_watts, reading.predicted_watts, limits)
    return Verdict.USED if believable else Verdict.ABSURD


def corrected(profile: NodePowerProfile, drift: Drift) -> NodePowerProfile:
    """Return the profile with its curve scaled by the drift's correction."""
    if profile.scope is not Scope.WALL:
        raise InputError(
            f"the profile {profile.name!r} has scope {profile.scope}",
            mend="correct wall profiles only, by wall readings",
        )
    if drift.correction_ratio == 1:
        return profile
    scaled = profile.with_curve(profile.curve.scaled(drift.correction_ratio))
    note = f"corrected by {drift.correction_ratio:.3f} after {drift.used} wall readings"
    return replace(scaled, notes=(*profile.notes, note))


def _is_believable(wall_watts: float, predicted_watts: float, limits: DriftLimits) -> bool:
    if not (math.isfinite(predicted_watts) and predicted_watts > 0):
        return False
    return 1 / limits.absurd_factor <= wall_watts / predicted_watts <= limits.absurd_factor


def _pace(step_seconds: float, half_life_seconds: float) -> float:
    return float(1 - 2 ** (-step_seconds / half_life_seconds))


def _within(correction_ratio: float, largest: float) -> float:
    return min(1 + largest, max(1 - largest, correction_ratio))
