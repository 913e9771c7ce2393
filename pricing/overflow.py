"""What keeps the price program feasible: pods that fit nowhere, and classes loaded beyond capacity.

Each unit that does not fit costs a thousand times what the dearest class draws at most per unit,
so that nothing is left out that could be placed, and a price of this kind stands out at a glance.
A pod that fits nowhere costs as much as all it requests and one core more.
"""

from __future__ import annotations

from collections.abc import Sequence

import highspy
import numpy as np
from numpy.typing import NDArray

from pricing.class_model import ClassModel
from pricing.linear_model import Floats
from pricing.node_class import NodeClass
from pricing.terms import CORES, capacity_of

PENALTY_FACTOR = 1000.0
# Pods and units below this are the solver's rounding.
ROUNDING = 1e-6


class Overflow:
    """Adds the columns to a model, and reads them in its optima."""

    def __init__(self, model: ClassModel, classes: Sequence[NodeClass]) -> None:
        self._rows = rows = model.resources
        watts_per_unit = {name: PENALTY_FACTOR * _dearest(classes, name) for name in rows.units}
        shapes = len(rows.requests[CORES])
        self._unplaced_watts = np.full(shapes, watts_per_unit[CORES])
        for name, requests in rows.requests.items():
            self._unplaced_watts += watts_per_unit[name] * rows.units[name] * requests
        self._overload_watts = rows.penalties(watts_per_unit)
        self._unplaced = _one_each(model, self._unplaced_watts, np.arange(shapes))
        self._overload = _one_each(model, self._overload_watts, rows.rows)

    def watts(self, optimum: Floats) -> float:
        """Penalties within the optimum's value."""
        unplaced = self._unplaced_watts @ optimum[self._unplaced]
        return float(unplaced + self._overload_watts @ optimum[self._overload])

    def unplaced(self, optimum: Floats) -> Floats:
        """Pods that fit nowhere, one entry per shape."""
        pods = optimum[self._unplaced]
        return np.where(pods > ROUNDING, pods, 0.0)

    def overloaded(self, optimum: Floats, classes: int) -> NDArray[np.bool_]:
        """Whether more is placed on each class than it can carry."""
        beyond = optimum[self._overload] > ROUNDING
        return np.bincount(self._rows.classes, weights=beyond, minlength=classes) > 0.0


def _one_each(model: ClassModel, watts: Floats, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Add a column of one for each row."""
    return model.columns.add(watts, highspy.kHighsInf, rows[:, None], np.ones((len(rows), 1)))


def _dearest(classes: Sequence[NodeClass], resource: str) -> float:
    """The most watts that any class draws per unit of a resource."""
    return max(
        max(group.curve.watts) / capacity_of(group, resource)
        for group in classes
        if capacity_of(group, resource)
    )
