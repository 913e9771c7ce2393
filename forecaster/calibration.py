"""Intervals that cover what they say: adaptive conformal inference on the network's quantiles.

The network's distances from the median are stretched by factors that each series learns for each
horizon and side: after a miss the factor grows, after a hit it shrinks, in the proportion at which
both balance when the promised share is covered (Gibbs and Candès, "Adaptive conformal inference
under distribution shift", 2021; here on the logarithm of the stretch).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from forecaster.horizons import HORIZONS_MINUTES, MEDIAN_INDEX, QUANTILE_LEVELS
from forecaster.rivals.interface import State

Floats = npt.NDArray[np.float32]

_OUTER: Final = tuple(place for place in range(len(QUANTILE_LEVELS)) if place != MEDIAN_INDEX)
_BELOW: Final = np.array([place < MEDIAN_INDEX for place in _OUTER])
#: How often what comes should lie beyond each outer quantile.
_MISS_RATIO: Final = np.array(
    [min(QUANTILE_LEVELS[place], 1 - QUANTILE_LEVELS[place]) for place in _OUTER], dtype=np.float32
)
#: What is missed more seldom must move faster to follow as soon.
_HASTE: Final = np.where(_MISS_RATIO.max() > _MISS_RATIO, 2, 1).astype(np.float32)
#: As near to the median it is the median.
_EXACT_RATIO: Final = np.float32(1e-4)
_LOG_STRETCH_MAX: Final = np.float32(np.log(20))


@dataclass(frozen=True, slots=True)
class CalibrationSettings:
    """How fast intervals follow their misses.

    Attributes:
        step: by which the logarithm of the 80 % interval's stretch grows at a miss (times 0.9) and
            shrinks at a hit (times 0.1); the outer quantiles, which miss more seldom, move by
            twice as much.
        anomaly_stretch: by how much an anomaly widens both intervals while it lasts.
        scale_ratio_min: least distance of the outer quantiles of 80 % from the median, in scales.
    """

    step: float = 0.02
    anomaly_stretch: float = 2.0
    scale_ratio_min: float = 0.05


class Calibration:
    """Stretches of many series; the state is one array, see `fresh`."""

    def __init__(self, settings: CalibrationSettings = CalibrationSettings()) -> None:
        self._settings: Final = settings
        self._steps: Final = np.float32(settings.step) * _HASTE

    @staticmethod
    def fresh(rows: int) -> dict[str, npt.NDArray[Any]]:
        """Return the state of series of which nothing was scored: log_stretch (n, 6, 4) of 0."""
        shape = (rows, len(HORIZONS_MINUTES), len(_OUTER))
        return {"log_stretch": np.zeros(shape, dtype=np.float32)}

    def quantiles(
        self,
        state: State,
        median: Floats,
        distances: Floats,
        scale: Floats,
        anomalous: npt.NDArray[np.bool_],
    ) -> Floats:
        """Return calibrated quantiles: (n, 6, 5), ordered, never below 0, NaN without a median.

        Args:
            state: of n series.
            median: (n, 6), what is served.
            distances: (n, 6, 5), the network's quantiles less its median.
            scale: (n,), requests/s of one scale.
            anomalous: (n,), whose intervals are widened.
        """
        least = (scale * np.float32(self._settings.scale_ratio_min))[:, None, None]
        outer = np.maximum(np.abs(distances[:, :, _OUTER]), least)
        stretch = np.exp(state["log_stretch"])
        wide = np.where(anomalous, np.float32(self._settings.anomaly_stretch), np.float32(1))
        outer = outer * stretch * wide[:, None, None] * np.where(_BELOW, -1, 1)
        served = np.empty((*median.shape, len(QUANTILE_LEVELS)), dtype=np.float32)
        served[:, :, _OUTER] = median[:, :, None] + outer
        served[:, :, MEDIAN_INDEX] = median
        # The sides are stretched apart from each other: 95 % never lies within 80 %.
        served[:, :, 0] = np.minimum(served[:, :, 0], served[:, :, 1])
        served[:, :, 4] = np.maximum(served[:, :, 4], served[:, :, 3])
        return np.maximum(served, np.float32(0))

    def learn(
        self, state: State, quantiles: Floats, actual: Floats, widened: npt.NDArray[np.bool_]
    ) -> dict[str, npt.NDArray[Any]]:
        """Return the state after what came.

        What came just as foreseen teaches nothing: a night without traffic would shrink every
        interval to nothing, and the morning's traffic would find it so.

        Args:
            state: of n series; stays as it is.
            quantiles: (n, 6, 5), what was served for now.
            actual: (n, 6), what came; NaN teaches nothing.
            widened: (n, 6), which of them an anomaly had widened; they are judged as if not.
        """
        median = quantiles[:, :, MEDIAN_INDEX, None]
        wide = np.where(widened, np.float32(self._settings.anomaly_stretch), np.float32(1))
        outer = median + (quantiles[:, :, _OUTER] - median) / wide[:, :, None]
        came = actual[:, :, None]
        missed = np.where(_BELOW, came < outer, came > outer)
        exact = np.abs(came - median) <= _EXACT_RATIO * np.maximum(came, median)
        known = ~np.isnan(came) & ~np.isnan(outer) & ~exact
        move = np.where(known, self._steps * (missed - _MISS_RATIO), 0)
        moved = np.clip(state["log_stretch"] + move, -_LOG_STRETCH_MAX, _LOG_STRETCH_MAX)
        return {"log_stretch": moved.astype(np.float32)}
