"""The envelope of a power curve: convex, below the curve, and the best mixture of its loads."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from energy_strategies import profiles
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from energy.catalogue import Catalogue
from energy.envelope import convex_envelope
from energy.errors import InputError
from energy.power_curve import PowerCurve
from energy.profile import NodePowerProfile

USAGES = st.one_of(st.just(1.0), st.floats(0.05, 1.0))
EARNED = st.one_of(st.just(0.0), st.floats(0.0, 6000.0))


def points_of(profile, usage_ratio, *, sleep):
    """The states of a node that may be mixed: empty, its measured loads, and full requests."""
    curve = profile.curve
    empty = profile.sleep_watts if sleep else curve.idle_watts
    loads = [ratio for ratio in curve.utilisation_ratios if 0.0 < ratio < usage_ratio]
    loads.append(usage_ratio)
    return [(0.0, empty), *((load, curve.watts_at(load)) for load in loads)]


def slopes_of(curve):
    """Watts per unit of load of each piece."""
    points = list(zip(curve.utilisation_ratios, curve.watts, strict=True))
    return [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(points)]


def mixture_watts(points, load):
    """The least watts of a mixture of points with the given mean load, by linear programming."""
    loads, watts = np.array(points).T
    best = linprog(watts, A_eq=[loads, np.ones(len(loads))], b_eq=[load, 1.0], bounds=(0.0, 1.0))
    return best.fun


@given(profile=profiles(), usage_ratio=USAGES, sleep=st.booleans(), earned=EARNED)
def test_the_envelope_is_convex_to_its_very_end(profile, usage_ratio, sleep, earned):
    """No piece is less steep than the one before, beyond full requests neither."""
    envelope = convex_envelope(profile, usage_ratio, node_may_sleep=sleep, earned_watts=earned)
    corners = list(zip(envelope.utilisation_ratios, envelope.watts, strict=True))

    for (left, low), (middle, watts), (right, high) in zip(
        corners, corners[1:], corners[2:], strict=False
    ):
        share = (middle - left) / (right - left)
        assert watts <= low + share * (high - low) + 1e-6


@given(profile=profiles(), usage_ratio=USAGES, sleep=st.booleans())
def test_the_envelope_lies_below_the_points_and_meets_them_at_its_corners(
    profile, usage_ratio, sleep
):
    """No state of the node costs less, and each corner up to full requests is one of them."""
    envelope = convex_envelope(profile, usage_ratio, node_may_sleep=sleep)
    points = points_of(profile, usage_ratio, sleep=sleep)
    corners = zip(envelope.utilisation_ratios, envelope.watts, strict=True)

    assert all(envelope.watts_at(load) <= watts + 1e-6 for load, watts in points)
    assert {corner for corner in corners if corner[0] <= usage_ratio} <= set(points)
    assert envelope.watts_at(usage_ratio) == pytest.approx(profile.curve.watts_at(usage_ratio))


@given(profile=profiles(), usage_ratio=USAGES, sleep=st.booleans(), share=st.floats(0.0, 1.0))
def test_the_envelope_is_the_cheapest_mixture_of_loads(profile, usage_ratio, sleep, share):
    """A linear program over mixtures of the node's states finds the same watts."""
    envelope = convex_envelope(profile, usage_ratio, node_may_sleep=sleep)
    points = points_of(profile, usage_ratio, sleep=sleep)
    load = share * usage_ratio

    assert envelope.watts_at(load) == pytest.approx(mixture_watts(points, load), abs=1e-3)


@pytest.mark.parametrize("usage_ratio", [0.2, 0.3, 0.5, 0.6, 1.0])
@pytest.mark.parametrize("sleep", [True, False])
def test_the_envelopes_of_measured_servers_are_convex(usage_ratio, sleep):
    """On every server of the catalogue a load more never costs less than the one before it."""
    for server in Catalogue.shipped().servers.values():
        envelope = convex_envelope(server.profile(), usage_ratio, node_may_sleep=sleep)
        slopes = np.array(slopes_of(envelope))
        assert (np.diff(slopes) >= -1e-9 * np.abs(slopes[1:])).all(), server.cpu


@given(
    profile=profiles(monotone=True),
    usage_ratio=USAGES,
    sleep=st.booleans(),
    earned=st.lists(EARNED, min_size=2, max_size=2),
    share=st.floats(0.0, 1.0),
)
def test_what_something_else_pays_for_raises_the_start_and_cheapens_the_first_core(
    profile, usage_ratio, sleep, earned, share
):
    """More earned, a higher start and a flatter first piece; the full node costs what it did."""
    none, less, more = (
        convex_envelope(profile, usage_ratio, node_may_sleep=sleep, earned_watts=watts)
        for watts in (0.0, *sorted(earned))
    )
    load = share * usage_ratio

    assert none.idle_watts == (profile.sleep_watts if sleep else profile.idle_watts)
    assert none.watts_at(load) <= less.watts_at(load) + 1e-6
    assert less.watts_at(load) <= more.watts_at(load) + 1e-6
    assert less.watts_at(load) <= none.watts_at(load) + min(earned) + 1e-6
    for envelope in (none, less, more):
        assert envelope.watts_at(usage_ratio) == pytest.approx(profile.curve.watts_at(usage_ratio))
        assert all(slope >= -1e-6 for slope in slopes_of(envelope))


@pytest.mark.parametrize("usage_ratio", [0.0, -0.5, 1.0001, float("nan"), float("inf")])
def test_an_impossible_usage_is_refused_in_one_line(usage_ratio):
    """A ratio outside (0, 1] ends in one line that says how to mend it."""
    profile = NodePowerProfile(name="n", curve=PowerCurve.linear(100.0, 200.0))
    with pytest.raises(InputError, match="usage ratio") as caught:
        convex_envelope(profile, usage_ratio, node_may_sleep=True)
    assert "\n" not in str(caught.value)
