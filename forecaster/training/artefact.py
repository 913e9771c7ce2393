"""The folder that a training leaves: the graph and `model.json`, written whole or not at all."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from energy.errors import UnavailableError
from forecaster.evaluation.scores import geometric_mean
from forecaster.training.boosting import TrainedTrees
from forecaster.training.tabular import BoostingSettings
from forecaster.training.training import Trained, TrainingPlan

DESCRIPTION_FILE: Final = "model.json"
LSTM_FILE: Final = "lstm.onnx"
#: Members' names, as the service has them.
LSTM: Final = "lstm"
LIGHTGBM: Final = "lightgbm"
_DIGITS: Final = 4


@dataclass(frozen=True, slots=True)
class ZeroShot:
    """Relative MAE on each series of models that learnt from the others alone, by its name."""

    networks: Mapping[str, float] = field(default_factory=dict)
    trees: Mapping[str, float] = field(default_factory=dict)


def description(
    trained: Trained,
    trees: TrainedTrees | None,
    *,
    created: datetime,
    commit: str,
    zero_shot: ZeroShot | None = None,
) -> dict[str, Any]:
    """Say what the models are, what they learnt from and how far they err.

    Args:
        trained: the networks.
        trees: LightGBM's; None where there are none.
        created: when.
        commit: of which code.
        zero_shot: how far models err on each series that learnt from the others alone.
    """
    others = zero_shot or ZeroShot()
    judged = trained.judged
    validation: dict[str, Any] = {
        LSTM: _validation(trained.plan, judged.best.errors, others.networks)
        | {
            "best_epoch": judged.best_epoch + 1,
            "last_epoch": _errors(judged.epochs[-1].errors),
        }
    }
    if trees:
        validation[LIGHTGBM] = _validation(trained.plan, trees.errors, others.trees)
    return _facts(trained, trees, created, commit) | {"validation": validation}


def description_without(
    left: str, trained: Trained, trees: TrainedTrees | None, *, created: datetime, commit: str
) -> dict[str, Any]:
    """Say the same of models that learnt from all series but one, and were judged on that one.

    Args:
        left: the series.
        trained: the networks; `trained.series` are the others.
        trees: as in `description`.
        created: when.
        commit: of which code.
    """
    validation: dict[str, Any] = {LSTM: _unseen(trained.plan, trained.judged.best.errors)}
    if trees:
        validation[LIGHTGBM] = _unseen(trained.plan, trees.errors)
    return _facts(trained, trees, created, commit) | {"without": left, "validation": validation}


def _facts(
    trained: Trained, trees: TrainedTrees | None, created: datetime, commit: str
) -> dict[str, Any]:
    plan = trained.plan
    facts = {
        "schema_version": 1,
        "id": f"{created:%Y%m%d-%H%M%S}-{trained.seed}",
        "created": created.isoformat(timespec="seconds"),
        "seed": trained.seed,
        "commit": commit,
        "trained_on": {
            "series": {
                each.name: {"minutes": len(each.values), "first_minute": each.first_minute}
                for each in trained.series
            },
            "first_ratio": plan.keep_ratio,
            "synthetic_series": plan.draws.synthetic_series,
        },
        "network": {
            "members": len(trained.models),
            "recurrent_units": plan.fit.shape.recurrent,
            "dense_units": plan.fit.shape.dense,
            "epochs": len(trained.judged.epochs),
        },
    }
    return facts | ({"trees": _trees(trees.settings)} if trees else {})


def _trees(settings: BoostingSettings) -> dict[str, Any]:
    return {
        "seed": settings.seed,
        "rounds": settings.rounds,
        "leaves": settings.leaves,
        "learning_rate": settings.learning_rate,
        "synthetic_series": settings.made_up_series,
    }


def _validation(
    plan: TrainingPlan, errors: Mapping[str, float], zero_shot: Mapping[str, float]
) -> dict[str, Any]:
    """Relative MAE of models that learnt from the first part of each series, on the part after it.

    Those that are kept have learnt from that, too. `zero_shot` is the same of models that learnt
    from the other series alone.
    """
    return _errors(errors) | {
        "learnt_from_ratio": plan.learn_ratio,
        "judged_up_to_ratio": plan.keep_ratio,
        "zero_shot": {name: _rounded(error) for name, error in zero_shot.items()},
    }


def _unseen(plan: TrainingPlan, errors: Mapping[str, float]) -> dict[str, Any]:
    return _errors(errors) | {
        "judged_from_ratio": plan.learn_ratio,
        "judged_up_to_ratio": plan.keep_ratio,
    }


def _errors(errors: Mapping[str, float]) -> dict[str, Any]:
    return {
        "relative_mae_ratio": _rounded(geometric_mean(errors.values())),
        "series": {name: _rounded(error) for name, error in errors.items()},
    }


def write_models(folder: Path, files: Mapping[str, bytes], described: Mapping[str, Any]) -> None:
    """Write the folder; `model.json` comes last, so that a folder with one is whole.

    Raises:
        UnavailableError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            _replace(folder / name, content)
        text = json.dumps(described, indent=2, allow_nan=False) + "\n"
        _replace(folder / DESCRIPTION_FILE, text.encode())
    except OSError as error:
        raise UnavailableError(
            f"cannot be written ({error.strerror})", where=str(folder), mend="name another folder"
        ) from None


def _replace(file: Path, content: bytes) -> None:
    writing = file.with_name(f".{file.name}.writing")
    writing.write_bytes(content)
    writing.replace(file)


def _rounded(value: float) -> float | None:
    return round(value, _DIGITS) if math.isfinite(value) else None
