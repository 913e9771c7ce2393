"""Scenario families: their load, their seeds, and what must hold while they are run."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from witness import Witness, run_watched

from cluster.constraints import HOSTNAME_LABEL, ZONE_LABEL
from energy.errors import InputError
from simulator.chooser import NodeEventKind
from simulator.scenarios.families import (
    FAMILIES,
    RECORDED_FAMILIES,
    SITUATIONS,
    ScenarioKey,
    build_scenario,
)
from simulator.scenarios.scenario import standing_load_ratio

DRAWN = [name for name in FAMILIES if name not in RECORDED_FAMILIES]
DISRUPTIONS = SITUATIONS["failures and drains"]


def scenario_of(family, *, fleet="20/30/10", load=0.3, seed=1, constrained=False):
    """A scenario that needs no file."""
    key = ScenarioKey(family=family, fleet=fleet, load_ratio=load, constrained=constrained)
    return build_scenario(key, seed)


@pytest.mark.parametrize("family", DRAWN)
def test_a_seed_names_its_scenario(family):
    """The same seed gives the same pods and events, another gives others."""
    one, same, other = (scenario_of(family, seed=seed) for seed in (1, 1, 2))

    assert one.stream.pods == same.stream.pods
    assert (one.stream.arrival_seconds == same.stream.arrival_seconds).all()
    assert (one.stream.lifetime_seconds == same.stream.lifetime_seconds).all()
    assert one.events == same.events
    assert one.stream.pods != other.stream.pods


@pytest.mark.parametrize("fleet", ["20/30/10", "mixed", "homogeneous"])
@pytest.mark.parametrize("family", DRAWN)
def test_the_load_is_the_stated_one(family, fleet):
    """The counted time requests what was stated of the scarcer resource, and the burst besides."""
    scenario = scenario_of(family, fleet=fleet, load=0.5)
    burst = 0.4 * int(family.removeprefix("burst-")) / 600 if family.startswith("burst") else 0.0
    # A burst may lean on the other resource than the standing pods do.
    low = 0.5 + (0.5 * burst if burst else 0.0)

    assert low * 0.98 <= standing_load_ratio(scenario) <= (0.5 + burst) * 1.02


@pytest.mark.parametrize("family", DRAWN)
def test_every_pod_has_an_owner_and_a_name_of_its_own(family):
    """Lifetimes are learnt by owner, and moved pods are known by name."""
    pods = scenario_of(family).stream.pods

    assert all(pod.owner is not None for pod in pods)
    assert len({pod.name for pod in pods}) == len(pods)
    assert 5 <= len({pod.owner for pod in pods}) < len(pods) / 3


@pytest.mark.parametrize("family", DRAWN)
def test_every_pod_that_arrives_runs_leaves_or_waits(family):
    """No pod is lost or run twice, whatever happens to nodes; all that leave had come."""
    scenario = scenario_of(family)
    record, witness = run_watched(scenario)
    running = Counter(witness.running)
    due = scenario.stream.departure_seconds[: record.arrived_pods] <= scenario.end_seconds

    assert record.arrived_pods == int(
        (scenario.stream.arrival_seconds <= scenario.end_seconds).sum()
    )
    assert witness.finished + sum(running.values()) + record.pending_pods == record.arrived_pods
    assert max(running.values()) == 1
    if record.waited_pod_seconds == 0:
        assert witness.finished == int(due.sum())


@pytest.mark.parametrize("family", DISRUPTIONS)
@pytest.mark.parametrize("fleet", ["20/30/10", "mixed"])
def test_a_node_that_fails_or_is_drained_is_empty_until_it_returns(family, fleet):
    """From the event to its return no pod is there, and others lost theirs meanwhile."""
    scenario = scenario_of(family, fleet=fleet, load=0.5)
    record, _ = run_watched(scenario)
    away = {event.node: event.seconds for event in scenario.events if event.kind != "return"}
    back = {event.node: event.seconds for event in scenario.events if event.kind == "return"}

    assert set(away) == set(back)
    assert max(back.values()) < scenario.end_seconds
    assert record.displaced_pods > 0
    for node, since in away.items():
        mine = record.change_node == node
        during = mine & (record.change_seconds >= since) & (record.change_seconds < back[node])
        before = record.change_pods[mine & (record.change_seconds < since)][-1:].sum()
        if during.any():
            assert (np.diff(record.change_pods[during]) < 0).all()
            assert record.change_pods[during][-1] == 0
        else:
            assert before == 0


def test_drains_take_one_node_at_a_time():
    """A node is back before the next one is drained."""
    for family in ("drain", "best-drain"):
        away = 0
        for event in sorted(scenario_of(family).events, key=lambda one: one.seconds):
            away += 1 if event.kind is NodeEventKind.DRAIN else -1
            assert away in {0, 1}


def test_the_best_rack_and_class_are_the_cheapest_cores():
    """On 20/30/10 the ten newest servers fail and are upgraded."""
    for family in ("best-rack", "best-drain"):
        nodes = {event.node for event in scenario_of(family).events}
        assert nodes == set(range(50, 60))


@pytest.mark.parametrize("fleet", ["20/30/10", "mixed"])
def test_a_third_of_the_pods_is_constrained(fleet):
    """All three constraints occur, over about a third of the pods and no more."""
    scenario = scenario_of("churn", fleet=fleet, load=0.5, constrained=True)
    pods = [pod for pod in scenario.stream.pods if pod.constrained]

    assert len(pods) / len(scenario.stream) == pytest.approx(1 / 3, abs=0.05)
    for kind in ("affinity", "topology_spread", "node_selector"):
        assert sum(bool(getattr(pod, kind)) for pod in pods) > 0.1 * len(pods)


class Constraints(Witness):
    """Checks each placement by what the pods on the nodes say, not by the scheduler's code."""

    def placed(self, pod, node, now_seconds):
        """The pod's constraint, among the pods that run at this moment."""
        mates = [
            self.nodes[place]
            for name, place in self.running
            if pod.constrained and self.pods[name].owner == pod.owner
        ]
        labels = self.nodes[node].labels
        if pod.affinity:
            assert labels[HOSTNAME_LABEL] not in {one.labels[HOSTNAME_LABEL] for one in mates}
        if pod.topology_spread:
            zones = Counter({f"zone-{zone}": 0 for zone in range(3)})
            zones.update(one.labels[ZONE_LABEL] for one in mates)
            assert zones[labels[ZONE_LABEL]] - min(zones.values()) < 1
        assert pod.node_selector.items() <= labels.items()
        super().placed(pod, node, now_seconds)


@pytest.mark.parametrize("policy", ["efficiency-order", "fill-cost", "repack"])
def test_no_placement_breaks_a_constraint(policy):
    """Not on arrival, not from the queue, not by a move; what waits does so for a reason."""
    scenario = scenario_of("churn", load=0.3, constrained=True)
    record, witness = run_watched(scenario, policy, Constraints)

    assert witness.finished > 1000
    assert record.pending_pods < 10


def test_a_family_that_needs_a_file_says_so():
    """One line that names the option."""
    with pytest.raises(InputError, match="needs recorded pods"):
        scenario_of("standard", load=0.4)
    with pytest.raises(InputError, match="no family is named nonsense"):
        scenario_of("nonsense")
