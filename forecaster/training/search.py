"""Search for better settings with Optuna, within a budget of time.

Each trial trains on the first part of the series and is judged on the next; hopeless ones end
early. The settings that were there are the first trial, so that the search never makes it worse.
The same seed tries the same settings in the same order; how many fit into the budget depends on
the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import optuna

from forecaster.training.draws import synthetic_examples
from forecaster.training.fit import Epoch
from forecaster.training.network import Shape
from forecaster.training.series import TrainingSeries
from forecaster.training.training import TrainingPlan, judge

#: Told of each epoch: the number of the trial, and the epoch.
Advance = Callable[[int, Epoch], None]


@dataclass(frozen=True, slots=True)
class Trial:
    """One attempt: its settings, and the relative MAE that it reached; None where it was ended."""

    settings: dict[str, Any]
    relative_mae_ratio: float | None


@dataclass(frozen=True, slots=True)
class Searched:
    """The best plan, and all that was tried."""

    plan: TrainingPlan
    trials: tuple[Trial, ...]


def search(
    series: Sequence[TrainingSeries],
    plan: TrainingPlan,
    seed: int,
    budget_seconds: float,
    monotonic: Callable[[], float],
    advance: Advance = lambda _number, _epoch: None,
) -> Searched:
    """Try settings until the budget is spent; the trial that runs then is ended.

    Raises:
        InputError: there is nothing to learn from, or nothing to judge on.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    deadline = monotonic() + budget_seconds
    synthetic = synthetic_examples(plan.draws, np.random.default_rng([seed, 0]))
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=3),
    )
    study.enqueue_trial(_settings_of(plan))

    def attempt(trial: optuna.Trial) -> float:
        def heed(epoch: Epoch) -> None:
            advance(trial.number, epoch)
            trial.report(epoch.error, step := len(trial.user_attrs))
            trial.set_user_attr(f"epoch {step}", epoch.error)
            late = trial.number > 0 and monotonic() >= deadline
            if late or trial.should_prune():
                raise optuna.TrialPruned

        return judge(series, _with(plan, _suggested(trial)), seed, synthetic, heed).best.error

    while not study.trials or monotonic() < deadline:
        study.optimize(attempt, n_trials=1)
    return Searched(_with(plan, study.best_params), tuple(map(_told, study.trials)))


def _told(trial: optuna.trial.FrozenTrial) -> Trial:
    # Optuna gives one that was ended its last error as its value.
    whole = trial.state == optuna.trial.TrialState.COMPLETE
    return Trial(trial.params, trial.value if whole else None)


def _settings_of(plan: TrainingPlan) -> dict[str, Any]:
    return {
        "recurrent": plan.fit.shape.recurrent,
        "dense": plan.fit.shape.dense,
        "dropout_ratio": plan.fit.shape.dropout_ratio,
        "learning_rate": plan.fit.learning_rate,
        "median_weight": plan.fit.median_weight,
        "synthetic_rows": plan.fit.synthetic_rows,
    }


def _suggested(trial: optuna.Trial) -> dict[str, Any]:
    return {
        "recurrent": trial.suggest_int("recurrent", 32, 96, step=16),
        "dense": trial.suggest_int("dense", 32, 128, step=32),
        "dropout_ratio": trial.suggest_float("dropout_ratio", 0.0, 0.3),
        "learning_rate": trial.suggest_float("learning_rate", 5e-4, 5e-3, log=True),
        "median_weight": trial.suggest_float("median_weight", 1.0, 8.0, log=True),
        "synthetic_rows": trial.suggest_int("synthetic_rows", 2048, 14_336, step=2048),
    }


def _with(plan: TrainingPlan, settings: dict[str, Any]) -> TrainingPlan:
    shape = Shape(settings["recurrent"], settings["dense"], settings["dropout_ratio"])
    fit = replace(
        plan.fit,
        shape=shape,
        learning_rate=settings["learning_rate"],
        median_weight=settings["median_weight"],
        synthetic_rows=settings["synthetic_rows"],
    )
    return replace(plan, fit=fit)
