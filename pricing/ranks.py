"""Dense ranks of nodes for one pod: 0 for the cheapest, near-equal watts in one rank."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cluster.model import Pod
from cluster.scheduling.table import NodeTable
from pricing.bid_price import BookingLimit
from pricing.rules import SAME_COST_RATIO, SAME_WATTS, Rule


def ranks(
    rule: Rule,
    table: NodeTable,
    pod: Pod,
    rows: NDArray[np.int64],
    ranks_max: int,
    asleep: NDArray[np.bool_] | None = None,
) -> NDArray[np.int64]:
    """Rank of each of these rows, one entry per row, none above ``ranks_max``.

    Where the optimum booked the pod's shape on some classes, those come first, the most booked one
    before the others; all other nodes follow by watts. Of nodes that would share a rank, those
    ``asleep`` come after those awake: a rule prices the filling of a node, and only whoever packs
    sees that one more node would wake.
    """
    found = _by_rule(rule, table, pod, rows, ranks_max)
    if asleep is None or not asleep.any() or asleep.all():
        return found
    dense = np.unique(2 * found + asleep, return_inverse=True)[1]
    return np.minimum(dense.astype(np.int64), ranks_max)


def _by_rule(
    rule: Rule, table: NodeTable, pod: Pod, rows: NDArray[np.int64], ranks_max: int
) -> NDArray[np.int64]:
    watts = rule.watts(table, pod)[rows]
    booked = rule.booked(pod) if isinstance(rule, BookingLimit) else None
    if booked is None:
        return ranks_of_watts(watts, ranks_max)
    counts = booked[rows]
    first = counts > 0.0
    levels = np.unique(counts[first])
    found = np.empty(len(rows), dtype=np.int64)
    found[first] = len(levels) - 1 - levels.searchsorted(counts[first])
    if not first.all():
        found[~first] = len(levels) + ranks_of_watts(watts[~first], ranks_max)
    return np.minimum(found, ranks_max)


def ranks_of_watts(watts: NDArray[np.float64], ranks_max: int) -> NDArray[np.int64]:
    """Dense ranks from 0; watts within 1 % or 0.05 W of a rank's cheapest share the rank.

    What is no number is as dear as can be. Ranks beyond ``ranks_max`` are that.
    """
    ordered = np.sort(np.where(np.isnan(watts), np.inf, watts))
    starts: list[float] = []
    place = 0
    while place < len(ordered) and len(starts) <= ranks_max:
        start = float(ordered[place])
        starts.append(start)
        if start == np.inf:
            break
        within = start + max(SAME_COST_RATIO * abs(start), SAME_WATTS)
        place = int(ordered.searchsorted(within, side="right"))
    found = np.searchsorted(np.array(starts), watts, side="right") - 1
    return np.minimum(found, ranks_max).astype(np.int64)
