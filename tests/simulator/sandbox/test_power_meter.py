"""Conservation: pods and idle make up the node, at every moment and in every sum of energy."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.catalogue import Catalogue
from energy.errors import InputError
from energy.power_curve import LOAD_LEVELS, PowerCurve
from energy.profile import NodePowerProfile
from simulator.fleet import FLEETS
from simulator.sandbox.power_meter import (
    ZONES,
    NodeEnergy,
    NodePower,
    NodeUse,
    PodUse,
    node_power,
)

SERVERS = Catalogue.shipped().servers
PROFILES = [SERVERS[slug].profile() for slug in sorted(FLEETS["mixed"])]
# Some measured servers draw less at 10 % than idle, and some curves fall at their end.
CURVES = st.lists(st.floats(1, 1000), min_size=11, max_size=11).map(PowerCurve.from_load_levels)


def pod(number: int, cpu_cores: float) -> PodUse:
    """A pod that uses so many cores."""
    return PodUse(
        uid=f"uid-{number}",
        namespace="default",
        name=f"pod-{number}",
        containers=("c",),
        cpu_cores=cpu_cores,
    )


@st.composite
def uses(draw: st.DrawFn) -> NodeUse:
    """Nodes of measured and made-up curves, from empty to overfull, awake and asleep."""
    measured = st.sampled_from(PROFILES)
    made_up = CURVES.map(lambda curve: NodePowerProfile(name="made-up", curve=curve))
    cores = draw(st.lists(st.floats(0, 40), max_size=6))
    return NodeUse(
        name="node",
        profile=draw(measured | made_up),
        cpu_cores=draw(st.floats(1, 128)),
        asleep=draw(st.booleans()),
        pods=tuple(pod(number, each) for number, each in enumerate(cores)),
    )


@given(uses())
def test_pods_and_idle_make_up_the_node(use: NodeUse) -> None:
    """Whatever runs: no watt is lost, none appears, none is negative."""
    power = node_power(use)
    parts = [power.asleep_watts, power.idle_watts, *power.pod_watts.values()]

    assert math.fsum(parts) == pytest.approx(power.wall_watts)
    assert min(parts) >= 0
    assert power.pod_watts.keys() == {pod.uid for pod in use.pods}


@given(uses())
def test_node_draws_what_its_curve_says(use: NodeUse) -> None:
    """The wall reading is the curve at the load, the sleep watts of a node that sleeps."""
    awake = use.profile.curve.watts_at(use.usage_ratio)
    expected = use.profile.sleep_watts if use.asleep else awake

    assert node_power(use).wall_watts == pytest.approx(expected)


@given(uses())
def test_pods_share_by_their_cores(use: NodeUse) -> None:
    """Twice the cores, twice the watts."""
    power = node_power(use)
    cores = sum(pod.cpu_cores for pod in use.pods)
    for each in use.pods:
        share = each.cpu_cores / cores if cores else 0.0
        assert power.pod_watts[each.uid] == pytest.approx(power.active_watts * share)


@given(st.lists(st.tuples(uses(), st.floats(-10, 1000)), max_size=8))
def test_energy_never_falls_and_is_all_accounted_for(steps: list[tuple[NodeUse, float]]) -> None:
    """Over any history, also of a clock that goes back, joules only grow, by watts x time."""
    energy, now, expected = NodeEnergy(at_seconds=1000.0), 1000.0, 0.0
    for use, passed in steps:
        power = node_power(use)
        now += passed
        expected += power.wall_watts * max(0.0, now - energy.at_seconds)
        after = energy.after(power, now)
        assert after.wall_joules >= energy.wall_joules
        for zone in ZONES:
            before_parts, after_parts = energy.zone_joules(zone), after.zone_joules(zone)
            assert all(b <= a for b, a in zip(before_parts, after_parts, strict=True))
        for uid in energy.pod_joules.keys() & after.pod_joules.keys():
            assert after.pod_joules[uid] >= energy.pod_joules[uid]
        energy = after

    assert energy.wall_joules == pytest.approx(expected)


@given(uses(), st.lists(st.floats(0.1, 100), min_size=1, max_size=6))
def test_joules_of_pods_and_idle_make_up_the_joules_of_the_node(
    use: NodeUse, passes: list[float]
) -> None:
    """What stays on a node through all steps accounts for all of its energy."""
    energy, now = NodeEnergy(at_seconds=0.0), 0.0
    for passed in passes:
        now += passed
        energy = energy.after(node_power(use), now)

    parts = [energy.asleep_joules, energy.idle_joules, *energy.pod_joules.values()]
    assert math.fsum(parts) == pytest.approx(energy.wall_joules)


@given(uses())
def test_zones_draw_less_than_the_wall_and_nothing_asleep(use: NodeUse) -> None:
    """The package and the DRAM beside it stay below the wall; the cores are within the package."""
    power = node_power(use)
    package, core, dram = (sum(power.zone_watts(zone)) for zone in ("package", "core", "dram"))

    assert core <= package
    assert package + dram <= power.wall_watts
    assert not use.asleep or package == dram == 0


def test_full_load_of_a_measured_server_is_its_peak() -> None:
    """A figure that can be looked up: SPEC's watts at 100 % and idle."""
    server = SERVERS["dell-poweredge-r720-e5-2660"]
    full = NodeUse(
        name="n", profile=server.profile(), cpu_cores=server.cores, pods=(pod(1, server.cores),)
    )
    empty = NodeUse(name="n", profile=server.profile(), cpu_cores=server.cores)

    assert node_power(full).wall_watts == server.curve.watts[-1]
    assert node_power(empty) == NodePower(idle_watts=server.curve.watts[0])
    assert len(server.curve.watts) == len(LOAD_LEVELS)


def test_use_below_nothing_is_refused() -> None:
    """It would let another pod draw more than the node."""
    use = NodeUse(name="n", profile=PROFILES[0], cpu_cores=4, pods=(pod(1, 2.0), pod(2, -1.0)))
    with pytest.raises(InputError, match="uses less than no CPU"):
        node_power(use)
