"""What a training did, as a document: the models, loss curves, errors by series, what was tried."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from forecaster.training.fit import Epoch
from forecaster.training.search import Trial
from forecaster.training.training import Trained


def document(
    trained: Trained,
    described: Mapping[str, Any],
    trials: Sequence[Trial] = (),
    *,
    seconds: float,
) -> dict[str, Any]:
    """Gather the run report; what does not exist is null.

    Args:
        trained: the training.
        described: its `model.json`.
        trials: of the search before it.
        seconds: how long all of it took.
    """
    return {
        "models": dict(described),
        "seconds": round(seconds, 1),
        "best_epoch": trained.judged.best_epoch + 1,
        "first_pass": [_epoch(epoch) for epoch in trained.judged.epochs],
        "second_pass": [[_number(epoch.loss) for epoch in each.epochs] for each in trained.kept],
        "trials": [
            {"settings": trial.settings, "relative_mae_ratio": trial.relative_mae_ratio}
            for trial in trials
        ],
    }


def _epoch(epoch: Epoch) -> dict[str, Any]:
    return {
        "loss": _number(epoch.loss),
        "validation_loss": _number(epoch.validation_loss),
        "relative_mae_ratio": _number(epoch.error),
        "series": {name: _number(error) for name, error in epoch.errors.items()},
    }


def _number(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None
