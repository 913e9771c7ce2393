"""Tests of the engine's loop when nodes fail, are drained and return, and when pods are moved."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_fleets import NEW, OLD, FirstFit, fleet_of, stream_of

from energy.errors import InputError
from pricing.moves.move import Move
from simulator.accounting import account
from simulator.chooser import NOWHERE, NodeEvent, NodeEventKind
from simulator.engine import run

INF = float("inf")


def place(fleet, stream, end_seconds, **options):
    """Run first fit."""
    clock = itertools.count().__next__
    return run(fleet.nodes, stream, FirstFit(), end_seconds=end_seconds, clock=clock, **options)


def event(seconds, node, kind):
    """A node event from a plain word."""
    return NodeEvent(seconds=seconds, node=node, kind=NodeEventKind(kind))


class Cordoning(FirstFit):
    """First fit that heeds cordons, and counts what it is told."""

    def __init__(self):
        self.on_node, self.queues = {}, []

    def queued(self, table, pods, now_seconds):
        """Note the length of the queue."""
        self.queues.append((now_seconds, len(pods)))

    def placed(self, pod, node, now_seconds):
        """Note where a pod runs."""
        assert pod.name not in self.on_node
        self.on_node[pod.name] = node

    def left(self, pod, node, now_seconds):
        """Note that it left."""
        assert self.on_node.pop(pod.name) == node

    def choose(self, table, pod, now_seconds):
        """The first open node with room."""
        for index in range(len(table)):
            room = table.free_cpu_millicores[index] >= pod.requests.cpu_millicores
            if room and not table.unschedulable[index]:
                return index
        return NOWHERE


def test_pods_of_a_failed_node_run_on_elsewhere_for_the_rest_of_their_lives():
    """A pod of 100 s that loses its node at 40 s ends at 100 s on another."""
    fleet = fleet_of((2, 4, 8, NEW))
    record = run(
        fleet.nodes,
        stream_of([(0, 100, 4000, 1)]),
        Cordoning(),
        end_seconds=200.0,
        clock=lambda: 0.0,
        events=[event(40.0, 0, "fail")],
    )
    assert record.change_seconds.tolist() == [0.0, 40.0, 40.0, 100.0]
    assert record.change_node.tolist() == [0, 0, 1, 1]
    assert (record.displaced_pods, record.pending_pods, len(record.move_seconds)) == (1, 0, 0)


def test_nodes_that_fail_together_do_not_take_each_others_pods():
    """The pods of a rack are one queue, and none lands in the rack."""
    fleet = fleet_of((4, 4, 8, NEW))
    chooser = Cordoning()
    record = run(
        fleet.nodes,
        stream_of([(0, INF, 4000, 1), (0, INF, 4000, 1)]),
        chooser,
        end_seconds=10.0,
        clock=lambda: 0.0,
        events=[event(5.0, 0, "fail"), event(5.0, 1, "fail")],
    )
    assert record.node_of_pod.tolist() == [2, 3]
    assert chooser.queues == [(0.0, 2), (5.0, 2)]


def test_a_pod_without_a_node_waits_until_one_returns():
    """What waits is counted as waiting, and its lifetime stands still."""
    fleet = fleet_of((1, 4, 8, NEW))
    record = run(
        fleet.nodes,
        stream_of([(0, 100, 4000, 1)]),
        Cordoning(),
        end_seconds=300.0,
        clock=lambda: 0.0,
        events=[event(40.0, 0, "drain"), event(90.0, 0, "return")],
    )
    assert record.waited_pod_seconds == 50.0
    assert record.change_seconds[-1] == 150.0


@settings(max_examples=60, deadline=None)
@given(
    pods=st.lists(
        st.tuples(st.integers(0, 50), st.integers(1, 80), st.integers(1, 4)),
        min_size=1,
        max_size=15,
    ),
    events=st.lists(
        st.tuples(
            st.integers(0, 100), st.integers(0, 2), st.sampled_from(["fail", "drain", "return"])
        ),
        max_size=8,
    ),
)
def test_no_pod_is_lost_whatever_happens_to_nodes(pods, events):
    """Every pod that came runs, has finished its whole lifetime, or waits; the table agrees."""
    rows = sorted((float(at), float(life), cpu * 1000, 1) for at, life, cpu in pods)
    fleet, stream = fleet_of((2, 4, 8, OLD), (1, 8, 8, NEW)), stream_of(rows)
    chooser = Cordoning()
    record = run(
        fleet.nodes,
        stream,
        chooser,
        end_seconds=1000.0,
        clock=lambda: 0.0,
        events=[event(float(at), node, kind) for at, node, kind in events],
    )
    assert record.pending_pods + len(chooser.on_node) <= record.arrived_pods == len(rows)
    finished = record.arrived_pods - record.pending_pods - len(chooser.on_node)
    energy = account(
        record, fleet.profiles, fleet.cpu_cores, usage_ratio=1.0, nodes_may_sleep=False
    )
    served = sum(life for _, life, _, _ in rows)
    if finished == len(rows):
        assert energy.running_pod_seconds == pytest.approx(served)
    assert energy.running_pod_seconds <= served + 1e-6


class Once:
    """A mover that makes the given moves at its first tick."""

    interval_seconds = 10.0
    at_once = False

    def __init__(self, moves):
        self._moves = list(moves)

    def moves(self, table, pods_of_node, now_seconds):
        """All moves, once."""
        due, self._moves = self._moves, []
        return due


def test_a_move_costs_a_start_and_keeps_the_departure():
    """The pod leaves when it would have left; the eviction and its energy are counted."""
    fleet = fleet_of((2, 4, 8, NEW))
    stream = stream_of([(0, 100, 4000, 1)])
    mover = Once([Move(pod=stream.pods[0], source=0, target=1, reason="test")])
    record = place(fleet, stream, 200.0, mover=mover)
    assert record.change_seconds.tolist() == [0.0, 10.0, 10.0, 100.0]
    energy = account(
        record, fleet.profiles, fleet.cpu_cores, usage_ratio=1.0, nodes_may_sleep=False
    )
    # Half of 4 cores for 60 s on a server of 250 W and 4 cores.
    assert energy.move_joules == pytest.approx(0.5 * 4 * 60 * 250 / 4)
    assert energy.evictions == 1
    assert energy.evictions_per_pod_day == pytest.approx(86400 / 100)


def test_a_move_that_does_not_land_is_refused():
    """A mover that overfills a node is an error, not a placement."""
    fleet = fleet_of((2, 4, 8, NEW))
    stream = stream_of([(0, INF, 4000, 1), (0, INF, 4000, 1)])
    mover = Once([Move(pod=stream.pods[0], source=0, target=1, reason="test")])
    with pytest.raises(InputError, match="cannot be moved"):
        place(fleet, stream, 20.0, mover=mover)


def test_moves_at_once_may_swap_full_nodes():
    """The reference re-packing evicts everything before anything lands."""
    fleet = fleet_of((2, 4, 8, NEW))
    stream = stream_of([(0, INF, 4000, 1), (0, INF, 4000, 1)])
    mover = Once(
        [
            Move(pod=stream.pods[0], source=0, target=1, reason="test"),
            Move(pod=stream.pods[1], source=1, target=0, reason="test"),
        ]
    )
    mover.at_once = True
    assert place(fleet, stream, 20.0, mover=mover).node_of_pod.tolist() == [1, 0]
