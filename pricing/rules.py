"""Placement rules: pure functions of a fleet's state and a pod that rank nodes, lowest cost first.

Nodes that cost the same are packed: one that carries pods before one that does not, then the one
fuller after the placement, by MostAllocated's arithmetic on requests, then the earlier one.
Near-equal watts count as equal, because a spread over nodes that differ by rounding keeps all of
them awake.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from cluster.model import Pod
from cluster.scheduling.table import NodeTable
from energy.cost import fill_cost_watts_per_core
from pricing.node_class import CPU_MILLICORES_PER_CORE, NodeClasses
from pricing.power_table import PowerTable

# Marginal watts closer than this are the same price: near-ties must pack, not spread.
SAME_WATTS = 0.05
# A pod without a CPU request is priced as one millicore: at the slope where the node stands.
PRICED_MILLICORES_MIN = 1
# Differences below this are the rounding of sums.
SMALLEST_WATTS = 1e-6
# Classes whose cores cost within this share of each other are the same class to a rule.
SAME_COST_RATIO = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPower:
    """What a rule knows of a fleet besides its present state. All of it is fixed for a scenario."""

    classes: NodeClasses
    power: PowerTable
    usage_ratio: float
    nodes_may_sleep: bool


class Rule(Protocol):
    """Ranks nodes for a pod."""

    @property
    def name(self) -> str:
        """The rule's name on the command line and in reports."""
        ...

    def costs(self, table: NodeTable, pod: Pod) -> NDArray[np.float64]:
        """Cost of the pod on each node, one entry per node; only its order matters."""
        ...

    def watts(self, table: NodeTable, pod: Pod) -> NDArray[np.float64]:
        """The cost in watts, before near-equals are made equal; one entry per node."""
        ...

    def reason(self, table: NodeTable, pod: Pod, node: int) -> str:
        """Why the rule ranks this node where it does, in a sentence."""
        ...


class EfficiencyOrder:
    """Classes in the order of watts per core at full load: what a careful operator would label."""

    name = "efficiency-order"

    def __init__(self, fleet: FleetPower) -> None:
        watts = np.array([group.peak_watts_per_core for group in fleet.classes.classes])
        self._watts_per_core = watts[fleet.classes.class_of_node]
        self._rank = _ranks(watts)[fleet.classes.class_of_node]

    def costs(self, table: NodeTable, pod: Pod) -> NDArray[np.float64]:  # noqa: ARG002 - a Rule
        """Rank of each node's class; the pod does not matter."""
        return self._rank

    def watts(self, table: NodeTable, pod: Pod) -> NDArray[np.float64]:  # noqa: ARG002 - a Rule
        """What the pod's cores draw on each node at full load."""
        return self._watts_per_core * priced_cores(pod)

    def reason(self, table: NodeTable, pod: Pod, node: int) -> str:  # noqa: ARG002 - a Rule
        """State the watts per core and the rank of the node's class."""
        return (
            f"this node draws {self._watts_per_core[node]:.2f} W per core at full load, "
            f"rank {int(self._rank[node])} among the classes"
        )


class FillCost:
    """Classes in the order of what a core costs on a node filled to its target.

    The target is a node whose requests are full, so each core runs at the usage ratio. Where the
    node may sleep its idle watts are part of the price; where it stays on they are spent anyway.
    """

    name = "fill-cost"

    def __init__(self, fleet: FleetPower) -> None:
        costs = [
            fill_cost_watts_per_core(
                group.profile,
                group.cpu_cores,
                fleet.usage_ratio,
                node_may_sleep=fleet.nodes_may_sleep,
            )
            for group in fleet.classes.classes
        ]
        self._watts_per_core = np.array(costs)[fleet.classes.class_of_node]
        self._rank = _ranks(np.array(costs))[fleet.classes.class_of_node]
        self._usage_ratio = fleet.usage_ratio

    def costs(self, table: NodeTable, pod: Pod) -> NDArray[np.float64]:  # noqa: ARG002 - a Rule
        """Rank of each node's class; the pod does not matter."""
        return self._rank

    def watts(self, table: NodeTable, pod: Pod) -> NDArray[np.float64]:  # noqa: ARG002 - a Rule
        """What the pod's use costs on each node filled to its target."""
        return self._watts_per_core * (priced_cores(pod) * self._usage_ratio)

    def reason(self, table: NodeTable, pod: Pod, node: int) -> str:  # noqa: ARG002 - a Rule
        """State the price of a core and the rank of the node's class."""
        return (
            f"a used core costs {self._watts_per_core[node]:.2f} W on this node when it is full, "
            f"rank {int(self._rank[node])} among the classes"
        )


class Marginal:
    """The node where the pod adds the fewest watts now, by the node's curve at its present load."""

    name = "marginal"

    def __init__(self, fleet: FleetPower) -> None:
        self._power, self._usage_ratio = fleet.power, fleet.usage_ratio

    def costs(self, table: NodeTable, pod: Pod) -> NDArray[np.float64]:
        """Marginal watts on each node, to the nearest ``SAME_WATTS``."""
        return np.rint(self._watts(table, pod) / SAME_WATTS)

    def watts(self, table: NodeTable, pod: Pod) -> NDArray[np.float64]:
        """Marginal watts on each node."""
        return self._watts(table, pod)

    def reason(self, table: NodeTable, pod: Pod, node: int) -> str:
        """State the marginal watts."""
        return (
            f"the pod adds {self._watts(table, pod)[node]:.2f} W to this node at its present load"
        )

    def _watts(self, table: NodeTable, pod: Pod) -> NDArray[np.float64]:
        return self._power.marginal_watts(
            table.requested_cpu_millicores, pod.requests.cpu_millicores, self._usage_ratio
        )


class MarginalIdle(Marginal):
    """Marginal watts, plus the watts of waking for a node that carries no pod and may sleep."""

    name = "marginal-idle"

    def __init__(self, fleet: FleetPower) -> None:
        super().__init__(fleet)
        waking = fleet.power.idle_watts - fleet.power.sleep_watts
        self._waking_watts = waking if fleet.nodes_may_sleep else np.zeros_like(waking)

    @override
    def _watts(self, table: NodeTable, pod: Pod) -> NDArray[np.float64]:
        asleep = table.pod_count == 0
        return super()._watts(table, pod) + np.where(asleep, self._waking_watts, 0.0)


def priced_cores(pod: Pod) -> float:
    """Cores that a pod is priced by: one that requests none counts as one millicore."""
    return max(pod.requests.cpu_millicores, PRICED_MILLICORES_MIN) / CPU_MILLICORES_PER_CORE


def same_watts(watts: NDArray[np.float64]) -> float:
    """Costs of a pod closer than this are the same: less for a pod so small that all are small."""
    cheapest = float(np.abs(watts).min())
    return min(SAME_WATTS, max(SAME_COST_RATIO * cheapest, SMALLEST_WATTS))


def packed_choice(
    table: NodeTable, pod: Pod, feasible: NDArray[np.bool_], costs: NDArray[np.float64]
) -> int:
    """Index of the feasible node of the least cost, the best packed among equals; -1 if none.

    ``feasible`` and ``costs`` have one entry per node.
    """
    masked = np.where(feasible, costs, np.inf)
    least = masked.min()
    if least == np.inf:
        return -1
    candidates = np.flatnonzero(masked == least)
    if len(candidates) == 1:
        return int(candidates[0])
    awake = candidates[table.pod_count[candidates] > 0]
    if len(awake):
        candidates = awake
    return int(candidates[fullness(table, pod, candidates).argmax()])


def fullness(table: NodeTable, pod: Pod, candidates: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean of the CPU and memory shares requested once the pod is there, one per candidate."""
    cpu = table.requested_cpu_millicores[candidates] + pod.requests.cpu_millicores
    memory = table.requested_memory_bytes[candidates] + pod.requests.memory_bytes
    return (
        cpu / table.allocatable_cpu_millicores[candidates]
        + memory / table.allocatable_memory_bytes[candidates]
    ) / 2.0


def _ranks(costs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Dense ranks from 0; costs within ``SAME_COST_RATIO`` of a rank's first share the rank."""
    ranks = np.zeros(len(costs))
    rank, start = -1, 0.0
    for index in np.argsort(costs, kind="stable"):
        if rank < 0 or costs[index] > start + SAME_COST_RATIO * abs(start):
            rank, start = rank + 1, costs[index]
        ranks[index] = rank
    return ranks
