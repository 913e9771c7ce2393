"""Pods that fit nowhere: what keeps the price program feasible, at a price that stands out.

Each unit that does not fit costs a thousand times what the dearest class draws at most per unit,
so that nothing is left out that could be placed, and one core more for each pod, so that one
without requests is not left out for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import highspy
import numpy as np

from pricing.class_model import ClassModel
from pricing.linear_model import Floats
from pricing.node_class import NodeClass
from pricing.terms import CORES, capacity_of

PENALTY_FACTOR = 1000.0
# Pods below this are the solver's rounding.
ROUNDING = 1e-6


class Overflow:
    """Adds the columns to a model, one per shape, and reads them in its optima."""

    def __init__(self, model: ClassModel, classes: Sequence[NodeClass]) -> None:
        rows = model.resources
        watts_per_unit = {name: PENALTY_FACTOR * _dearest(classes, name) for name in rows.units}
        shapes = len(rows.requests[CORES])
        self._watts = np.full(shapes, watts_per_unit[CORES])
        for name, requests in rows.requests.items():
            self._watts += watts_per_unit[name] * rows.units[name] * requests
        demand_rows = np.arange(shapes)[:, None]
        self._columns = model.columns.add(
            self._watts, highspy.kHighsInf, demand_rows, np.ones((shapes, 1))
        )

    def watts(self, optimum: Floats) -> float:
        """Penalties within the optimum's value."""
        return float(self._watts @ optimum[self._columns])

    def unplaced(self, optimum: Floats) -> Floats:
        """Pods that fit nowhere, one entry per shape."""
        pods = optimum[self._columns]
        return np.where(pods > ROUNDING, pods, 0.0)


def _dearest(classes: Sequence[NodeClass], resource: str) -> float:
    """The most watts that any class draws per unit of a resource."""
    return max(
        max(group.curve.watts) / capacity_of(group, resource)
        for group in classes
        if capacity_of(group, resource)
    )
