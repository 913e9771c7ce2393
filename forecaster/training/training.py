"""A whole training: judged on a part held back, then trained again on both parts.

Every series is cut by time. The networks of the first pass learn from the first 55 % and are judged
on the next 15 %; those that are kept learn from the first 70 %, for as many epochs as the first
pass. The last 30 % are never touched: `negawatt forecaster evaluate` judges there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import keras
import numpy as np

from energy.errors import InputError
from forecaster.training.dataset import Examples
from forecaster.training.draws import DrawSettings, held_back, real_examples, synthetic_examples
from forecaster.training.fit import Epoch, FitSettings, Fitted, fit
from forecaster.training.series import TrainingSeries


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """What is done.

    Attributes:
        fit: of each network.
        draws: which windows.
        members: networks that are averaged.
        learn_ratio: the first pass learns from this much of each series.
        keep_ratio: it is judged up to here, and the second pass learns from all before.
    """

    fit: FitSettings = field(default_factory=FitSettings)
    draws: DrawSettings = field(default_factory=DrawSettings)
    members: int = 1
    learn_ratio: float = 0.55
    keep_ratio: float = 0.7


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of it.

    Attributes:
        models: the networks that are kept.
        judged: the first pass, with loss curves and validation errors.
        kept: loss curves of the second pass.
        plan: what was done.
        seed: of everything.
        series: what was learnt from.
    """

    models: tuple[keras.Model, ...]
    judged: Fitted
    kept: tuple[Fitted, ...]
    plan: TrainingPlan
    seed: int
    series: tuple[TrainingSeries, ...]


#: Told of each epoch: which network of how many, and the epoch.
Advance = Callable[[int, Epoch], None]


def train(
    series: Sequence[TrainingSeries],
    plan: TrainingPlan,
    seed: int,
    advance: Advance = lambda _number, _epoch: None,
) -> Trained:
    """Train the networks.

    Raises:
        InputError: there is nothing to learn from, or nothing to judge on.
    """
    synthetic = synthetic_examples(plan.draws, np.random.default_rng([seed, 0]))
    judged = judge(series, plan, seed, synthetic, partial(advance, 0))
    real = real_examples(series, 0.0, plan.keep_ratio, plan.draws, np.random.default_rng([seed, 2]))
    settings = replace(plan.fit, epochs_max=len(judged.epochs))
    kept = tuple(
        fit(real, synthetic, {}, settings, seed + number, partial(advance, number))
        for number in range(1, plan.members + 1)
    )
    models = tuple(each.model for each in kept)
    return Trained(models, judged, kept, plan, seed, tuple(series))


def train_without(
    name: str,
    series: Sequence[TrainingSeries],
    plan: TrainingPlan,
    seed: int,
    advance: Callable[[Epoch], None] = lambda _: None,
) -> Fitted:
    """Train on all series but one, and judge on that one: what it is worth to a new service.

    It is judged on the same part as otherwise, and of the others the first 70 % are learnt.
    """
    others = [each for each in series if each.name != name]
    judged = [each for each in series if each.name == name]
    rng = np.random.default_rng([seed, 2])
    real = real_examples(others, 0.0, plan.keep_ratio, plan.draws, rng)
    synthetic = synthetic_examples(plan.draws, np.random.default_rng([seed, 0]))
    validation = held_back(judged, plan.learn_ratio, plan.keep_ratio)
    settings = replace(plan.fit, patience_epochs=plan.fit.epochs_max, keeps_last=True)
    return fit(real, synthetic, validation, settings, seed, advance)


def judge(
    series: Sequence[TrainingSeries],
    plan: TrainingPlan,
    seed: int,
    synthetic: Examples | None,
    advance: Callable[[Epoch], None] = lambda _: None,
) -> Fitted:
    """Learn from the first part, and be judged on the next.

    Raises:
        InputError: there is nothing to learn from, or nothing to judge on.
    """
    rng = np.random.default_rng([seed, 1])
    real = real_examples(series, 0.0, plan.learn_ratio, plan.draws, rng)
    validation = held_back(series, plan.learn_ratio, plan.keep_ratio)
    if not validation or not (real or synthetic):
        raise InputError(
            "there is too little history to learn from and to be judged on",
            where=", ".join(each.name for each in series) or "no series",
            mend="give a day of at least one series",
        )
    return fit(real, synthetic, validation, plan.fit, seed, advance)
