"""Our scheduling model against a real kube-scheduler: the same pods on the same nodes.

Twice 20/30/10 servers and 1,200 pods: with the standard fleet of 60 nodes, one node more or less
would already be 5 % of those that carry a pod. Nodes join while the scheduler watches, in the
model's order, because kube-scheduler decides between equal nodes by that order.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scheduler_files
from extender_recorder import recording

from cluster.scheduling.profile import SchedulerProfile
from cluster.scheduling.tie import TieRule, TieState
from energy.catalogue import Catalogue
from energy.power_profile import read_power_profiles
from extender.options import CoreOptions
from simulator.extender_chooser import EXTENDER_WEIGHT, POINTS_PER_SCORE, PROFILE
from simulator.fidelity import replay, simulated_placement
from simulator.fleet import FLEETS, Fleet, fleet_of_servers
from simulator.policy import Setting
from simulator.sandbox.fleet_nodes import SERVER_LABEL
from simulator.sandbox.toolchain import Toolchain
from simulator.sandbox.trial import TrialCluster
from simulator.sandbox.trial_arms import (
    SchedulerConfiguration,
    most_allocated,
    plain_configuration,
    with_extender,
)
from simulator.sandbox.trial_extender import negawatt_environment, negawatt_extender
from simulator.sandbox.trial_grades import nodes_used, placement_watts
from simulator.sandbox.trial_objects import write_power_profiles
from simulator.sandbox.trial_pods import shipped_pods
from simulator.simulated_extender import SimulatedExtender, extended_placement

pytestmark = [pytest.mark.kube, pytest.mark.slow]

PODS, SEED = 1200, 1
SETTING = Setting(usage_ratio=1.0, nodes_may_sleep=False)
ALL_PERCENT = 100
# The bars of what "the same" means.
WATTS_TOLERANCE, NODES_TOLERANCE, AGREEMENT_MIN = 0.05, 0.03, 0.99
DEFAULT = SchedulerProfile.default(percentage_of_nodes_to_score=ALL_PERCENT)
MOST_ALLOCATED = SchedulerProfile.most_allocated(percentage_of_nodes_to_score=ALL_PERCENT)


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    """Give 120 nodes that name their servers, as an operator's labels would."""
    counts = {server: 2 * count for server, count in FLEETS["20/30/10"].items()}
    fleet = fleet_of_servers("20/30/10 twice", counts, Catalogue.shipped())
    nodes = [
        replace(node, labels={**node.labels, SERVER_LABEL: profile.name})
        for node, profile in zip(fleet.nodes, fleet.profiles, strict=True)
    ]
    return Fleet(fleet.name, tuple(nodes), fleet.profiles)


@pytest.fixture(scope="module")
def cluster(fleet: Fleet) -> Iterator[TrialCluster]:
    """Give a control plane with these nodes."""
    with TrialCluster(Toolchain.found(os.environ), fleet) as cluster:
        yield cluster


def watts_above_idle(fleet, pods, node_of_pod):
    """Watts that the pods cost beyond a fleet of idle nodes."""
    idle_watts = sum(profile.idle_watts for profile in fleet.profiles)
    return placement_watts(fleet, pods, node_of_pod, SETTING) - idle_watts


def assert_alike(fleet, pods, real, simulated):
    """Assert that two placements cost the same on as many nodes."""
    assert watts_above_idle(fleet, pods, simulated) == pytest.approx(
        watts_above_idle(fleet, pods, real), rel=WATTS_TOLERANCE
    )
    assert nodes_used(simulated) == pytest.approx(nodes_used(real), rel=NODES_TOLERANCE)


@pytest.mark.parametrize(
    ("document", "profile"),
    [(plain_configuration(), DEFAULT), (most_allocated(), MOST_ALLOCATED)],
    ids=["default", "most-allocated"],
)
def test_model_places_as_the_scheduler_does(cluster, fleet, document, profile):
    """Left to itself, and asked about every single decision."""
    pods = shipped_pods(fleet, PODS, SEED)
    document["percentageOfNodesToScore"] = ALL_PERCENT
    trial = cluster.run(pods, SchedulerConfiguration.of(document), nodes_join=True)

    assert trial.unscheduled_pods == 0
    simulated = simulated_placement(fleet.nodes, pods, profile, TieState())
    assert_alike(fleet, pods, trial.node_of_pod, simulated)
    replayed = replay(fleet.nodes, pods, trial.node_of_pod, profile)
    assert replayed.agreement_ratio >= AGREEMENT_MIN, replayed.disagreements[:5]


def test_model_with_our_extender_places_as_the_scheduler_does(cluster, fleet, tmp_path: Path):
    """The real extender beside the real scheduler, and its core beside our model.

    A decision is replayed with the scores that the extender gave about it.
    """
    pods = shipped_pods(fleet, PODS, SEED)
    profiles = tmp_path / "power-profiles.yaml"
    write_power_profiles(profiles, fleet)
    shipped = scheduler_files.shipped()
    name = shipped["profiles"][0]["schedulerName"]
    assert shipped["extenders"][0]["weight"] == EXTENDER_WEIGHT
    # Another time limit than shipped: a busy machine must not decide what is compared here.
    shipped["extenders"][0]["httpTimeout"] = "10s"
    environ = negawatt_environment(
        kubeconfig=cluster.plane.kubeconfig,
        power_profiles=profiles,
        setting=SETTING,
        scheduler_name=name,
    )
    with (
        negawatt_extender(environ, tmp_path / "extender.log") as extender,
        recording(extender.url) as recorder,
    ):
        configuration = SchedulerConfiguration.of(with_extender(shipped, recorder.url))
        trial = cluster.run(pods, configuration, nodes_join=True)

    assert trial.unscheduled_pods == 0
    catalogue = Catalogue.shipped().with_power_profiles(read_power_profiles(profiles))
    options = CoreOptions(
        mode="act",
        scheduler_names=(name,),
        usage_ratio=SETTING.usage_ratio,
        nodes_may_sleep=SETTING.nodes_may_sleep,
    )
    ties = TieState(rule=TieRule.RANDOM, rng=np.random.default_rng(SEED))
    model = SimulatedExtender(fleet, catalogue, options, EXTENDER_WEIGHT)
    simulated = extended_placement(fleet, pods, PROFILE, ties, model)
    assert_alike(fleet, pods, trial.node_of_pod, simulated)

    def told(table, pod, rows):
        scores = recorder.scores.get(pod.name, {})
        points = [scores.get(table.nodes[row].name, 0) for row in rows.tolist()]
        return np.array(points, dtype=np.int64) * EXTENDER_WEIGHT * POINTS_PER_SCORE

    assert len(recorder.scores) >= AGREEMENT_MIN * PODS
    replayed = replay(fleet.nodes, pods, trial.node_of_pod, PROFILE, told)
    assert replayed.agreement_ratio >= AGREEMENT_MIN, replayed.disagreements[:5]
