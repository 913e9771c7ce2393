"""Small fleets with pods on them that may be moved, and what becomes of them when they are."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st
from price_cases import PROFILES
from slow_scheduler import SlowCluster
from small_fleets import fleet_of

from cluster.constraints import Affinity, PodAffinity, PodAffinityTerm
from cluster.model import Owner
from cluster.scheduling.feasibility import feasible
from cluster.scheduling.table import NodeTable
from cluster.selectors import LabelSelector
from simulator.fleet import Fleet
from simulator.pod_file import pod_of as bare_pod_of

ALONE = Affinity(
    pod_anti=PodAffinity(
        required=(
            PodAffinityTerm(
                topology_key="kubernetes.io/hostname",
                label_selector=LabelSelector.of({"app": "db"}),
            ),
        )
    )
)


def pod_of(name, cpu_millicores, memory_mebibytes):
    """A pod that its Deployment would start again."""
    owner = Owner(kind="Deployment", name="web")
    return replace(bare_pod_of(name, cpu_millicores, memory_mebibytes), owner=owner)


def as_daemon(pod):
    """The pod as one of a DaemonSet."""
    return replace(pod, owner=Owner(kind="DaemonSet", name="agent"))


def as_database(pod):
    """The pod as one that shares its host with no other of its kind."""
    return replace(pod, labels={"app": "db"}, affinity=ALONE)


@st.composite
def scenes(draw, kinds=(lambda pod: pod,)):
    """A fleet, its table and the pods of each node, placed anywhere they fit; some are cordoned."""
    part = st.tuples(st.integers(1, 3), st.sampled_from([4, 8]), st.sampled_from(PROFILES))
    parts = draw(st.lists(part, min_size=1, max_size=3))
    plain = fleet_of(*((count, cores, 32, profile) for count, cores, profile in parts))
    nodes = [replace(node, labels={"kubernetes.io/hostname": node.name}) for node in plain.nodes]
    fleet = Fleet("test", tuple(nodes), plain.profiles)
    table, pods_of_node = NodeTable.of(fleet.nodes), [[] for _ in fleet.nodes]
    wanted = st.tuples(
        st.integers(0, len(nodes) - 1),
        st.sampled_from([0, 250, 500, 1000, 2000]),
        st.sampled_from([64, 1024, 8192]),
        st.sampled_from(kinds),
    )
    for number, (row, cpu, memory, kind) in enumerate(draw(st.lists(wanted, max_size=14))):
        pod = kind(pod_of(f"p{number}", cpu, memory))
        if feasible(table, pod)[row]:
            table.assign(pod, row)
            pods_of_node[row].append(pod)
    for row in draw(st.sets(st.integers(0, len(nodes) - 1), max_size=1)):
        table.cordon(row)
    return fleet, table, pods_of_node


def columns(table):
    """Everything that a table holds about pods, as plain values."""
    return (
        table.requested.tolist(),
        table.nonzero_requested.tolist(),
        table.pod_count.tolist(),
        table.free_cpu_millicores.tolist(),
        table.free_memory_bytes.tolist(),
        table.free_pods.tolist(),
        {name: column.tolist() for name, column in table.requested_extended.items()},
        table.unschedulable.tolist(),
        table.cordoned_count,
    )


def carried_out(table, pods_of_node, moves):
    """Make the moves one by one; each pod must stand at its source and be welcome at its target."""
    standing = [list(pods) for pods in pods_of_node]
    slow = SlowCluster(
        [
            replace(node, unschedulable=bool(closed))
            for node, closed in zip(table.nodes, table.unschedulable, strict=True)
        ]
    )
    for row, pods in enumerate(standing):
        slow.pods[table.nodes[row].name] = pods
    for move in moves:
        assert move.source != move.target
        standing[move.source].remove(move.pod)
        table.release(move.pod, move.source)
        assert feasible(table, move.pod)[move.target]
        assert slow.fits(move.pod, slow.nodes[move.target])
        standing[move.target].append(move.pod)
        table.assign(move.pod, move.target)
    return standing


def cost_joules(fleet, before, after, moves, *, sleep):
    """What the moves cost at least: every start, every node that wakes or is shut down."""
    joules = 0.0
    for move in moves:
        profile, size = fleet.profiles[move.target], fleet.nodes[move.target].allocatable
        share = move.pod.requests.cpu_millicores / size.cpu_millicores
        joules += 0.5 * 60.0 * share * profile.peak_watts
    if sleep:
        for row, profile in enumerate(fleet.profiles):
            woke = before[row] == 0 and after[row] > 0
            slept = before[row] > 0 and after[row] == 0
            joules += woke * profile.wake_joules + slept * profile.shutdown_joules
    return joules
