"""Means, medians and newest values of what is there: NaN is absent, and counts as nothing."""

from __future__ import annotations

import numpy as np

from forecaster.history import Floats


def mean_present(values: Floats, axis: int = -1) -> Floats:
    """Return means of what is not NaN; NaN where all is."""
    there = ~np.isnan(values)
    counts = there.sum(axis=axis, dtype=np.float32)
    sums = np.where(there, values, 0).sum(axis=axis, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        means: Floats = (sums / counts).astype(np.float32)
    return means


def deviation_present(values: Floats, means: Floats) -> Floats:
    """Return standard deviations over axis 1 of what is not NaN, from its means without axis 1.

    Infinite beyond 1e19, as where a day of traffic is measured in the changes of an idle one.
    """
    with np.errstate(over="ignore"):
        squares = (values - means[:, None]) ** 2
    deviations: Floats = np.sqrt(mean_present(squares, axis=1))
    return deviations


def median_present(values: Floats) -> Floats:
    """Return medians over axis 1 of what is not NaN: numpy's nanmedian, twenty times as fast."""
    ordered = np.sort(values, axis=1)  # NaN last
    counts = (~np.isnan(values)).sum(axis=1, keepdims=True)
    low = np.take_along_axis(ordered, np.maximum(counts - 1, 0) // 2, axis=1)
    high = np.take_along_axis(ordered, np.minimum(counts // 2, values.shape[1] - 1), axis=1)
    return ((low + high) / 2)[:, 0].astype(np.float32, copy=False)


def newest_present(values: Floats) -> Floats:
    """Return the last of each row that is not NaN; NaN where all is."""
    newest = values[:, -1]
    for step in range(2, values.shape[1] + 1):
        newest = np.where(np.isnan(newest), values[:, -step], newest)
    return newest
