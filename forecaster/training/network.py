"""The network: an LSTM reads two hours, heads choose for each horizon among naive forecasts.

For each horizon the median is a softmax-weighted mean of the candidates (those that are there) plus
a correction; the other quantiles lie a sum of softplus terms away, so that they never cross. Loss
is the pinball loss, the median counting three times: Koenker and Bassett (1978).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import keras
import numpy as np
from keras import layers, ops

from forecaster.horizons import MEDIAN_INDEX, QUANTILE_LEVELS
from forecaster.windows import (
    CANDIDATES,
    CONTEXT_FEATURES,
    HORIZON_FEATURES,
    HORIZONS,
    INPUTS,
    SEQUENCE_CHANNELS,
    STEPS,
)

#: Widths of the four gaps between the quantiles before training, in units of the scale.
_GAP_START: Final = 0.3
#: Targets farther from the present than this are no lesson in how far.
TARGET_MAX: Final = 15.0
_ABSENT: Final = 1e9

#: Keras ships no types.
Tensor = Any

INPUT_SHAPES: Final = {
    "sequence": (STEPS, SEQUENCE_CHANNELS),
    "candidates": (HORIZONS, CANDIDATES),
    "candidate_present": (HORIZONS, CANDIDATES),
    "horizons": (HORIZONS, HORIZON_FEATURES),
    "context": (CONTEXT_FEATURES,),
}


@dataclass(frozen=True, slots=True)
class Shape:
    """How wide the network is, and what share of its units is dropped in training."""

    recurrent: int = 48
    dense: int = 64
    dropout_ratio: float = 0.1


def build(shape: Shape) -> keras.Model:
    """Make an untrained network; its layers' names are those that the export reads."""
    given = {name: keras.Input(size, name=name) for name, size in INPUT_SHAPES.items()}
    memory = layers.LSTM(shape.recurrent, name="memory")(given["sequence"])
    summary = layers.Concatenate()([memory, given["context"]])
    summary = layers.Dropout(shape.dropout_ratio)(summary)
    summary = layers.Dense(shape.dense, activation="relu", name="summary")(summary)
    each = layers.Concatenate()(
        [
            layers.RepeatVector(HORIZONS)(summary),
            *(given[name] for name in ("horizons", "candidates", "candidate_present")),
        ]
    )
    each = layers.Dense(shape.dense, activation="relu", name="head_1")(each)
    each = layers.Dropout(shape.dropout_ratio)(each)
    each = layers.Dense(shape.dense, activation="relu", name="head_2")(each)
    return keras.Model([given[name] for name in INPUTS], _quantiles(each, given))


def _quantiles(each: Tensor, given: dict[str, Tensor]) -> Tensor:
    """The median among the candidates, and the others around it."""
    scores = layers.Dense(CANDIDATES, name="choice")(each)
    weights = ops.softmax(scores - _ABSENT * (1 - given["candidate_present"]), -1)
    correction = layers.Dense(1, kernel_initializer="zeros", name="correction")(each)
    median = ops.sum(weights * given["candidates"], -1, keepdims=True) + correction
    start = keras.initializers.Constant(_GAP_START)
    gaps = ops.softplus(
        layers.Dense(len(QUANTILE_LEVELS) - 1, bias_initializer=start, name="gaps")(each)
    )
    lower, low, high, higher = (gaps[..., place : place + 1] for place in range(4))
    below, above = median - low, median + high
    return ops.concatenate([below - lower, below, median, above, above + higher], -1)


def pinball(median_weight: float) -> Callable[[Tensor, Tensor], Tensor]:
    """Make the loss of targets [n, 6], NaN where there is none, and quantiles [n, 6, 5]."""
    levels = np.array(QUANTILE_LEVELS, dtype=np.float32)
    weights = np.ones(len(levels), dtype=np.float32)
    weights[MEDIAN_INDEX] = median_weight

    def loss(targets: Tensor, quantiles: Tensor) -> Tensor:
        known = ops.cast(ops.logical_not(ops.isnan(targets)), "float32")
        clean = ops.where(ops.isnan(targets), 0.0, targets)
        above = ops.clip(clean, -TARGET_MAX, TARGET_MAX)[..., None] - quantiles
        each = ops.maximum(levels * above, (levels - 1) * above) * weights
        return ops.sum(each * known[..., None]) / (ops.sum(known) + 1)

    return loss
