"""The rule that fills each node to where it is most efficient before it goes on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cluster.model import Pod
from cluster.scheduling.table import NodeTable
from energy.envelope import convex_envelope
from energy.power_curve import PowerCurve
from pricing.node_class import CPU_MILLICORES_PER_CORE
from pricing.rules import (
    PRICED_MILLICORES_MIN,
    SAME_COST_RATIO,
    FleetPower,
    priced_cores,
    same_watts,
)
from pricing.terms import BYTES_PER_GIBIBYTE

# Sums of floats on one piece of a curve differ by this much, and must not miss their step.
ROUNDING_RATIO = 1e-9


class Envelope:
    """Watts that the pod adds along the convex envelope of each node's curve.

    All loads of a node up to its most efficient one cost the same, so within a class pods pack;
    above it the node costs what the steeper rest of its curve costs, so it is left until nothing
    cheaper has room. Without steep ends this is the order of fill cost.

    With prices of memory a pod also pays for the gigabytes that it takes, and the cores of a node
    whose memory pays for its being awake cost so much less: then pods that need much memory do not
    strand the cores of the best nodes.
    """

    name = "envelope"

    def __init__(
        self, fleet: FleetPower, watts_per_gibibyte: NDArray[np.float64] | None = None
    ) -> None:
        """Tabulate the envelopes; ``watts_per_gibibyte`` has one entry per class."""
        groups = fleet.classes.classes
        if watts_per_gibibyte is None:
            watts_per_gibibyte = np.zeros(len(groups))
        curves = [
            convex_envelope(
                group.profile,
                fleet.usage_ratio,
                node_may_sleep=fleet.nodes_may_sleep,
                earned_watts=float(price) * group.memory_bytes / BYTES_PER_GIBIBYTE,
            )
            for group, price in zip(groups, watts_per_gibibyte, strict=True)
        ]
        tangents = [
            _tangents(curve, group.cpu_cores, fleet.usage_ratio)
            for group, curve in zip(groups, curves, strict=True)
        ]
        pieces = max(len(slopes) for slopes, _ in tangents)
        # A convex function is the largest of its tangents; a class with fewer repeats its last.
        slopes = np.array([np.pad(s, (0, pieces - len(s)), mode="edge") for s, _ in tangents])
        origins = np.array([np.pad(o, (0, pieces - len(o)), mode="edge") for _, o in tangents])
        nodes = fleet.classes.class_of_node
        self._memory_watts = None
        if watts_per_gibibyte.any():
            self._memory_watts = watts_per_gibibyte[nodes] / BYTES_PER_GIBIBYTE
        self._slopes = np.ascontiguousarray(slopes[nodes].T / CPU_MILLICORES_PER_CORE)
        self._origins = np.ascontiguousarray(origins[nodes].T)
        self._steps = _distinct([price for slopes_of, _ in tangents for price in slopes_of])

    def costs(self, table: NodeTable, pod: Pod) -> NDArray[np.float64]:
        """Watts on each node, cores at the steps of the fleet's price list so that equals pack."""
        prices = self.watts_per_core(table, pod)
        rounded = prices + ROUNDING_RATIO * np.abs(prices)
        steps = self._steps.searchsorted(rounded, side="right") - 1
        if self._memory_watts is None:
            return steps.astype(np.float64)
        watts = self._steps[np.maximum(steps, 0)] * priced_cores(pod)
        watts += self._memory_watts * pod.requests.memory_bytes
        return np.rint(watts / same_watts(watts))

    def watts(self, table: NodeTable, pod: Pod) -> NDArray[np.float64]:
        """Watts along each node's envelope, with what the pod's memory is worth there."""
        watts = self.watts_per_core(table, pod) * priced_cores(pod)
        if self._memory_watts is not None:
            watts = watts + self._memory_watts * pod.requests.memory_bytes
        return watts

    def watts_per_core(self, table: NodeTable, pod: Pod) -> NDArray[np.float64]:
        """Watts per requested core along each node's envelope, one entry per node."""
        millicores = max(pod.requests.cpu_millicores, PRICED_MILLICORES_MIN)
        requested = table.requested_cpu_millicores
        added = self._watts(requested + millicores) - self._watts(requested)
        return added * (CPU_MILLICORES_PER_CORE / millicores)

    def _watts(self, requested_cpu_millicores: NDArray[np.int64]) -> NDArray[np.float64]:
        watts: NDArray[np.float64] = (self._origins + self._slopes * requested_cpu_millicores).max(
            axis=0
        )
        return watts

    def _watts_per_core_of(self, table: NodeTable, pod: Pod, node: int) -> float:
        """`watts_per_core` of one node, without those of all others."""
        millicores = max(pod.requests.cpu_millicores, PRICED_MILLICORES_MIN)
        before = float(table.requested_cpu_millicores[node])
        loads = np.array([[before], [before + millicores]])
        watts = (self._origins[:, node] + self._slopes[:, node] * loads).max(axis=1)
        return float(watts[1] - watts[0]) * (CPU_MILLICORES_PER_CORE / millicores)

    def reason(self, table: NodeTable, pod: Pod, node: int) -> str:
        """State the price of a core here and whether the node is before or past its best load."""
        price = self._watts_per_core_of(table, pod, node)
        load = table.requested_cpu_millicores[node] / table.allocatable_cpu_millicores[node]
        memory = ""
        if self._memory_watts is not None:
            watts = self._memory_watts[node] * BYTES_PER_GIBIBYTE
            memory = f", and a GiB of its memory is worth {watts:.2f} W"
        return (
            f"at {load:.0%} requested, a core more costs {price:.2f} W on this node, counted "
            f"along the load up to which it is most efficient{memory}"
        )


def _tangents(
    curve: PowerCurve, cpu_cores: float, usage_ratio: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Watts per requested core of each piece of an envelope, and its watts at no request."""
    ratios, watts = np.array(curve.utilisation_ratios), np.array(curve.watts)
    slopes = np.diff(watts) / np.diff(ratios)
    return slopes * usage_ratio / cpu_cores, watts[:-1] - slopes * ratios[:-1]


def _distinct(prices: list[float]) -> NDArray[np.float64]:
    """Prices in rising order, those within ``SAME_COST_RATIO`` of the one before left out."""
    steps: list[float] = []
    for price in sorted(prices):
        if not steps or price > steps[-1] + SAME_COST_RATIO * abs(steps[-1]):
            steps.append(price)
    return np.array(steps)
