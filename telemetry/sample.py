"""One element of the answer to an instant query, freed from its wire format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


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
