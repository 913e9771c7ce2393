"""The folder that a training leaves: the graph and `model.json`, written whole or not at all."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from energy.errors import UnavailableError
from forecaster.evaluation.scores import geometric_mean
from forecaster.training.training import Trained

DESCRIPTION_FILE: Final = "model.json"
LSTM_FILE: Final = "lstm.onnx"
_DIGITS: Final = 4


def description(
    trained: Trained,
    *,
    created: datetime,
    commit: str,
    zero_shot: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Say what the models are, what they learnt from and how far they err.

    `validation` holds relative MAE of a network that learnt from the first part of each series
    only, on the part after it; the kept ones have learnt from that, too. `zero_shot` is the same of
    networks that learnt from the other series alone.
    """
    errors = trained.judged.best.errors
    plan = trained.plan
    return {
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
        "validation": {
            "lstm": {
                "relative_mae_ratio": _rounded(geometric_mean(errors.values())),
                "series": {name: _rounded(error) for name, error in errors.items()},
                "learnt_from_ratio": plan.learn_ratio,
                "judged_up_to_ratio": plan.keep_ratio,
                "zero_shot": {name: _rounded(error) for name, error in (zero_shot or {}).items()},
            }
        },
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
