"""A profile is corrected slowly, within limits, and only by readings that can be used."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.drift import LIMITS, Drift, Verdict, WallReading, corrected, observe
from energy.errors import InputError
from energy.power_curve import PowerCurve
from energy.profile import NodePowerProfile, Scope

MINUTE = 60.0
HOUR = 3600.0
PROFILE = NodePowerProfile(name="node", curve=PowerCurve.linear(100, 300))


def watched(ratio: float, hours: float, drift: Drift | None = None, start: float = 0.0) -> Drift:
    """A node whose meter gives this multiple of the prediction, every minute."""
    drift = drift or Drift()
    for minute in range(int(hours * 60) + 1):
        at_seconds = start + minute * MINUTE
        reading = WallReading(at_seconds=at_seconds, wall_watts=200 * ratio, predicted_watts=200.0)
        drift = observe(drift, reading, at_seconds)
    return drift


def test_the_residual_is_measured_less_predicted() -> None:
    """20 % above 200 W."""
    assert watched(1.2, 0).residual_watts == pytest.approx(40)


def test_a_profile_off_by_a_fifth_is_flagged_after_a_day_and_not_before() -> None:
    """15 % for 24 hours."""
    assert not watched(1.2, 23.9).is_off()
    assert watched(1.2, 24.1).is_off()
    assert watched(0.8, 24.1).is_off()


def test_a_profile_off_by_a_tenth_is_corrected_and_never_flagged() -> None:
    """Within the limit the correction does it."""
    drift = watched(1.1, 96)
    assert not drift.is_off()
    assert drift.correction_ratio == pytest.approx(1.1, abs=0.002)


def test_the_correction_is_slow() -> None:
    """Half of the way in half a day, as its half-life says."""
    assert watched(1.2, 12).correction_ratio == pytest.approx(1.1, abs=0.001)


def test_the_flag_stays_up_while_the_correction_follows() -> None:
    """The flag is about the profile as written: no factor mends it in silence."""
    drift = watched(1.2, 120)
    assert drift.is_off()
    assert drift.correction_ratio == pytest.approx(1.2, abs=0.001)


def test_the_flag_comes_down_when_the_profile_fits_again() -> None:
    """A new profile, or the old machine back."""
    off = watched(1.2, 25)
    assert not watched(1.0, 3, off, start=25 * HOUR + MINUTE).is_off()


@given(st.lists(st.floats(0.2, 5), min_size=1, max_size=40), st.floats(1, 7200))
def test_no_readings_correct_beyond_the_limit(ratios: list[float], step_seconds: float) -> None:
    """Whatever the meter says, the correction stays within a quarter."""
    drift = Drift()
    for number, ratio in enumerate(ratios):
        at_seconds = number * step_seconds
        reading = WallReading(at_seconds=at_seconds, wall_watts=100 * ratio, predicted_watts=100.0)
        drift = observe(drift, reading, at_seconds)
        assert abs(drift.correction_ratio - 1) <= LIMITS.largest_correction_ratio + 1e-12


@pytest.mark.parametrize(
    ("wall_watts", "predicted_watts", "age_seconds", "verdict"),
    [
        (None, 200.0, 0.0, Verdict.MISSING),
        (math.nan, 200.0, 0.0, Verdict.MISSING),
        (240.0, 200.0, 121.0, Verdict.STALE),
        (240.0, 200.0, -60.0, Verdict.STALE),
        (0.0, 200.0, 0.0, Verdict.ABSURD),
        (-240.0, 200.0, 0.0, Verdict.ABSURD),
        (240_000.0, 200.0, 0.0, Verdict.ABSURD),
        (240.0, 0.0, 0.0, Verdict.ABSURD),
        (240.0, math.nan, 0.0, Verdict.ABSURD),
    ],
)
def test_a_reading_that_cannot_be_used_changes_nothing_but_the_count(
    wall_watts: float | None, predicted_watts: float, age_seconds: float, verdict: Verdict
) -> None:
    """Missing, stale and absurd readings never correct."""
    before = watched(1.1, 5)
    at_seconds = 6 * HOUR
    reading = WallReading(
        at_seconds=at_seconds, wall_watts=wall_watts, predicted_watts=predicted_watts
    )
    after = observe(before, reading, at_seconds + age_seconds)
    assert after == replace(before, ignored=before.ignored + 1, last_verdict=verdict)


def test_a_repeated_reading_is_not_counted_twice() -> None:
    """An exporter that hangs repeats its last value and time."""
    before = watched(1.2, 1)
    last_seconds = before.last_seconds or 0.0
    again = WallReading(at_seconds=last_seconds, wall_watts=240.0, predicted_watts=200.0)
    assert observe(before, again, last_seconds + 10).last_verdict is Verdict.REPEATED


def test_a_night_without_readings_is_no_night_of_drift() -> None:
    """A gap counts for ten minutes at most."""
    before = watched(1.2, 10)
    after = watched(1.2, 1, before, start=34 * HOUR)
    assert after.seconds_off < 12 * HOUR
    assert not after.is_off()


def test_a_corrected_profile_is_scaled_as_a_whole_and_says_so() -> None:
    """Idle, peak and the energy of waking move together."""
    drift = watched(1.1, 96)
    profile = corrected(PROFILE, drift)
    assert profile.idle_watts == pytest.approx(110, abs=0.2)
    assert profile.wake_joules == pytest.approx(profile.peak_watts * 120)
    assert "corrected" in profile.notes[-1]
    assert corrected(PROFILE, Drift()) == PROFILE


def test_a_package_profile_is_never_corrected_by_a_wall_meter() -> None:
    """Scopes are never mixed."""
    with pytest.raises(InputError, match="scope"):
        corrected(replace(PROFILE, scope=Scope.PACKAGE), watched(1.1, 1))
