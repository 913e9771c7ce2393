"""The replay of a scheduler's run finds just the decisions that our model would not have made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from model_objects import node

from cluster.model import Pod, Resources
from cluster.scheduling.profile import SchedulerProfile
from cluster.scheduling.tie import TieRule, TieState
from energy.catalogue import Catalogue
from energy.power_profile import read_power_profiles
from extender.options import CoreOptions
from simulator.chooser import NOWHERE
from simulator.fidelity import replay, simulated_placement
from simulator.fleet import Fleet, named_fleet
from simulator.sandbox.fleet_nodes import SERVER_LABEL
from simulator.sandbox.trial_objects import write_power_profiles
from simulator.sandbox.trial_pods import shipped_pods
from simulator.simulated_extender import SimulatedExtender, extended_placement

PROFILE = SchedulerProfile.most_allocated()
NODES = [node(f"n{number}", cpu=4000, memory=2**33) for number in range(4)]


def pod(name, cpu):
    """Give a pod of a GiB."""
    size = Resources(cpu_millicores=cpu, memory_bytes=2**30)
    return Pod(namespace="default", name=name, requests=size)


PODS = [pod(f"p{number}", 900) for number in range(12)]


@pytest.fixture
def placed():
    """Give what the model itself places."""
    return simulated_placement(NODES, PODS, PROFILE, TieState())


def test_the_models_own_placement_is_agreed_with(placed):
    """Whatever ties were decided, none of its choices is below its best."""
    assert replay(NODES, PODS, placed, PROFILE).agreement_ratio == 1.0


def test_another_choice_is_named_with_what_it_lacks(placed):
    """A pod on an empty node, where packing wanted the one in use; what follows is judged anew."""
    other = placed.copy()
    other[1] = (placed[1] + 1) % len(NODES)
    found = replay(NODES, PODS, other, PROFILE).disagreements

    assert found[0].pod == 1
    assert found[0].expected == placed[1]
    assert found[0].points > 0


def test_a_node_that_cannot_take_the_pod_is_no_choice(placed):
    """Four pods fill a node: a fifth is infeasible there."""
    crowded = np.zeros(5, dtype=np.int64)
    (found,) = replay(NODES, PODS[:5], crowded, PROFILE).disagreements

    assert (found.pod, found.points) == (4, None)


def test_a_pod_that_fits_nowhere_has_to_stay_where_it_is():
    """Nowhere is right for a pod too large, and wrong for one that fits."""
    large = [pod("large", 9000)]
    nowhere = np.array([NOWHERE])

    assert replay(NODES, large, nowhere, PROFILE).agreement_ratio == 1.0
    assert replay(NODES, PODS[:1], nowhere, PROFILE).agreement_ratio == 0.0


def test_points_of_an_extender_decide(placed):
    """An extender that wants the last node makes every other choice a disagreement."""

    def last(table, pod, rows):
        return np.where(rows == len(NODES) - 1, 1000, 0)

    wanted = simulated_placement(NODES, PODS[:4], PROFILE, TieState(), last)

    assert set(wanted.tolist()) == {len(NODES) - 1}
    assert replay(NODES, PODS[:4], wanted, PROFILE, last).agreement_ratio == 1.0
    assert replay(NODES, PODS[:4], wanted * 0, PROFILE, last).agreement_ratio == 0.0


def test_our_extenders_core_beats_packing_alone(tmp_path):
    """The standard fleet, 200 pods: with the core's ranks fewer nodes carry them."""
    plain = named_fleet("20/30/10", Catalogue.shipped())
    fleet = Fleet(
        plain.name,
        tuple(
            replace(each, labels={SERVER_LABEL: profile.name})
            for each, profile in zip(plain.nodes, plain.profiles, strict=True)
        ),
        plain.profiles,
    )
    write_power_profiles(tmp_path / "profiles.yaml", fleet)
    written = read_power_profiles(tmp_path / "profiles.yaml")
    catalogue = Catalogue.shipped().with_power_profiles(written)
    pods = shipped_pods(fleet, 200, seed=1)
    options = CoreOptions(mode="act", usage_ratio=1.0, nodes_may_sleep=True)
    core = SimulatedExtender(fleet, catalogue, options, weight=21)
    random = TieState(rule=TieRule.RANDOM, rng=np.random.default_rng(1))

    ours = extended_placement(fleet, pods, PROFILE, random, core)
    packed = simulated_placement(fleet.nodes, pods, PROFILE, TieState())

    assert NOWHERE not in ours
    assert len(np.unique(ours)) < len(np.unique(packed))
