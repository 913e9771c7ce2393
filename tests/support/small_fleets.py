"""Tiny fleets and streams for tests, built from plain numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cluster.model import Node, Resources
from energy.power_curve import PowerCurve
from energy.profile import NodePowerProfile
from simulator.chooser import Chooser
from simulator.fleet import Fleet
from simulator.pod_file import pod_of
from simulator.stream import PodStream

GIBIBYTE = 2**30
OLD = NodePowerProfile(name="old", curve=PowerCurve.linear(100.0, 300.0))
NEW = NodePowerProfile(name="new", curve=PowerCurve.linear(50.0, 250.0))


def fleet_of(*parts: tuple[int, int, int, NodePowerProfile]) -> Fleet:
    """A fleet of (count, cores, gibibytes, profile) parts."""
    nodes: list[Node] = []
    profiles: list[NodePowerProfile] = []
    for count, cores, gibibytes, profile in parts:
        size = Resources(cpu_millicores=cores * 1000, memory_bytes=gibibytes * GIBIBYTE)
        for _ in range(count):
            nodes.append(Node(name=f"n{len(nodes)}", allocatable=size))
            profiles.append(profile)
    return Fleet("test", tuple(nodes), tuple(profiles))


def stream_of(rows: Sequence[tuple[float, float, int, int]]) -> PodStream:
    """A stream of (arrival, lifetime, millicores, mebibytes) rows."""
    return PodStream(
        pods=tuple(
            pod_of(f"p{number}", cpu, memory) for number, (_, _, cpu, memory) in enumerate(rows)
        ),
        arrival_seconds=np.array([row[0] for row in rows], dtype=np.float64),
        lifetime_seconds=np.array([row[1] for row in rows], dtype=np.float64),
    )


class FirstFit(Chooser):
    """A chooser for tests: the first node with room."""

    def choose(self, table, pod, now_seconds):
        """Index of the first node with room, or -1."""
        for index in range(len(table)):
            cpu = table.free_cpu_millicores[index] >= pod.requests.cpu_millicores
            memory = table.free_memory_bytes[index] >= pod.requests.memory_bytes
            if cpu and memory:
                return index
        return -1
