"""Fleets: tiers as a careful operator would set them, and figures as published."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_fleets import fleet_of

from cluster.scheduling.profile import ENERGY_TIER_LABEL
from energy.catalogue import Catalogue
from energy.errors import InputError
from energy.power_curve import PowerCurve
from energy.profile import NodePowerProfile
from simulator.fleet import FLEETS, named_fleet, tiers


def profile(watts):
    """A server whose cores cost a tenth of this at full load, ten cores a node."""
    return NodePowerProfile(name=f"s{watts}", curve=PowerCurve.linear(watts / 4, watts))


def test_few_classes_have_a_tier_each_in_the_order_of_their_cost():
    """Three costs are three tiers; nodes within one percent share one."""
    fleet = fleet_of((1, 10, 8, profile(300)), (1, 10, 8, profile(100)), (1, 10, 8, profile(301)))

    assert [node.labels[ENERGY_TIER_LABEL] for node in fleet.with_tiers().nodes] == ["1", "0", "1"]


@given(counts=st.lists(st.integers(1, 50), min_size=11, max_size=40))
def test_many_classes_fill_ten_tiers_evenly(counts):
    """No tier holds more than a tenth of the cores beyond what one class brings with it."""
    parts = [(count, 10, 8, profile(100 + 5 * n)) for n, count in enumerate(counts)]
    classes = fleet_of(*parts).classes.classes
    found = tiers(classes)
    cores = np.bincount(found, weights=[group.count * 10 for group in classes], minlength=10)

    assert found == sorted(found)
    assert max(found) <= 9
    assert cores.max() <= sum(counts) + 10 * max(counts)


def test_the_standard_fleet_is_the_published_one():
    """3,280 cores, and the very watts of SPEC's results."""
    fleet = named_fleet("20/30/10", Catalogue.shipped())

    assert fleet.cpu_cores.sum() == 3280
    assert fleet.memory_bytes.sum() == (20 * 24 + 30 * 192 + 10 * 256) * 2**30
    assert fleet.profiles[0].curve.watts[5] == 124
    assert fleet.profiles[20].curve.watts[5] == 224
    assert fleet.profiles[50].curve.watts[5] == 258


@pytest.mark.parametrize("name", FLEETS)
def test_every_named_fleet_has_sixty_nodes(name):
    """Fleets are compared at equal numbers of nodes."""
    assert len(named_fleet(name, Catalogue.shipped()).nodes) == 60


def test_an_unknown_fleet_is_named():
    """The error lists those that exist."""
    with pytest.raises(InputError, match="homogeneous"):
        named_fleet("armada", Catalogue.shipped())
