"""What is served: experts' medians mixed with weights that follow their lately measured worth.

Weights move by exponentiated gradients of the mixture's own absolute error (Kivinen and Warmuth,
"Exponentiated gradient versus gradient descent for linear predictors", 1997): an expert gains where
more of it would have brought the mixture nearer to what came. A gate stands before them: an expert
whose decayed error is above that of the last value has no weight at that horizon.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from forecaster.horizons import HORIZONS_MINUTES
from forecaster.rivals.interface import State

Floats = npt.NDArray[np.float32]

LAST_VALUE: Final = "last-value"
#: Before anything is known of a series. On the middle part (55-70 %) of the development series
#: shares of the regression between 0.2 and 0.4 were within 2 % of each other; the smaller one is
#: kept because in a series' first hours the regression has learnt little.
DEFAULT_PRIOR: Final[Mapping[str, float]] = MappingProxyType(
    {"lstm": 0.5, "lightgbm": 0.2, "ridge": 0.2}
)
_HORIZONS: Final = len(HORIZONS_MINUTES)
#: Beyond so many scales an error says no more: bursts would drown the rest.
_ERROR_SCALES_MAX: Final = np.float32(8)
_PULL_MAX: Final = np.float32(2)
_TIE_RATIO: Final = np.float32(1.0001)
_WEIGHT_MIN: Final = 1e-6


@dataclass(frozen=True, slots=True)
class MixtureSettings:
    """How fast weights follow, and where they start.

    Attributes:
        learning_rate: of the exponentiated gradient, per scored forecast.
        half_life_steps: in which the errors that the gate compares lose half of their weight; 288
            steps of five minutes are a day.
        gate_steps_min: so many scored forecasts before the gate closes on anyone.
        prior: share of each expert before anything was learnt; one that is not named gets
            `prior_other`.
        prior_other: see `prior`.
    """

    learning_rate: float = 0.03
    half_life_steps: float = 288.0
    gate_steps_min: float = 12.0
    prior: Mapping[str, float] = field(default_factory=lambda: DEFAULT_PRIOR)
    prior_other: float = 0.01


class Mixture:
    """Weights of many series over the same experts; the state is arrays, see `fresh`."""

    def __init__(
        self, experts: Sequence[str], settings: MixtureSettings = MixtureSettings()
    ) -> None:
        self.experts: Final = tuple(experts)
        self._last_value: Final = self.experts.index(LAST_VALUE)
        self._settings: Final = settings
        self._kept: Final = np.float32(0.5 ** (1 / settings.half_life_steps))

    def fresh(self, rows: int) -> dict[str, npt.NDArray[Any]]:
        """Return the state of series of which nothing was scored.

        log_weights (n, M, 6); errors (n, M, 6), decayed sums of absolute errors in scales, and
        counts (n, M, 6), the decayed number of them.
        """
        settings = self._settings
        prior = np.array(
            [settings.prior.get(name, settings.prior_other) for name in self.experts],
            dtype=np.float32,
        )
        shape = (rows, len(self.experts), _HORIZONS)
        logs = np.log(np.maximum(prior / prior.sum(), _WEIGHT_MIN))
        return {
            "log_weights": np.broadcast_to(logs[None, :, None], shape).astype(np.float32),
            "errors": np.zeros(shape, dtype=np.float32),
            "counts": np.zeros(shape, dtype=np.float32),
        }

    def weights(self, state: State, medians: Floats) -> Floats:
        """Return the weights of medians (n, M, 6): they sum to 1, or are 0 where nobody speaks."""
        there = ~np.isnan(medians)
        open_to = there & ~self.gated(state)
        # The last value stands in where the gate lets nobody through; where it is silent, too (ten
        # minutes into an outage), those who lost to it are better than nothing.
        alone = ~open_to.any(axis=1)
        open_to[:, self._last_value] |= alone & there[:, self._last_value]
        open_to |= ~open_to.any(axis=1, keepdims=True) & there
        shares = np.where(open_to, np.exp(state["log_weights"]), 0)
        sums = shares.sum(axis=1, keepdims=True)
        return (shares / np.where(sums > 0, sums, 1)).astype(np.float32)

    def gated(self, state: State) -> npt.NDArray[np.bool_]:
        """Return which experts lately lost to the last value: (n, M, 6)."""
        errors = self.mean_errors(state)
        last = errors[:, self._last_value : self._last_value + 1]
        enough = state["counts"] >= self._settings.gate_steps_min
        # As good as the last value is no loss: where nothing happens all are.
        lost: npt.NDArray[np.bool_] = enough & (errors > last * _TIE_RATIO)
        return lost

    @staticmethod
    def mean_errors(state: State) -> Floats:
        """Return decayed mean absolute errors in scales: (n, M, 6); NaN where none was scored."""
        with np.errstate(invalid="ignore", divide="ignore"):
            means = state["errors"] / state["counts"]
        return means.astype(np.float32, copy=False)

    @staticmethod
    def mixed(weights: Floats, medians: Floats) -> Floats:
        """Return the mixture's medians: (n, 6), NaN where no weight is."""
        mixed = (weights * np.nan_to_num(medians)).sum(axis=1)
        return np.where(weights.sum(axis=1) > 0, mixed, np.nan).astype(np.float32)

    def learn(
        self, state: State, medians: Floats, mixed: Floats, actual: Floats, scale: Floats
    ) -> dict[str, npt.NDArray[Any]]:
        """Return the state after what came of earlier forecasts.

        Args:
            state: of n series; stays as it is.
            medians: (n, M, 6), what the experts had said of now, by the horizon of their saying.
            mixed: (n, 6), what the mixture had said.
            actual: (n, 6), what came; NaN where it teaches nothing.
            scale: (n, 6), requests/s of one scale at the time of the forecast.
        """
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            off = np.abs(medians - actual[:, None]) / scale[:, None]
            side = np.tanh(2 * (mixed - actual) / scale)
            pull = side[:, None] * (medians - mixed[:, None]) / scale[:, None]
        known = ~np.isnan(off)
        kept = np.where(known, self._kept, np.float32(1))
        fresh = np.where(known, 1 - self._kept, np.float32(0))
        bounded = np.nan_to_num(np.minimum(off, _ERROR_SCALES_MAX))
        moved = np.nan_to_num(np.clip(pull, -_PULL_MAX, _PULL_MAX))
        logs = state["log_weights"] - np.float32(self._settings.learning_rate) * moved
        logs = np.maximum(logs - _log_sum(logs), np.log(_WEIGHT_MIN))
        steps = np.float32(1 / (1 - self._kept))
        return {
            "log_weights": logs.astype(np.float32),
            "errors": (state["errors"] * kept + bounded * fresh * steps).astype(np.float32),
            "counts": (state["counts"] * kept + fresh * steps).astype(np.float32),
        }


def _log_sum(logs: Floats) -> Floats:
    """Return the logarithm of the sum over experts, kept as an axis."""
    top = logs.max(axis=1, keepdims=True)
    total: Floats = top + np.log(np.exp(logs - top).sum(axis=1, keepdims=True))
    return total
