"""The present watts come from the best meter that can be believed, else from the load."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.errors import InputError
from energy.metering import (
    ABSURD_FACTOR,
    MeterReading,
    Observation,
    PackageRange,
    present_watts,
)
from energy.power_curve import PowerCurve
from energy.profile import NodePowerProfile, ProfileSource, Scope

NODE = NodePowerProfile(
    name="node",
    curve=PowerCurve.linear(100, 300),
    source=ProfileSource.CATALOGUE_CPU_MODEL,
    trust=0.6,
)
NOW = 1000.0
RANGE = PackageRange(idle_watts=20, peak_watts=120)


def wall(watts: float, at_seconds: float = NOW) -> MeterReading:
    """A reading of the whole node."""
    return MeterReading(watts=watts, scope=Scope.WALL, at_seconds=at_seconds)


def package(watts: float, at_seconds: float = NOW) -> MeterReading:
    """A reading of the CPU packages."""
    return MeterReading(watts=watts, scope=Scope.PACKAGE, at_seconds=at_seconds)


def test_a_fresh_wall_reading_is_the_answer() -> None:
    """Nothing is better than the plug."""
    value = present_watts(NODE, Observation(wall=wall(210, NOW - 30)), NOW)
    assert (value.watts, value.source, value.age_seconds) == (210, ProfileSource.MEASURED_WALL, 30)
    assert value.trust == 1


def test_a_package_reading_moves_the_load_point_and_never_stands_for_the_wall() -> None:
    """Half of the packages' range is half load on the wall curve: 200 W, not 70 W."""
    value = present_watts(NODE, Observation(package=package(70), package_range=RANGE), NOW)
    assert (value.watts, value.source) == (200, ProfileSource.MEASURED_PACKAGE)
    assert value.scope is Scope.WALL
    assert NODE.trust < value.trust < 1


@pytest.mark.parametrize(
    "reading",
    [
        None,
        wall(210, NOW - 121),
        wall(210, NOW + 60),
        wall(0),
        wall(-5),
        wall(math.nan),
        wall(math.inf),
        wall(200_000),
        wall(6 * NODE.peak_watts),
        package(210),
    ],
)
def test_a_reading_that_cannot_be_believed_falls_down_the_chain_visibly(
    reading: MeterReading | None,
) -> None:
    """Missing, stale, absurd and mislabelled readings leave a note, and the load answers."""
    value = present_watts(NODE, Observation(wall=reading, utilisation_ratio=0.5), NOW)
    assert (value.watts, value.source) == (200, ProfileSource.CATALOGUE_CPU_MODEL)
    assert any(note.startswith("wall meter:") for note in value.notes)


def test_a_reading_of_some_times_the_peak_is_still_believed() -> None:
    """Profiles may be wrong by far; only beyond five times the peak is the meter."""
    value = present_watts(NODE, Observation(wall=wall(ABSURD_FACTOR * NODE.peak_watts)), NOW)
    assert value.source is ProfileSource.MEASURED_WALL


def test_packages_of_unknown_range_say_nothing_of_the_load() -> None:
    """Package watts alone are no load point."""
    value = present_watts(NODE, Observation(package=package(70), utilisation_ratio=0.1), NOW)
    assert value.source is ProfileSource.CATALOGUE_CPU_MODEL
    assert any("unknown" in note for note in value.notes)


@pytest.mark.parametrize("load", [None, math.nan, -0.5, math.inf])
def test_a_node_that_nobody_sees_is_taken_to_be_full(load: float | None) -> None:
    """Missing data never makes a node look good."""
    value = present_watts(NODE, Observation(utilisation_ratio=load), NOW)
    assert (value.watts, value.trust) == (NODE.peak_watts, 0)


def test_an_idle_node_draws_its_idle_watts() -> None:
    """Zero load is known load."""
    value = present_watts(NODE, Observation(utilisation_ratio=0.0), NOW)
    assert (value.watts, value.trust) == (NODE.idle_watts, NODE.trust)


@given(st.floats(allow_nan=True), st.floats(allow_nan=True), st.floats(allow_nan=True))
def test_no_reading_whatever_leads_to_watts_that_no_node_draws(
    wall_watts: float, package_watts: float, load: float
) -> None:
    """The answer is finite, positive and within what can be believed."""
    observation = Observation(
        wall=wall(wall_watts),
        package=package(package_watts),
        package_range=RANGE,
        utilisation_ratio=load,
    )
    assert 0 < present_watts(NODE, observation, NOW).watts <= 5 * NODE.peak_watts


def test_a_package_profile_is_no_curve_for_the_wall() -> None:
    """Scopes are never mixed."""
    rapl = NodePowerProfile(name="rapl", curve=PowerCurve.linear(5, 15), scope=Scope.PACKAGE)
    with pytest.raises(InputError, match="scope"):
        present_watts(rapl, Observation(), NOW)


@pytest.mark.parametrize("ends", [(10, 10), (20, 10), (math.nan, 10), (-1, 10), (0, math.inf)])
def test_a_package_range_that_is_none_is_refused(ends: tuple[float, float]) -> None:
    """Idle is below peak, and both are numbers."""
    with pytest.raises(InputError):
        PackageRange(idle_watts=ends[0], peak_watts=ends[1])
