"""Fitting networks to one workload: their last layers only, and kept only where that helps.

What is learnt from two hours stays as it is; how naive forecasts are weighed and how far the
quantiles lie apart is adapted to the series.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import keras
import numpy as np

from energy.errors import InputError
from forecaster.training.dataset import Examples
from forecaster.training.draws import DrawSettings, held_back, real_examples
from forecaster.training.fit import predict, prepare, relative_error
from forecaster.training.network import pinball
from forecaster.training.series import TrainingSeries
from forecaster.windows import INPUTS

TUNED_LAYERS: Final = ("head_2", "choice", "correction", "gaps")


@dataclass(frozen=True, slots=True)
class TuningSettings:
    """How far a network may move: few steps, and small ones."""

    epochs: int = 4
    epoch_rows: int = 4096
    batch_rows: int = 256
    learning_rate: float = 3e-4
    learn_ratio: float = 0.55
    keep_ratio: float = 0.7


@dataclass(frozen=True, slots=True)
class Tuned:
    """What came of it: relative MAE on the part held back, before and after, and what is kept."""

    models: tuple[keras.Model, ...]
    before_ratio: float
    after_ratio: float

    @property
    def kept(self) -> bool:
        """Whether the tuned networks are those that are kept."""
        return self.after_ratio < self.before_ratio


def fine_tune(
    models: Sequence[keras.Model],
    series: TrainingSeries,
    seed: int,
    settings: TuningSettings = TuningSettings(),
) -> Tuned:
    """Tune networks to a series; where they do not become better, they stay as they were.

    Raises:
        InputError: the series is too short to learn from and to judge on.
    """
    prepare(seed)
    rng = np.random.default_rng(seed)
    draws = DrawSettings(young_ratio=0.0)
    learnt = real_examples([series], 0.0, settings.learn_ratio, draws, rng)
    judged = held_back([series], settings.learn_ratio, settings.keep_ratio).get(series.name)
    if not learnt or judged is None:
        raise InputError(
            "has too few minutes to be tuned to", where=series.name, mend="give a day of it"
        )
    before = [model.get_weights() for model in models]
    error_before = _error(models, judged)
    for model in models:
        _tune(model, learnt[0], rng, settings)
    error_after = _error(models, judged)
    if error_after >= error_before:
        for model, weights in zip(models, before, strict=True):
            model.set_weights(weights)
    return Tuned(tuple(models), error_before, error_after)


def _tune(
    model: keras.Model, learnt: Examples, rng: np.random.Generator, settings: TuningSettings
) -> None:
    for layer in model.layers:
        layer.trainable = layer.name in TUNED_LAYERS
    model.compile(keras.optimizers.Adam(settings.learning_rate, clipnorm=1.0), pinball(3.0))
    for _ in range(settings.epochs):
        drawn = learnt.take(rng.integers(0, len(learnt), min(settings.epoch_rows, len(learnt))))
        inputs = [drawn.inputs[name] for name in INPUTS]
        model.fit(inputs, drawn.targets, batch_size=settings.batch_rows, shuffle=False, verbose=0)
    for layer in model.layers:
        layer.trainable = True


def _error(models: Sequence[keras.Model], examples: Examples) -> float:
    quantiles = np.mean([predict(model, examples) for model in models], axis=0)
    return relative_error(examples, quantiles)
