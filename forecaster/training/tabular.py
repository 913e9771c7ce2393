"""Trains the global LightGBM model of `forecaster.rivals.boosting` and exports it to ONNX.

`forecaster.training.boosting` gives it cleaned series, of each the part that may be learnt from;
`negawatt forecaster train` and a retraining beside the service call that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from energy.errors import InputError
from forecaster.rivals.boosting import FEATURES, INPUT, boosting_features
from forecaster.rivals.features import Frame
from forecaster.training.origins import Origins, Series
from forecaster.training.synthetic import synthetic_series

_OPSET: Final = 15
_ROWS_AT_ONCE: Final = 4096
#: Rows of one made-up series resemble each other: a sixth of them teach as much.
_MADE_UP_ROWS_RATIO: Final = 0.15


@dataclass(frozen=True, slots=True)
class BoostingSettings:
    """How LightGBM learns; chosen on the middle (55-70 %) of the development series.

    Attributes:
        seed: of the draws of rows and columns; the same seed gives the same model.
        rounds, leaves: how many trees, and how large; 170 of 127 leaves are 1.4 MB of ONNX.
        length_exponent: a series weighs with this power of its length, between all series alike
            (0) and all samples alike (1).
        made_up_series: how many made-up series teach beside the real ones, so that it knows more
            kinds of traffic than a few.
        made_up_share_ratio: their weight in all, relative to that of the real ones in all.
    """

    seed: int = 1
    rounds: int = 170
    leaves: int = 127
    learning_rate: float = 0.06
    leaf_samples_min: int = 15
    feature_share_ratio: float = 0.8
    sample_share_ratio: float = 0.7
    length_exponent: float = 0.3
    made_up_series: int = 60
    made_up_share_ratio: float = 1.0
    threads: int = 1

    def limited(self, rounds: int | None, made_up_series: int | None) -> BoostingSettings:
        """Return the same with other counts; None keeps one, and series only become fewer."""
        fewer = self.made_up_series if made_up_series is None else made_up_series
        return replace(
            self,
            rounds=rounds or self.rounds,
            made_up_series=min(self.made_up_series, fewer),
        )

    def parameters(self) -> dict[str, Any]:
        """Return them under LightGBM's names."""
        return {
            "objective": "regression_l1",
            "num_leaves": self.leaves,
            "learning_rate": self.learning_rate,
            "min_data_in_leaf": self.leaf_samples_min,
            "feature_fraction": self.feature_share_ratio,
            "bagging_fraction": self.sample_share_ratio,
            "bagging_freq": 1,
            "lambda_l2": 1.0,
            "seed": self.seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": self.threads,
            "verbosity": -1,
        }


@dataclass(frozen=True, slots=True)
class Samples:
    """Rows to learn from: features (k, 30), what the drift leaves in scales (k,), weights (k,)."""

    features: npt.NDArray[np.float32]
    left_scales: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64] = field(repr=False)


def samples(series: Series, length_exponent: float) -> Samples:
    """Return all origins and horizons of a series whose target is known.

    Weights make the loss of each series about its error relative to that of the last value.
    """
    origins = Origins(series)
    features, left, errors = [], [], []
    for first in range(0, len(origins), _ROWS_AT_ONCE):
        rows = np.arange(first, min(first + _ROWS_AT_ONCE, len(origins)))
        frame = Frame.of(origins.view(rows))
        scales = (origins.targets[rows] - frame.anchor[:, None]) / frame.scale[:, None]
        known = np.isfinite(scales)
        features.append(boosting_features(frame)[known])
        left.append((scales - frame.drift)[known])
        errors.append(np.abs(scales - frame.near[:, :1])[known])
    if not sum(len(each) for each in left):
        raise InputError("it has no half hour that could teach", where=series.name)
    count = sum(len(each) for each in left)
    usual = max(float(np.nanmean(np.concatenate(errors))), 1e-9)
    weights = np.full(count, count ** (length_exponent - 1) / usual)
    return Samples(np.concatenate(features), np.concatenate(left), weights)


def made_up(settings: BoostingSettings) -> list[Samples]:
    """Return some rows of each made-up series, all series weighing alike."""
    draw = np.random.default_rng(settings.seed)
    found = []
    for number in range(settings.made_up_series):
        one = samples(Series(f"made up {number}", 0, synthetic_series(draw)), 0.0)
        kept = draw.random(len(one.weights)) < _MADE_UP_ROWS_RATIO
        found.append(Samples(one.features[kept], one.left_scales[kept], one.weights[kept]))
    return found


def train(series: Sequence[Series], settings: BoostingSettings, more: Sequence[Samples]) -> bytes:
    """Learn from series, all of each, and from `made_up` examples; return the ONNX graph."""
    import lightgbm

    real = [samples(each, settings.length_exponent) for each in series]
    weights = np.concatenate([_weights(real, 1.0), _weights(more, settings.made_up_share_ratio)])
    parts = [*real, *more]
    rows = lightgbm.Dataset(
        np.concatenate([each.features for each in parts]),
        np.concatenate([each.left_scales for each in parts]),
        weight=weights / weights.mean(),
    )
    return exported(lightgbm.train(settings.parameters(), rows, settings.rounds))


def _weights(parts: Sequence[Samples], total: float) -> npt.NDArray[np.float64]:
    """Weights of all parts, which add up to `total`."""
    if not parts:
        return np.empty(0)
    joined = np.concatenate([each.weights for each in parts])
    scaled: npt.NDArray[np.float64] = joined * (total / joined.sum())
    return scaled


def exported(booster: Any) -> bytes:  # noqa: ANN401 - LightGBM ships no types
    """Turn a booster into an ONNX graph that takes `features` (k, 30) as float32."""
    from onnxmltools.convert import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    kind = [(INPUT, FloatTensorType([None, FEATURES]))]
    model = convert_lightgbm(booster, "lightgbm", kind, target_opset=_OPSET, zipmap=False)
    for node in model.graph.node:
        # Of no use to a reader of trees, and a quarter of the file.
        kept = [each for each in node.attribute if each.name != "nodes_hitrates"]
        del node.attribute[:]
        node.attribute.extend(kept)
    return bytes(model.SerializeToString())
