"""A day of real traffic: prices keep their order, and no pod waits while a node has room."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from cluster.scheduling.feasibility import feasible
from cluster.scheduling.table import NodeTable
from energy.catalogue import Catalogue
from simulator.chooser import NOWHERE, Chooser, NodeEvent, NodeEventKind
from simulator.engine import run
from simulator.fleet import named_fleet
from simulator.pod_file import pod_of
from simulator.policies import POLICIES
from simulator.policy import Setting
from simulator.scenarios.churning import traffic_replicas

pytestmark = pytest.mark.no_cover  # a day's decisions reach no line that an hour's do not

HOUR = 3600.0
# Eight hours of warm-up belong to the stream; a day follows, or half of one with its noon.
WARM_UP_SECONDS, DAY_SECONDS, MORNING_SECONDS = 8 * HOUR, 32 * HOUR, 16 * HOUR
NOON_SECONDS = 12 * HOUR
TYPICAL = (pod_of("typical", 2000, 4096), pod_of("light", 2000, 512), pod_of("heavy", 500, 8192))
THREE_CLASSES = "20/30/10"
HALF_USED = Setting(usage_ratio=0.5, nodes_may_sleep=True)
FAIL, DRAIN, RETURN = NodeEventKind.FAIL, NodeEventKind.DRAIN, NodeEventKind.RETURN


@cache
def traffic(load_ratio, end_seconds=MORNING_SECONDS, name=THREE_CLASSES):
    """A fleet of measured servers and the shipped traffic at a load of it."""
    fleet = named_fleet(name, Catalogue.shipped())
    rng = np.random.default_rng([5, 0])
    return fleet, traffic_replicas(fleet, load_ratio, end_seconds, rng)


class Watcher(Chooser):
    """Asks another chooser, notes how it ranks classes, and who waits while there is room."""

    def __init__(self, chooser, fleet):
        self.chooser, self.fleet = chooser, fleet
        self.orders, self.waiting, self.most_waiting = [], {}, 0
        self._empty = NodeTable.of(fleet.nodes)
        self._first = np.unique(fleet.classes.class_of_node, return_index=True)[1]

    def queued(self, table, pods, now_seconds):
        """No pod that waits could have been placed before these came."""
        for pod in self.waiting.values():
            assert not feasible(table, pod).any()
        self.chooser.queued(table, pods, now_seconds)
        order = tuple(tuple(self._ranked(pod)) for pod in TYPICAL)
        if not self.orders or order != self.orders[-1][1]:
            self.orders.append((now_seconds, order))

    def choose(self, table, pod, now_seconds):
        """What the other chooser says; it must find room where there is some."""
        node = self.chooser.choose(table, pod, now_seconds)
        if node == NOWHERE:
            assert not feasible(table, pod).any()
            self.waiting[pod.name] = pod
            self.most_waiting = max(self.most_waiting, len(self.waiting))
        else:
            assert feasible(table, pod)[node]
            self.waiting.pop(pod.name, None)
        return node

    def placed(self, pod, node, now_seconds):
        """Passed on."""
        self.chooser.placed(pod, node, now_seconds)

    def left(self, pod, node, now_seconds):
        """Passed on."""
        self.chooser.left(pod, node, now_seconds)

    def _ranked(self, pod):
        costs = self.chooser.rule.costs(self._empty, pod)[self._first]
        return np.argsort(costs, kind="stable").tolist()


def watched(policy, fleet_and_stream, events=(), end_seconds=MORNING_SECONDS, setting=HALF_USED):
    """Traffic under a policy; the record and the watcher."""
    fleet, stream = fleet_and_stream
    watcher = Watcher(POLICIES[policy].build(fleet, setting, 1), fleet)
    record = run(
        fleet.nodes,
        stream,
        watcher,
        end_seconds=end_seconds,
        clock=lambda: 0.0,
        events=[
            NodeEvent(seconds=seconds, node=int(node), kind=kind) for seconds, node, kind in events
        ],
    )
    return record, watcher


def members(group):
    """The nodes of a class: 0 and 1 are the older generations, 2 the best."""
    fleet, _ = traffic(0.3)
    return np.flatnonzero(fleet.classes.class_of_node == group).tolist()


@pytest.mark.parametrize("load_ratio", [0.3, 0.6])
@pytest.mark.parametrize("sleep", [True, False])
@pytest.mark.parametrize("name", [THREE_CLASSES, "mixed"])
def test_classes_keep_their_order_for_typical_pods_over_the_day(load_ratio, sleep, name):
    """Of four solves an hour all may change the order in one hour, but not one in four of a day."""
    record, watcher = watched(
        "priced-envelope",
        traffic(load_ratio, DAY_SECONDS, name),
        end_seconds=DAY_SECONDS,
        setting=Setting(usage_ratio=1.0, nodes_may_sleep=sleep),
    )
    seconds = np.array([when for when, _ in watcher.orders if when > WARM_UP_SECONDS])
    hours = np.bincount(((seconds - WARM_UP_SECONDS) // HOUR).astype(int), minlength=24)

    assert record.arrived_pods > 500
    assert record.pending_pods == 0
    assert hours.max() <= 4
    assert hours.sum() <= 24


@pytest.mark.parametrize("policy", ["priced-envelope", "negawatt"])
def test_no_pod_waits_while_a_node_has_room(policy):
    """With half of the cores lost at noon, pods wait for room and for nothing else."""
    lost = [*members(2), *members(0)]
    events = [(NOON_SECONDS, node, FAIL) for node in lost]
    events += [(NOON_SECONDS + HOUR, node, RETURN) for node in lost]
    record, watcher = watched(policy, traffic(0.7), events)

    assert watcher.most_waiting > 0
    assert record.pending_pods == 0
    assert not watcher.waiting


@pytest.mark.parametrize("policy", ["priced-envelope", "negawatt"])
@pytest.mark.parametrize("group", [0, 1, 2])
def test_a_class_may_be_cordoned_at_noon(policy, group):
    """Its pods land elsewhere at once; until it returns, none of its nodes carries a pod."""
    cordoned = members(group)
    events = [(NOON_SECONDS, node, DRAIN) for node in cordoned]
    events += [(NOON_SECONDS + 2 * HOUR, node, RETURN) for node in cordoned]
    record, _ = watched(policy, traffic(0.3), events)
    during = (record.change_seconds > NOON_SECONDS) & (
        record.change_seconds < NOON_SECONDS + 2 * HOUR
    )

    assert record.pending_pods == 0
    assert record.waited_pod_seconds == 0.0
    assert not np.isin(record.change_node[during], cordoned).any()


@pytest.mark.parametrize("group", [0, 1, 2])
def test_a_node_may_fail_at_noon(group):
    """The pods of the fullest node of a class run on elsewhere at once."""
    calm, _ = watched("negawatt", traffic(0.3))
    carried = dict.fromkeys(members(group), 0)
    for seconds, node, pods in zip(
        calm.change_seconds, calm.change_node, calm.change_pods, strict=True
    ):
        if seconds < NOON_SECONDS and node in carried:
            carried[node] = int(pods)
    fullest = max(carried, key=carried.__getitem__)
    record, _ = watched("negawatt", traffic(0.3), [(NOON_SECONDS, fullest, FAIL)])

    assert record.displaced_pods == carried[fullest]
    assert record.pending_pods == 0
    assert record.waited_pod_seconds == 0.0
