"""How raw scores become 0 to 100 over the candidates, in kube-scheduler's integer arithmetic."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cluster.scheduling.profile import MAX_NODE_SCORE
from cluster.scheduling.table import Int64s

Rows: TypeAlias = NDArray[np.intp] | slice


def picked(pair: Int64s, rows: Rows) -> Int64s:
    """The columns `rows` of an array of shape (2, nodes), much quicker than `pair[:, rows]`."""
    if isinstance(rows, slice):
        return pair[:, rows]
    chosen = np.empty((2, len(rows)), pair.dtype)
    chosen[0] = pair[0][rows]
    chosen[1] = pair[1][rows]
    return chosen


def by_maximum(raw: Int64s, *, reverse: bool) -> Int64s:
    """100 for the greatest raw score (or, reversed, for 0), in proportion for the others.

    Source: framework/plugins/helper/normalize_score.go (DefaultNormalizeScore).
    """
    greatest = int(raw.max())
    if greatest == 0:
        return np.full(raw.shape, MAX_NODE_SCORE if reverse else 0, np.int64)
    scaled: Int64s = raw * MAX_NODE_SCORE
    scaled //= greatest
    return MAX_NODE_SCORE - scaled if reverse else scaled


def by_range(raw: Int64s) -> Int64s:
    """0 for the least raw score, 100 for the greatest; 0 for all if they are equal.

    Source: framework/plugins/interpodaffinity/scoring.go (NormalizeScore).
    """
    least = int(raw.min())
    extent = int(raw.max()) - least
    if extent == 0:
        return np.zeros(raw.shape, np.int64)
    return (MAX_NODE_SCORE * ((raw - least) / extent)).astype(np.int64)
