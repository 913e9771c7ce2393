"""The rows of a class model that keep pods within what nodes have, as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pricing.linear_model import Floats, Indices
from pricing.terms import CORES

# The least that a pod is taken to ask of a resource, as a part of what comes with its cores.
UNASKED_RATIO = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRow:
    """The row that keeps the pods of class ``number`` within one resource, in units of ``unit``.

    It reads: capacity of awake nodes - pods >= what is placed already. ``capacity`` is that of
    one node whose requests are full, ``requests`` has one entry per shape.
    """

    name: str
    number: int
    row: int
    unit: float
    capacity: float
    requests: Floats


class ResourceRows:
    """All resource rows of a model; arrays have one entry per row, in the rows' own units.

    Attributes:
        rows: index of each row in the model, ``classes`` the class that it is of.
        capacities: what one full node of the class offers.
        units: unit of each resource by name, ``requests`` its requests by shape in that unit.
    """

    def __init__(self, rows: Sequence[ResourceRow]) -> None:
        self.rows: Indices = np.array([row.row for row in rows], dtype=np.int64)
        self.classes: Indices = np.array([row.number for row in rows], dtype=np.int64)
        self.capacities: Floats = np.array([row.capacity for row in rows])
        self.units = {row.name: row.unit for row in rows}
        self.requests = {row.name: row.requests for row in rows}
        self._places = {
            name: np.array([place for place, row in enumerate(rows) if row.name == name])
            for name in self.units
        }

    def amounts(self, by_name: Mapping[str, Floats]) -> Floats:
        """Amounts of each resource by class (in cores, GiB, own units) as one entry per row.

        What is placed of a resource that a class does not have has no row, and is left out.
        """
        amounts = np.zeros(len(self.rows))
        for name, places in self._places.items():
            if name in by_name:
                amounts[places] = by_name[name][self.classes[places]] / self.units[name]
        return amounts

    def prices(self, duals: Floats, classes: int) -> dict[str, Floats]:
        """Duals of the rows as watts per core, GiB or own unit, by resource and class.

        A resource that a class does not have costs nothing there: nothing that needs it fits.
        """
        prices = {name: np.zeros(classes) for name in self.units}
        for name, places in self._places.items():
            prices[name][self.classes[places]] = duals[places] / self.units[name]
        return prices

    def mean_pod(self, counts: Floats, placed: Floats, nodes: Floats) -> Floats:
        """What the mean pod of a demand asks of each row.

        Without a demand, a core and what is placed of the rest with each; on an empty fleet half
        of what nodes have of it with each core, and always at least a hundredth of that.
        """
        offered = self._totals(self.capacities * nodes[self.classes])
        held = self._totals(placed)
        asked = {name: float(requests @ counts) for name, requests in self.requests.items()}
        pods = float(counts.sum())
        mean = np.zeros(len(self.rows))
        if asked.get(CORES, 0.0) > 0.0:
            amounts, cores = asked, asked[CORES] / pods
        elif held.get(CORES, 0.0) > 0.0:
            amounts, cores = held, 1.0
        else:
            amounts = {name: amount / 2.0 for name, amount in offered.items()}
            amounts[CORES], cores = offered.get(CORES, 0.0), 1.0
        for name, places in self._places.items():
            floor = UNASKED_RATIO * _per_core(offered, name)
            mean[places] = cores * max(_per_core(amounts, name), floor)
        return mean

    def _totals(self, values: Floats) -> dict[str, float]:
        return {name: float(values[places].sum()) for name, places in self._places.items()}


def _per_core(amounts: Mapping[str, float], name: str) -> float:
    cores = amounts.get(CORES, 0.0)
    return amounts[name] / cores if cores else 0.0
