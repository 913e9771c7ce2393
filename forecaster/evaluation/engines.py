"""The engines an evaluation puts its traces through: those of the service, with a plan's models."""

from __future__ import annotations

from typing import Any

from forecaster.engine import Engine
from forecaster.evaluation.run import Plan
from forecaster.model_set import ModelSet


def engine_for(plan: Plan, series: str) -> Engine:
    """Make an engine that knows nothing yet, with the models for one series.

    Raises:
        InputError: there are none.
    """
    folder = plan.folder_of(series)
    return Engine(ModelSet.shipped() if folder is None else ModelSet.load(folder))


def describe_models(plan: Plan) -> dict[str, Any]:
    """Say which models are judged; of zero shot the folder, as each series has its own.

    Raises:
        InputError: there are none.
    """
    if plan.zero_shot:
        return {"model": {"folder": str(plan.models_folder)}}
    folder = plan.models_folder
    models = ModelSet.shipped() if folder is None else ModelSet.load(folder)
    return {"model": {"id": models.id, "seed": models.description.get("seed")}}
