"""Merges what is most alike until few enough groups are left."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from energy.errors import InputError
from pricing.linear_model import Floats


def group_labels(
    features: Floats, weights: Floats, kinds: Sequence[Hashable], most: int
) -> NDArray[np.int64]:
    """Number of the group of each item, groups in the order of their first items.

    A group costs its weight times the extents of its features, summed: what its members would at
    most be wrong by if each were taken for another. Again and again the two groups are merged whose
    union costs least more. Items of different ``kinds`` never meet, even if more than ``most``
    groups are left then. ``features`` has shape (items, features), in one unit.

    Raises:
        InputError: ``most`` is below one.
    """
    if most < 1:
        raise InputError(f"at most {most} groups", mend="allow one at least")
    labels = np.arange(len(features))
    if len(features) <= most:
        return labels
    groups = _Groups(features, weights, kinds)
    for _ in range(len(features) - most):
        pair = groups.nearest()
        if pair is None:
            break
        keep, gone = pair
        groups.merge(keep, gone)
        labels[labels == gone] = keep
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    order = np.argsort(np.argsort(first))
    return np.asarray(order[inverse.reshape(-1)], dtype=np.int64)


class _Groups:
    """The groups as they stand, and what each merger of two would cost."""

    def __init__(self, features: Floats, weights: Floats, kinds: Sequence[Hashable]) -> None:
        self._low, self._high = features.copy(), features.copy()
        self._weights = weights.astype(np.float64)
        numbers = {kind: number for number, kind in enumerate(dict.fromkeys(kinds))}
        self._kinds = np.array([numbers[kind] for kind in kinds])
        self._alive = np.ones(len(features), dtype=bool)
        self._added = np.array([self._mergers(item) for item in range(len(features))])

    def nearest(self) -> tuple[int, int] | None:
        """The two groups that are cheapest to merge, the earlier one first; None: all differ."""
        keep, gone = np.unravel_index(int(self._added.argmin()), self._added.shape)
        if not np.isfinite(self._added[keep, gone]):
            return None
        return int(min(keep, gone)), int(max(keep, gone))

    def merge(self, keep: int, gone: int) -> None:
        """Make one group of two."""
        self._low[keep] = np.minimum(self._low[keep], self._low[gone])
        self._high[keep] = np.maximum(self._high[keep], self._high[gone])
        self._weights[keep] += self._weights[gone]
        self._alive[gone] = False
        self._added[gone] = self._added[:, gone] = np.inf
        self._added[keep] = self._added[:, keep] = self._mergers(keep)

    def _mergers(self, one: int) -> Floats:
        """What a merger with each other group would cost."""
        low = np.minimum(self._low, self._low[one])
        high = np.maximum(self._high, self._high[one])
        each = self._weights * (self._high - self._low).sum(axis=1)
        together = (self._weights + self._weights[one]) * (high - low).sum(axis=1)
        added = together - each - each[one]
        possible = self._alive & (self._kinds == self._kinds[one])
        possible[one] = False
        return np.where(possible, added, np.inf)
