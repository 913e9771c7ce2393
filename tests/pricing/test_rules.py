"""Rules rank nodes as their definitions say, and pack among equals."""

from __future__ import annotations

import numpy as np
import pytest
from fleet_power import choice, power_of
from hypothesis import given
from hypothesis import strategies as st
from small_fleets import NEW, OLD, fleet_of

from cluster.scheduling.table import NodeTable
from energy.cost import marginal_watts
from energy.errors import InputError
from energy.power_curve import PowerCurve
from energy.profile import NodePowerProfile
from pricing.node_class import classify
from pricing.rules import FillCost, Marginal, MarginalIdle
from simulator.pod_file import pod_of

U_SHAPED = NodePowerProfile(
    name="u", curve=PowerCurve(utilisation_ratios=(0, 0.2, 0.8, 1), watts=(50, 90, 130, 190))
)


@given(ratios=st.lists(st.floats(0.0, 1.0), min_size=3, max_size=3))
def test_power_table_agrees_with_each_curve(ratios):
    """The tabulated watts of mixed grids are those of the curves themselves."""
    fleet = fleet_of((1, 4, 8, OLD), (1, 8, 8, U_SHAPED), (1, 16, 8, NEW))
    table = power_of(fleet).power

    expected = [p.curve.watts_at(u) for p, u in zip(fleet.profiles, ratios, strict=True)]
    assert table.watts_at(np.array(ratios)) == pytest.approx(expected)


@given(load=st.lists(st.integers(0, 9000), min_size=2, max_size=2), added=st.integers(0, 9000))
def test_marginal_watts_are_the_difference_of_two_loads(load, added):
    """The table's marginal watts are those of `energy.cost`, overload included."""
    fleet = fleet_of((1, 4, 8, U_SHAPED), (1, 8, 8, NEW))
    table = power_of(fleet).power
    requested = np.array(load)
    cores = (4.0, 8.0)

    expected = [
        marginal_watts(profile, size, 0.5 * used / 1000, 0.5 * added / 1000)
        for profile, size, used in zip(fleet.profiles, cores, load, strict=True)
    ]
    assert table.marginal_watts(requested, added, 0.5) == pytest.approx(expected, abs=1e-9)


def test_an_overloaded_node_never_looks_free():
    """Beyond full load the marginal watts are those of the steepest piece, not zero."""
    fleet = fleet_of((1, 4, 8, U_SHAPED))

    assert power_of(fleet).power.marginal_watts(np.array([4000]), 400, 1.0)[0] == pytest.approx(30)


def test_fill_cost_prefers_the_class_whose_cores_cost_least_when_full():
    """Nodes that may sleep pay their idle watts; the newer class is cheaper per core."""
    fleet = fleet_of((2, 8, 32, OLD), (2, 8, 32, NEW))
    table = NodeTable.of(fleet.nodes)

    assert choice(FillCost(power_of(fleet)), table, pod_of("p", 1000, 1024)) in (2, 3)


def test_fill_cost_ignores_idle_watts_where_nodes_stay_on():
    """Nodes that stay on spend idle watts anyway: classes of equal slope are one class."""
    fleet = fleet_of((1, 8, 32, OLD), (1, 8, 32, NEW))
    pod, table = pod_of("p", 1000, 1024), NodeTable.of(fleet.nodes)

    costs = FillCost(power_of(fleet, sleep=False)).costs(table, pod)
    assert costs[0] == costs[1]


def test_equal_nodes_are_packed():
    """Among nodes of one class the fullest that still has room wins."""
    fleet = fleet_of((3, 8, 32, NEW))
    table = NodeTable.of(fleet.nodes)
    table.assign(pod_of("a", 2000, 2048), 1)
    table.assign(pod_of("b", 7500, 2048), 2)

    assert choice(FillCost(power_of(fleet)), table, pod_of("p", 1000, 1024)) == 1


def test_marginal_looks_only_at_the_present_slope():
    """On a U-shaped curve the half-loaded node adds less than the empty one."""
    fleet = fleet_of((2, 10, 64, U_SHAPED))
    table = NodeTable.of(fleet.nodes)
    table.assign(pod_of("a", 3000, 1024), 1)

    assert choice(Marginal(power_of(fleet)), table, pod_of("p", 1000, 1024)) == 1


def test_marginal_idle_charges_for_waking_only_where_nodes_sleep():
    """An empty node costs its waking watts more, unless it is on in any case."""
    fleet = fleet_of((2, 10, 64, NEW))
    table = NodeTable.of(fleet.nodes)
    pod = pod_of("p", 1000, 1024)
    table.assign(pod_of("a", 1000, 1024), 0)

    asleep = MarginalIdle(power_of(fleet)).costs(table, pod)
    awake = MarginalIdle(power_of(fleet, sleep=False)).costs(table, pod)
    assert (asleep[1] - asleep[0]) * 0.05 == pytest.approx(NEW.idle_watts - NEW.sleep_watts)
    assert awake[0] == awake[1]


def test_no_room_means_no_node():
    """A pod that fits nowhere gets no node."""
    fleet = fleet_of((1, 1, 1, NEW))

    assert choice(FillCost(power_of(fleet)), NodeTable.of(fleet.nodes), pod_of("p", 2000, 1)) == -1


def test_rules_explain_themselves_in_watts():
    """Each rule's reason names the figure it ranks by."""
    fleet = fleet_of((2, 8, 32, NEW))
    table, pod = NodeTable.of(fleet.nodes), pod_of("p", 1000, 1024)

    assert "30.62 W" in FillCost(power_of(fleet)).reason(table, pod, 0)
    assert "25.00 W" in Marginal(power_of(fleet)).reason(table, pod, 0)
    assert "70.00 W" in MarginalIdle(power_of(fleet)).reason(table, pod, 0)


def test_classes_need_a_profile_for_each_node():
    """Missing nodes or profiles are refused, not guessed."""
    fleet = fleet_of((2, 8, 32, NEW))
    with pytest.raises(InputError, match="no nodes"):
        classify([], [])
    with pytest.raises(InputError, match="2 nodes but 1"):
        classify(fleet.nodes, fleet.profiles[:1])
