"""The nodes of a cluster with what each draws, and the classes that rules rank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cluster.model import Node
from energy.catalogue import Catalogue, NodeFacts
from energy.profile import NodePowerProfile
from pricing.node_class import CPU_MILLICORES_PER_CORE, NodeClasses, classify
from pricing.power_table import PowerTable
from pricing.rules import FleetPower

INSTANCE_TYPE = "node.kubernetes.io/instance-type"
# No label of Kubernetes' own names the CPU; a label cannot hold its blanks, an annotation can.
CPU_MODEL = "negawatt.dev/cpu-model"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoweredFleet:
    """Nodes, one profile each, their classes and their tabulated curves; all in node order."""

    nodes: tuple[Node, ...]
    profiles: tuple[NodePowerProfile, ...]
    classes: NodeClasses
    power: PowerTable

    def told(self, *, usage_ratio: float, nodes_may_sleep: bool) -> FleetPower:
        """What a rule is told of it."""
        return FleetPower(
            classes=self.classes,
            power=self.power,
            usage_ratio=usage_ratio,
            nodes_may_sleep=nodes_may_sleep,
        )


class ProfileFinder:
    """Finds nodes' profiles in a catalogue; nodes alike are looked up once."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._found: dict[object, NodePowerProfile] = {}

    def profile(self, node: Node) -> NodePowerProfile:
        """The best profile that the node's labels, annotations and size allow."""
        cores = node.allocatable.cpu_millicores / CPU_MILLICORES_PER_CORE
        cpu_model = node.annotations.get(CPU_MODEL) or node.labels.get(CPU_MODEL)
        instance_type = node.labels.get(INSTANCE_TYPE)
        written = tuple(
            profile.metadata.name
            for profile in self._catalogue.power_profiles
            if profile.matches(node.labels)
        )
        key = (cores, cpu_model, instance_type, written)
        if key not in self._found:
            facts = NodeFacts(
                name=node.name,
                cpu_cores=cores,
                cpu_model=cpu_model,
                instance_type=instance_type,
                labels=node.labels,
            )
            self._found[key] = self._catalogue.resolve(facts)
        return self._found[key]


def powered_fleet(nodes: Sequence[Node], finder: ProfileFinder) -> PoweredFleet:
    """Find a profile for each node.

    Raises:
        InputError: there are no nodes, or one offers no CPU (see `offers_cpu`).
    """
    profiles = tuple(finder.profile(node) for node in nodes)
    millicores = np.array([node.allocatable.cpu_millicores for node in nodes])
    return PoweredFleet(
        nodes=tuple(nodes),
        profiles=profiles,
        classes=classify(nodes, profiles),
        power=PowerTable.of(profiles, millicores),
    )


def offers_cpu(node: Node) -> bool:
    """Whether a node can be ranked at all; one that could not be read offers nothing."""
    return node.allocatable.cpu_millicores > 0 and node.allocatable.memory_bytes > 0
