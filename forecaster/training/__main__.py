"""Retraining beside the service: `python -m forecaster.training --history FILE --out FOLDER`.

FILE holds what `Engine.export` gives. It ends with 0 when FOLDER holds a set of models, 3 where
there is too little history, 4 where a library lacks, and 1 or 2 for what else goes wrong, with the
reason in the last line of standard error. `forecaster.retraining` starts it and reads that.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from energy.errors import InputError, NegawattError

if TYPE_CHECKING:
    from forecaster.training.tabular import BoostingSettings
    from forecaster.training.training import TrainingPlan

TOO_LITTLE, NO_LIBRARY, BAD_INPUT, FAILED = 3, 4, 2, 1
#: A service learns from nearly all that it knows; a challenger is judged by what comes then.
LEARN_RATIO, KEEP_RATIO = 0.8, 1.0
#: Below this a search would find nothing; above, it gets this share of the time.
SEARCH_SECONDS_MIN: Final = 1200.0
SEARCH_SHARE_RATIO: Final = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, and return the exit code."""
    given = _parser().parse_args(arguments)
    try:
        return _retrain(given)
    except ImportError as error:
        return _end(f"training needs {error.name or error}", NO_LIBRARY)
    except InputError as error:
        return _end(str(error), BAD_INPUT)
    except NegawattError as error:
        return _end(str(error), FAILED)


def _retrain(given: argparse.Namespace) -> int:
    from forecaster.training.artefact import LSTM_FILE, description, write_models
    from forecaster.training.boosting import GRAPH_FILE, train_trees
    from forecaster.training.export import to_onnx
    from forecaster.training.kept_history import MINUTES_MIN, read_history
    from forecaster.training.training import train

    begun = time.monotonic()
    series = read_history(given.history, given.seed)
    if not series:
        return _end(f"no series has {MINUTES_MIN // 60} hours of history", TOO_LITTLE)
    plan = _plan(given)
    if given.budget_seconds >= SEARCH_SECONDS_MIN:
        from forecaster.training.search import search

        budget = SEARCH_SHARE_RATIO * given.budget_seconds
        plan = search(series, plan, given.seed, budget, time.monotonic).plan
    trained = train(series, plan, given.seed)
    trees = train_trees(series, _boosting(given), plan.learn_ratio, plan.keep_ratio)
    described = description(trained, trees, created=datetime.now(UTC), commit=_version())
    write_models(
        given.out, {LSTM_FILE: to_onnx(trained.models), GRAPH_FILE: trees.graph}, described
    )
    seconds = time.monotonic() - begun
    sys.stderr.write(f"trained on {len(series)} series in {seconds:.0f} s\n")
    return 0


def _plan(given: argparse.Namespace) -> TrainingPlan:
    from forecaster.training.training import TrainingPlan

    plan = TrainingPlan(learn_ratio=LEARN_RATIO, keep_ratio=KEEP_RATIO)
    if given.epochs:
        plan = replace(plan, fit=replace(plan.fit, epochs_max=given.epochs))
    if given.synthetic_series is not None:
        plan = replace(plan, draws=replace(plan.draws, synthetic_series=given.synthetic_series))
    return plan


def _boosting(given: argparse.Namespace) -> BoostingSettings:
    from forecaster.training.tabular import BoostingSettings

    return BoostingSettings(seed=given.seed).limited(given.trees, given.synthetic_series)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m forecaster.training", description=__doc__)
    parser.add_argument("--history", type=Path, required=True, help="what Engine.export gave")
    parser.add_argument("--out", type=Path, required=True, help="folder for the models")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--budget-seconds", type=float, default=0.0)
    parser.add_argument("--epochs", type=int, help="at most; default: as for the shipped models")
    parser.add_argument("--trees", type=int, help="of LightGBM; default: as for the shipped models")
    parser.add_argument("--synthetic-series", type=int, help="how many are made up, at most")
    return parser


def _version() -> str:
    try:
        return f"negawatt {version('negawatt')}"
    except PackageNotFoundError:
        return "unknown"


def _end(reason: str, code: int) -> int:
    sys.stderr.write(f"{reason}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
