"""Fitting one network: equal draws from each series, cosine decay, the best epoch is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from forecaster.evaluation.scores import geometric_mean, relative_mae
from forecaster.horizons import MEDIAN_INDEX
from forecaster.training.dataset import Examples, joined
from forecaster.training.network import Shape, build, pinball
from forecaster.windows import INPUTS

THREADS: Final = 2
_PREDICT_ROWS: Final = 4096

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class FitSettings:
    """How long and how fast.

    Attributes:
        shape: of the network.
        epochs_max: at most.
        patience_epochs: without a better validation error, then training ends.
        learning_rate: at the beginning; a cosine takes it to 0.
        batch_rows: windows a step.
        real_rows: windows drawn of the real series, each epoch; of each as many.
        synthetic_rows: windows drawn of the synthetic series together, each epoch.
        median_weight: of the median's loss, the other quantiles having 1.
        keeps_last: keep the last epoch rather than the best, so that what judges chooses nothing.
    """

    shape: Shape = field(default_factory=Shape)
    epochs_max: int = 14
    patience_epochs: int = 8
    learning_rate: float = 2e-3
    batch_rows: int = 256
    real_rows: int = 12_288
    synthetic_rows: int = 12_288
    median_weight: float = 3.0
    keeps_last: bool = False


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch of a fit: mean loss of its batches, and the validation errors of the series."""

    loss: float
    validation_loss: float
    errors: Mapping[str, float]

    @property
    def error(self) -> float:
        """Geometric mean of the series' relative MAE; NaN where nothing is held back."""
        return geometric_mean(self.errors.values())


@dataclass(frozen=True, slots=True)
class Fitted:
    """A trained network, and how it came to be."""

    model: keras.Model
    epochs: tuple[Epoch, ...]
    best_epoch: int

    @property
    def best(self) -> Epoch:
        """What the kept weights reached."""
        return self.epochs[self.best_epoch]


def prepare(seed: int) -> None:
    """Make what follows repeatable on this machine: seeds, and no order of sums left to chance."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    with suppress(RuntimeError):  # it was set when TensorFlow began to compute
        tf.config.threading.set_intra_op_parallelism_threads(THREADS)
        tf.config.threading.set_inter_op_parallelism_threads(1)


def fit(
    real: Sequence[Examples],
    synthetic: Examples | None,
    validation: Mapping[str, Examples],
    settings: FitSettings,
    seed: int,
    advance: Callable[[Epoch], None] = lambda _: None,
) -> Fitted:
    """Train a network.

    Args:
        real: of each real series its windows.
        synthetic: windows of all synthetic series.
        validation: of each series what is held back; empty: the last epoch is kept.
        settings: how.
        seed: same seed and data, same weights on the same machine.
        advance: told of each epoch.
    """
    prepare(seed)
    rng = np.random.default_rng(seed)
    model = build(settings.shape)
    rows = sum(_counts(real, synthetic, settings))
    steps = settings.epochs_max * -(-rows // settings.batch_rows)
    rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps)
    model.compile(keras.optimizers.Adam(rate, clipnorm=1.0), pinball(settings.median_weight))
    epochs: list[Epoch] = []
    best, kept = 0, model.get_weights()
    for number in range(settings.epochs_max):
        drawn = _draw(rng, real, synthetic, settings)
        history = model.fit(
            [drawn.inputs[name] for name in INPUTS],
            drawn.targets,
            batch_size=settings.batch_rows,
            shuffle=False,
            verbose=0,
        )
        epochs.append(_judged(model, validation, float(history.history["loss"][0]), settings))
        advance(epochs[-1])
        last = settings.keeps_last or not validation or number == 0
        if last or epochs[number].error < epochs[best].error:
            best, kept = number, model.get_weights()
        elif number - best >= settings.patience_epochs:
            break
    model.set_weights(kept)
    return Fitted(model, tuple(epochs), best)


def _draw(
    rng: np.random.Generator,
    real: Sequence[Examples],
    synthetic: Examples | None,
    settings: FitSettings,
) -> Examples:
    """As many windows of each series, however long it is, in random order."""
    counts = _counts(real, synthetic, settings)
    parts = [*real, *([synthetic] if synthetic is not None else ())]
    drawn = joined(
        [
            part.take(rng.integers(0, len(part), count))
            for part, count in zip(parts, counts, strict=True)
        ]
    )
    return drawn.take(rng.permutation(len(drawn)))


def _counts(
    real: Sequence[Examples], synthetic: Examples | None, settings: FitSettings
) -> list[int]:
    """Windows to draw of each; never more than there are."""
    each = settings.real_rows // max(1, len(real))
    counts = [min(each, len(part)) for part in real]
    if synthetic is not None:
        counts.append(min(settings.synthetic_rows, len(synthetic)))
    return counts


def predict(model: keras.Model, examples: Examples) -> Floats:
    """Quantiles relative to centre and scale: [n, 6, 5]."""
    parts = []
    for start in range(0, len(examples), _PREDICT_ROWS):
        end = start + _PREDICT_ROWS
        parts.append(np.asarray(model([examples.inputs[name][start:end] for name in INPUTS])))
    return np.concatenate(parts)


def relative_error(examples: Examples, quantiles: Floats) -> float:
    """Mean over the horizons of the median's MAE divided by that of the last value."""
    scale, centre = examples.scale[:, None], examples.centre[:, None]
    medians = np.maximum(quantiles[..., MEDIAN_INDEX] * scale + centre, 0)
    naive = np.broadcast_to(examples.last[:, None], examples.actual.shape)
    ratios = relative_mae(
        examples.actual.astype(np.float64), medians.astype(np.float64), naive.astype(np.float64)
    )
    return float(np.nanmean(ratios))


def _judged(
    model: keras.Model, validation: Mapping[str, Examples], loss: float, settings: FitSettings
) -> Epoch:
    errors, losses = {}, []
    compute = pinball(settings.median_weight)
    for name, examples in validation.items():
        quantiles = predict(model, examples)
        errors[name] = relative_error(examples, quantiles)
        losses.append(float(compute(examples.targets, quantiles)))
    return Epoch(loss, float(np.mean(losses)) if losses else float("nan"), errors)
