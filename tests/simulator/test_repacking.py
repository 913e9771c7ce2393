"""Re-packing: the same pods on the same fleet, tighter, by tier."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from small_fleets import NEW, OLD, fleet_of, stream_of
from witness import run_watched

from cluster.scheduling.table import NodeTable
from simulator.repacking import Repacking, first_fit_decreasing
from simulator.scenarios.families import ScenarioKey, build_scenario

SIZES = st.tuples(st.integers(100, 4000), st.integers(64, 4096))


def filled(fleet, pods, nodes):
    """A table with the pods on the given nodes as far as they fit, and what is where."""
    table = NodeTable.of(fleet.with_tiers().nodes)
    pods_of_node = [[] for _ in fleet.nodes]
    for pod, node in zip(pods, nodes, strict=False):
        cpu = table.free_cpu_millicores[node] >= pod.requests.cpu_millicores
        if cpu and table.free_memory_bytes[node] >= pod.requests.memory_bytes:
            table.assign(pod, node)
            pods_of_node[node].append(pod)
    return table, pods_of_node


@given(sizes=st.lists(SIZES, max_size=12), seed=st.integers(0, 99))
def test_no_pod_is_lost_and_no_node_overfull(sizes, seed):
    """After the moves every pod runs once, within what its node has, on as many nodes or fewer."""
    fleet = fleet_of((3, 4, 8, OLD), (2, 8, 16, NEW))
    pods = stream_of([(0, 1, *size) for size in sizes]).pods
    nodes = np.random.default_rng(seed).integers(0, 5, len(pods)).tolist()
    table, pods_of_node = filled(fleet, pods, nodes)
    before = table.requested_cpu_millicores.copy()
    where = {pod.name: node for node, there in enumerate(pods_of_node) for pod in there}
    moves = Repacking().moves(table, pods_of_node, 0.0)

    assert (table.requested_cpu_millicores == before).all()
    for move in moves:
        table.release(move.pod, move.source)
    for move in moves:
        table.assign(move.pod, move.target)
        assert where[move.pod.name] == move.source != move.target
        where[move.pod.name] = move.target
    assert max(Counter(move.pod.name for move in moves).values(), default=1) == 1
    assert (table.free_cpu_millicores >= 0).all()
    assert (table.free_memory_bytes >= 0).all()
    assert table.pod_count.sum() == len(where)


def test_the_best_tier_is_filled_first_and_the_largest_pod_goes_first():
    """The new servers take what they can; what is left goes to the first old one."""
    fleet = fleet_of((2, 4, 64, OLD), (1, 8, 64, NEW))
    pods = stream_of([(0, 1, 3000, 1), (0, 1, 5000, 1), (0, 1, 3000, 1)]).pods
    table = NodeTable.of(fleet.with_tiers().nodes)

    assert first_fit_decreasing(table, pods) == [2, 2, 0]


def test_a_cordoned_node_takes_nothing():
    """Its pods leave it, too."""
    fleet = fleet_of((2, 4, 64, OLD))
    pods = stream_of([(0, 1, 1000, 1), (0, 1, 1000, 1)]).pods
    table, pods_of_node = filled(fleet, pods, [0, 1])
    table.cordon(0)
    moves = Repacking().moves(table, pods_of_node, 0.0)

    assert [(move.pod.name, move.source, move.target) for move in moves] == [("p0", 0, 1)]


def test_nothing_moves_where_not_all_fit():
    """Half a re-packing would be no reference."""
    fleet = fleet_of((2, 4, 64, OLD))
    pods = stream_of([(0, 1, 3000, 1), (0, 1, 3000, 1), (0, 1, 3000, 1)]).pods

    assert first_fit_decreasing(NodeTable.of(fleet.with_tiers().nodes), pods) is None


def test_re_packing_a_re_packed_fleet_moves_nothing():
    """What is packed is left alone, whatever the nodes are called."""
    fleet = fleet_of((4, 4, 64, OLD))
    pods = stream_of([(0, 1, 3000 - 10 * index, 1) for index in range(4)]).pods
    table, pods_of_node = filled(fleet, pods, [3, 1, 0, 2])

    assert Repacking().moves(table, pods_of_node, 0.0) == []


def test_a_re_packed_fleet_keeps_fewer_nodes_awake():
    """A day of churn: at every re-packing no more nodes carry pods than just before it."""
    scenario = build_scenario(ScenarioKey(family="churn", fleet="20/30/10", load_ratio=0.3), 1)
    record, _ = run_watched(scenario, "repack")
    plain, _ = run_watched(scenario)

    assert len(record.move_seconds) > 0
    assert set(record.move_seconds % (3 * 3600)) == {0.0}
    assert awake_node_seconds(record) < 0.95 * awake_node_seconds(plain)


def awake_node_seconds(record):
    """Seconds that nodes carried pods, summed."""
    total = 0.0
    for node in np.unique(record.change_node):
        mine = record.change_node == node
        ends = np.append(record.change_seconds[mine][1:], record.end_seconds)
        spans = ends - record.change_seconds[mine]
        total += spans[record.change_pods[mine] > 0].sum()
    return total
