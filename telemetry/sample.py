"""Elements of the answers to instant and range queries, freed from their wire format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A value and what it is of.

    Attributes:
        labels: without the metric's name, so that a metric and its `timestamp()` compare equal.
        value: None where Prometheus has no number (NaN, +Inf, -Inf): missing, never 0.
        evaluated_at_seconds: when Prometheus evaluated the query (Unix time), which says nothing
            about the age of what it found.
    """

    labels: Mapping[str, str]
    value: float | None
    evaluated_at_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RangeSeries:
    """One series of the answer to a range query.

    Attributes:
        name: of the metric; empty for what was computed.
        labels: without that name.
        at_seconds: Unix times, rising, int64[n].
        values: finite numbers, float64[n]; a time without one is left out.
    """

    name: str
    labels: Mapping[str, str]
    at_seconds: NDArray[np.int64]
    values: NDArray[np.float64]
