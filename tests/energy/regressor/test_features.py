"""Features carry over between sizes; curves keep idle and peak and always rise."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from energy.catalogue import Catalogue
from energy.errors import InputError
from energy.regressor.facts import ServerFacts, facts_of
from energy.regressor.features import (
    FEATURE_NAMES,
    curves_of,
    feature_matrix,
    known_levels,
    shapes_of,
    straight_lines,
    watts_of_shapes,
)

SERVERS = list(Catalogue.shipped().servers.values())[::25]


def test_a_shape_and_two_watts_are_the_whole_curve() -> None:
    """Nothing is lost between watts and targets, but for steps below the floor."""
    measured = curves_of(SERVERS)
    back = watts_of_shapes(shapes_of(SERVERS), measured[:, [0, -1]])
    assert back == pytest.approx(measured, rel=1e-9)


@given(
    arrays.arrays(np.float64, (1, 9), elements=st.floats(-2, 3)),
    st.floats(1, 500),
    st.floats(1, 2000),
)
def test_whatever_an_estimator_says_the_curve_rises_from_idle_to_peak(
    shape: np.ndarray, idle_watts: float, span_watts: float
) -> None:
    """No predicted piece is flat or falls, and the ends are those given."""
    peak_watts = idle_watts + span_watts
    (watts,) = watts_of_shapes(shape, np.array([[idle_watts, peak_watts]]))
    assert watts[[0, -1]] == pytest.approx([idle_watts, peak_watts])
    assert (np.diff(watts) > 0).all()


def test_the_regressor_sees_no_inner_load_point() -> None:
    """Changing watts between idle and peak changes no feature."""
    server = SERVERS[3]
    bent = replace(
        server.curve, watts=(server.curve.idle_watts, *[123.0] * 9, server.curve.peak_watts)
    )
    assert facts_of(replace(server, curve=bent)) == facts_of(server)


def test_unknown_sizes_have_stated_defaults() -> None:
    """A server of which only the cores are known still has all features."""
    facts = [ServerFacts(cores=64, idle_watts=100, peak_watts=400)]
    features = feature_matrix(facts, known_levels(facts, None))
    assert features.shape == (1, len(FEATURE_NAMES))
    assert np.isfinite(features).all()


def test_known_watts_are_kept_and_unknown_ones_predicted() -> None:
    """Each of idle and peak is taken as given where it is given, and idle stays below peak."""
    size = math.sqrt(64 * 2)
    predicted = np.array([[math.log(400 / size), math.log(0.25)]] * 4)
    facts = [
        ServerFacts(cores=64, chips=2),
        ServerFacts(cores=64, chips=2, idle_watts=120),
        ServerFacts(cores=64, chips=2, peak_watts=600),
        ServerFacts(cores=64, chips=2, idle_watts=900),
    ]
    levels = known_levels(facts, predicted)
    assert levels == pytest.approx(np.array([[100, 400], [120, 400], [150, 600], [900, 3600]]))


def test_a_hardware_date_long_before_publication_is_a_slip() -> None:
    """An EPYC of 2018 dated 2008 is taken for one of 2018."""
    slip = replace(SERVERS[0], hardware_available=date(2008, 2, 1), published=date(2018, 8, 1))
    assert facts_of(slip).hardware_year == pytest.approx(2018 + 7 / 12)


@pytest.mark.parametrize(
    "bad",
    [
        {"cores": 0},
        {"idle_watts": math.nan},
        {"peak_watts": -1.0},
        {"idle_watts": 300.0, "peak_watts": 200.0},
        {"memory_gigabytes": math.inf},
    ],
)
def test_facts_that_cannot_be_are_refused(bad: dict[str, float]) -> None:
    """Named, in one line."""
    with pytest.raises(InputError, match=next(iter(bad))):
        ServerFacts(**{"cores": 8, **bad})  # type: ignore[arg-type]


def test_straight_lines_are_straight() -> None:
    """The baseline."""
    (line,) = straight_lines(np.array([[100.0, 300.0]]))
    assert np.diff(line) == pytest.approx([20.0] * 10)
