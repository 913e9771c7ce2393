"""What the price program answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pricing.linear_model import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSolution:
    """Prices and the optimum behind them.

    ``watts_per_core`` and ``watts_per_gibibyte`` have one entry per class, ``watts_per_extended``
    an array of them by resource; all per *requested* unit. ``watts_per_pod`` has one entry per
    shape: what one more pod of it costs where it is cheapest. ``watts`` is the power of the fleet
    in the optimum: a lower bound of any placement where all pods fit (``penalty_watts`` is 0).
    ``awake_nodes`` (classes,), ``placed_counts`` (shapes, classes) and ``unplaced_counts``
    (shapes,) are the optimum, in fractions. ``overloaded`` marks the classes on which more is
    placed than they can carry. Where several prices were optimal and there was no time to settle
    which are meant, ``settled`` is False.
    """

    watts_per_core: Floats
    watts_per_gibibyte: Floats
    watts_per_extended: Mapping[str, Floats]
    watts_per_pod: Floats
    watts: float
    penalty_watts: float
    gap_watts: float
    awake_nodes: Floats
    placed_counts: Floats
    unplaced_counts: Floats
    overloaded: NDArray[np.bool_]
    settled: bool


@dataclass(frozen=True, slots=True)
class Unsolved:
    """No prices, and why."""

    reason: str
