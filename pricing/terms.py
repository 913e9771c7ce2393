"""What pods request and what holds of a class of nodes, as the programs of this package see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from energy.envelope import lower_hull
from energy.errors import InputError
from energy.power_curve import LOAD_LEVELS
from pricing.node_class import NodeClass

Floats: TypeAlias = NDArray[np.float64]

# HiGHS works best with coefficients near one; memory enters the programs in gibibytes.
BYTES_PER_GIBIBYTE = 2**30
CORES, MEMORY = "cpu_cores", "memory_gibibytes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """Pods alike in requests. Every array has one entry per shape.

    ``extended`` has an array for each extended resource (GPUs, huge pages) that a shape requests,
    in the resource's own units.
    """

    cpu_cores: Floats
    memory_bytes: Floats
    extended: Mapping[str, Floats] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.cpu_cores)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What holds besides sizes and curves; arrays over classes, ``allowed`` over (shapes, classes).

    ``usage_ratio`` is what pods use of the cores they request; no node may run above
    ``ceiling_ratio`` of its cores; ``may_sleep`` says of which classes nodes may sleep.
    """

    usage_ratio: Floats
    ceiling_ratio: Floats
    may_sleep: NDArray[np.bool_]
    allowed: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        shapes: int,
        classes: int,
        *,
        usage_ratio: ArrayLike = 1.0,
        ceiling_ratio: ArrayLike = 1.0,
        nodes_may_sleep: ArrayLike = True,
        allowed: ArrayLike = True,
    ) -> Terms:
        """Spread one value over all classes where one is given.

        Raises:
            InputError: a ratio is outside (0, 1], or there are more values than classes or shapes.
        """
        return cls(
            usage_ratio=_ratios(usage_ratio, classes, "usage ratio"),
            ceiling_ratio=_ratios(ceiling_ratio, classes, "ceiling ratio"),
            may_sleep=_spread(np.asarray(nodes_may_sleep, dtype=bool), (classes,), "sleep modes"),
            allowed=_spread(np.asarray(allowed, dtype=bool), (shapes, classes), "feasibilities"),
        )

    def full_utilisation_ratio(self, number: int) -> float:
        """The load at which a node of the class takes no more pods."""
        return float(min(self.usage_ratio[number], self.ceiling_ratio[number]))

    def full_share(self, number: int) -> float:
        """The share of its cores that pods may request of a node of the class."""
        return self.full_utilisation_ratio(number) / float(self.usage_ratio[number])


def _spread(values: NDArray[Any], shape: tuple[int, ...], what: str) -> NDArray[Any]:
    try:
        return np.broadcast_to(values, shape)
    except ValueError:
        raise InputError(
            f"{what} of shape {values.shape} where {shape} is wanted",
            mend="give one for all, or one for each",
        ) from None


def _ratios(given: ArrayLike, classes: int, what: str) -> Floats:
    values = np.asarray(given, dtype=np.float64)
    if not np.all((values > 0.0) & (values <= 1.0)):
        raise InputError(f"{what} {values} is outside (0, 1]")
    return _spread(values, (classes,), what)


def capacity_of(group: NodeClass, resource: str) -> float:
    """What one node of a class has of a resource (cores, GiB, or its own units)."""
    if resource == CORES:
        return group.cpu_cores
    if resource == MEMORY:
        return group.memory_bytes / BYTES_PER_GIBIBYTE
    return float(group.extended.get(resource, 0))


def fits_empty(group: NodeClass, shapes: Shapes, full_share: float = 1.0) -> NDArray[np.bool_]:
    """Whether each shape fits an empty node of a class of whose cores so much may be requested."""
    # A ceiling equal to the usage ratio must leave the whole node, whatever division makes of it.
    cores = group.cpu_cores * full_share * (1.0 + 1e-12)
    fits = (shapes.cpu_cores <= cores) & (shapes.memory_bytes <= group.memory_bytes)
    for name, requests in shapes.extended.items():
        fits &= requests <= group.extended.get(name, 0)
    return fits


def load_points(group: NodeClass, terms: Terms, number: int, *, convex: bool) -> Floats:
    """Load points up to the load of a node whose requests are full, and that load.

    The curve's own points and every tenth, because whole nodes at the two ends of a straight line
    would be no bound of anything. Where fractions of nodes are allowed (``convex``), only the
    points on the curve's lower hull: a mixture of two loads costs no more than any other point.
    """
    full = terms.full_utilisation_ratio(number)
    points = {*group.curve.utilisation_ratios, *LOAD_LEVELS}
    ratios = np.array([*sorted(ratio for ratio in points if ratio < full), full])
    if not convex:
        return ratios
    return ratios[lower_hull(ratios.tolist(), group.curve.watts_at_each(ratios).tolist())]
