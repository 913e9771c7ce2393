"""Rules that rank nodes by what a pod takes away there, at prices that a program solved.

Bid-price control multiplies: each request at the dual price of its class. Booking limits follow
the optimum itself: so many pods of each shape on each class, then the bid price. Both are of
network revenue management (Talluri and van Ryzin 1998, and their chapter on partitioned limits).
Duals alone say little where two classes cost the same at the margin; the optimum still says how
many pods belong on each.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from cluster.model import Pod
from cluster.scheduling.table import NodeTable
from pricing.node_class import CPU_MILLICORES_PER_CORE, NodeClasses
from pricing.prices import BidPrices
from pricing.rules import SAME_WATTS
from pricing.terms import BYTES_PER_GIBIBYTE

# A booking of less than this is the solver's rounding.
SMALLEST_BOOKING = 1e-6


class BidPrice:
    """The class where the pod's cores and gigabytes are worth least."""

    name = "bid-price"

    def __init__(self, classes: NodeClasses, prices: BidPrices) -> None:
        self._class_of_node, self._prices = classes.class_of_node, prices

    def costs(self, table: NodeTable, pod: Pod) -> NDArray[np.float64]:  # noqa: ARG002 - a Rule
        """Bid price on each node's class, to the nearest ``SAME_WATTS``."""
        return np.rint(self._prices.pod_watts(pod.requests) / SAME_WATTS)[self._class_of_node]

    def watts(self, table: NodeTable, pod: Pod) -> NDArray[np.float64]:  # noqa: ARG002 - a Rule
        """Bid price on each node's class."""
        return self._prices.pod_watts(pod.requests)[self._class_of_node]

    def reason(self, table: NodeTable, pod: Pod, node: int) -> str:  # noqa: ARG002 - a Rule
        """State the bid price and what it is made of."""
        group = self._class_of_node[node]
        cores = pod.requests.cpu_millicores / CPU_MILLICORES_PER_CORE
        gibibytes = pod.requests.memory_bytes / BYTES_PER_GIBIBYTE
        return (
            f"what the pod takes is worth {self._prices.pod_watts(pod.requests)[group]:.2f} W "
            f"here: {cores:g} cores at {self._prices.watts_per_core[group]:.2f} W and "
            f"{gibibytes:.3g} GiB at {self._prices.watts_per_gibibyte[group]:.2f} W "
            f"({self._prices.source}: {self._prices.reason})"
        )


class BookingLimit(BidPrice):
    """The class on which the optimum booked most of the pod's shape, else the bid price.

    ``bookings`` are asked anew for every pod, so that whoever counts placements keeps them true.
    """

    name = "booking-limit"

    def __init__(self, classes: NodeClasses, prices: BidPrices, bookings: Bookings) -> None:
        super().__init__(classes, prices)
        self._bookings = bookings

    @override
    def costs(self, table: NodeTable, pod: Pod) -> NDArray[np.float64]:
        """Classes with bookings first, most booked first; then the others by bid price."""
        by_price = super().costs(table, pod)
        booked = self._bookings.of_pod(pod)
        if booked is None or not (booked > SMALLEST_BOOKING).any():
            return by_price
        left = booked[self._class_of_node]
        return np.where(left > SMALLEST_BOOKING, -left, by_price)

    def booked(self, pod: Pod) -> NDArray[np.float64] | None:
        """Pods of this shape that the optimum still has on each node's class; None if none."""
        counts = self._bookings.of_pod(pod)
        if counts is None or not (counts > SMALLEST_BOOKING).any():
            return None
        return np.where(counts > SMALLEST_BOOKING, counts, 0.0)[self._class_of_node]

    @override
    def reason(self, table: NodeTable, pod: Pod, node: int) -> str:
        """State what is booked for the pod's shape, if there is an optimum, and the bid price."""
        price = super().reason(table, pod, node)
        if self._prices.solution is None:
            return price
        booked = self._bookings.of_pod(pod)
        left = 0.0 if booked is None else float(booked[self._class_of_node[node]])
        booking = (
            f"the optimum books {left:.3g} more pods of this shape on the node's class"
            if left > SMALLEST_BOOKING
            else "the optimum books no more pods of this shape on the node's class"
        )
        return f"{booking}; {price}"


class Bookings:
    """What is left of an optimum: pods per shape and class, counted down as they are placed.

    Mutable, as a `NodeTable` is. ``shape_of_pod`` finds a pod's shape by namespace and name.
    """

    def __init__(
        self, placed_counts: NDArray[np.float64], shape_of_pod: dict[tuple[str, str], int]
    ) -> None:
        self._left = placed_counts.copy()
        self._shape_of_pod = shape_of_pod

    def of_pod(self, pod: Pod) -> NDArray[np.float64] | None:
        """What is left for the pod's shape, one entry per class; None for a pod not foreseen."""
        shape = self._shape_of_pod.get((pod.namespace, pod.name))
        return None if shape is None else self._left[shape]

    def take(self, pod: Pod, node_class: int) -> float:
        """Count a pod that was placed on a class; gives what was booked for it there, at most 1."""
        shape = self._shape_of_pod.get((pod.namespace, pod.name))
        if shape is None:
            return 0.0
        taken = min(1.0, float(self._left[shape, node_class]))
        self._left[shape, node_class] -= taken
        return taken

    def give_back(self, pod: Pod, node_class: int, taken: float) -> None:
        """Undo `take` for a pod that was thought to go to a class and did not."""
        shape = self._shape_of_pod.get((pod.namespace, pod.name))
        if shape is not None:
            self._left[shape, node_class] += taken
