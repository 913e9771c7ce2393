"""Predictions by age for one kind of pod, tabulated so that one costs less than a microsecond."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from energy.units import SECONDS_PER_HOUR
from pricing.lifetime_survival import CELLS, CELLS_PER_DOUBLING, EDGE_SECONDS

# Nothing is expected to stay longer than this: far beyond it no plan depends on the difference.
HORIZON_SECONDS = 7 * 24 * SECONDS_PER_HOUR
# Times ahead between which departures are spread: a minute to the horizon, each 1.4 times the last.
AHEAD_SECONDS = np.concatenate([[0.0], np.geomspace(60.0, HORIZON_SECONDS, 28)])
AHEAD_CELLS = len(AHEAD_SECONDS) - 1
# Departures ahead are kept for ages from a minute, four to a doubling.
AGE_CELLS_PER_DOUBLING, AGE_SECONDS_MIN = 4, 60.0


class LifetimeCurve:
    """Predictions by age for one kind of pod, tabulated from its hazards (one per cell)."""

    def __init__(self, hazards: NDArray[np.float64]) -> None:
        # Within a cell stays end evenly; beyond the last edge none ends.
        self._ages = np.concatenate([[0.0], EDGE_SECONDS, [2.0 * EDGE_SECONDS[-1]]])
        survival = np.concatenate([[1.0], np.cumprod(1.0 - hazards)])
        self._survival = np.append(survival, survival[-1])
        areas = np.diff(self._ages) * (self._survival[1:] + self._survival[:-1]) / 2.0
        area = np.concatenate([[0.0], np.cumsum(areas)])
        until = np.interp(self._ages + HORIZON_SECONDS, self._ages, area)
        alive = self._survival > 0
        expected = np.where(alive, (until - area) / np.where(alive, self._survival, 1.0), 0.0)
        self._expected: list[float] = np.clip(expected, 0.0, HORIZON_SECONDS).tolist()
        self._leaving: dict[int, NDArray[np.float64]] = {}

    def expected_seconds(self, age_seconds: float) -> float:
        """Expected remaining time, between the two nearest entries of the table."""
        if age_seconds < 1.0:
            low, share = 0, max(age_seconds, 0.0)
        else:
            place = min(math.log2(age_seconds) * CELLS_PER_DOUBLING, CELLS - 1.0)
            low = int(place) + 1
            share = place + 1 - low
        before = self._expected[low]
        return before + share * (self._expected[low + 1] - before)

    def outlasting(self, age_seconds: float) -> float:
        """Share of such pods that outlast the age."""
        return float(np.interp(age_seconds, self._ages, self._survival))

    def quantile_seconds(self, age_seconds: float, share: float) -> float:
        """Remaining time within which this share leaves; at most ``HORIZON_SECONDS``."""
        left = self.outlasting(age_seconds) * (1.0 - share)
        if left < self._survival[-1]:
            return HORIZON_SECONDS
        # The first age at which no more than that are left.
        after = int(np.searchsorted(-self._survival, -left, side="left"))
        if after == 0:
            return 0.0
        low, high = self._survival[after], self._survival[after - 1]
        step = (high - left) / (high - low) * (self._ages[after] - self._ages[after - 1])
        return float(np.clip(self._ages[after - 1] + step - age_seconds, 0.0, HORIZON_SECONDS))

    def leaving_ratios(self, age_seconds: float) -> NDArray[np.float64]:
        """Probability of having left by the times ahead, kept once computed."""
        cell = -1
        if age_seconds >= AGE_SECONDS_MIN:
            cell = int(math.log2(age_seconds / AGE_SECONDS_MIN) * AGE_CELLS_PER_DOUBLING)
        row = self._leaving.get(cell)
        if row is None:
            age = AGE_SECONDS_MIN * 2.0 ** (cell / AGE_CELLS_PER_DOUBLING) if cell >= 0 else 0.0
            alive = self.outlasting(age)
            outlasting = np.interp(age + AHEAD_SECONDS, self._ages, self._survival)
            left = 1.0 - outlasting / alive if alive > 0 else np.ones(len(AHEAD_SECONDS))
            row = self._leaving[cell] = (left[1:] + left[:-1]) / 2.0
        return row
