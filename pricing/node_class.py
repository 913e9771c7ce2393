"""Nodes alike in size and power curve, counted: what rules rank and programs are written over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cluster.model import Node
from energy.errors import InputError
from energy.power_curve import PowerCurve
from energy.profile import NodePowerProfile

CPU_MILLICORES_PER_CORE = 1000
# Cores, memory, most pods, extended resources and profile: nodes that share them are one class.
_Alike: TypeAlias = tuple[int, int, int, tuple[tuple[str, int], ...], NodePowerProfile]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeClass:
    """A class of nodes: the same allocatable size, power curve and sleeping watts.

    ``extended`` is what one node offers of each extended resource, in the resource's own units.
    """

    name: str
    cpu_cores: float
    memory_bytes: int
    profile: NodePowerProfile
    count: int
    extended: Mapping[str, int] = field(default_factory=dict, hash=False)

    @property
    def curve(self) -> PowerCurve:
        """Watts of one node of the class at its utilisation ratio."""
        return self.profile.curve

    @property
    def peak_watts_per_core(self) -> float:
        """Watts per core at full load: the order in which a careful operator labels nodes."""
        return self.curve.peak_watts / self.cpu_cores


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeClasses:
    """The classes of a fleet, and which class each node belongs to.

    ``class_of_node`` has one index into ``classes`` per node, in node order.
    """

    classes: tuple[NodeClass, ...]
    class_of_node: NDArray[np.int64]


def classify(nodes: Sequence[Node], profiles: Sequence[NodePowerProfile]) -> NodeClasses:
    """Group nodes by allocatable size and profile, in order of first appearance.

    Raises:
        InputError: there are no nodes, one offers no CPU, or not one profile per node.
    """
    if not nodes:
        raise InputError("no nodes to place pods on", mend="give at least one node")
    if len(nodes) != len(profiles):
        raise InputError(f"{len(nodes)} nodes but {len(profiles)} power profiles")
    sizeless = [node.name for node in nodes if node.allocatable.cpu_millicores == 0]
    if sizeless:
        raise InputError(
            f"node {sizeless[0]} offers no CPU", mend="leave such nodes out, or state their CPU"
        )
    members: dict[_Alike, list[int]] = {}
    for index, (node, profile) in enumerate(zip(nodes, profiles, strict=True)):
        size = node.allocatable
        extended = tuple(sorted(size.extended.items()))
        key = (size.cpu_millicores, size.memory_bytes, node.pods_max, extended, profile)
        members.setdefault(key, []).append(index)
    class_of_node = np.empty(len(nodes), dtype=np.int64)
    classes = []
    for number, (key, indices) in enumerate(members.items()):
        cpu_millicores, memory_bytes, _, extended, profile = key
        class_of_node[indices] = number
        classes.append(
            NodeClass(
                name=profile.name,
                cpu_cores=cpu_millicores / CPU_MILLICORES_PER_CORE,
                memory_bytes=memory_bytes,
                profile=profile,
                count=len(indices),
                extended=dict(extended),
            )
        )
    return NodeClasses(classes=tuple(classes), class_of_node=class_of_node)
