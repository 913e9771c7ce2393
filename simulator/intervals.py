"""What a few seeds say about a mean: Student's t."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
# Sums of the same joules in another order differ by less than this.
ROUNDING_RATIO = 1e-9


class Verdict(StrEnum):
    """Where the interval of a ratio to a reference lies; energy above the reference is worse."""

    WORSE = "worse"
    EQUAL = "equal"
    BETTER = "better"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A mean over seeds with its 95 % interval (Student's t); one seed alone has none."""

    mean: float
    low: float | None
    high: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Interval:
        """The interval of at least one value."""
        mean = float(np.mean(values))
        if len(values) == 1:
            return cls(mean=mean, low=None, high=None)
        half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * stats.sem(values))
        return cls(mean=mean, low=mean - half, high=mean + half)

    @classmethod
    def of_ratios(cls, values: Sequence[float], references: Sequence[float]) -> Interval:
        """The interval of the ratios, each value to the reference of the same seed."""
        return cls.of([value / one for value, one in zip(values, references, strict=True)])

    def verdict(self) -> Verdict | None:
        """Worse or better where the whole interval lies above or below 1; None of one seed."""
        if self.low is None or self.high is None:
            return None
        if self.low > 1.0 + ROUNDING_RATIO:
            return Verdict.WORSE
        return Verdict.BETTER if self.high < 1.0 - ROUNDING_RATIO else Verdict.EQUAL
