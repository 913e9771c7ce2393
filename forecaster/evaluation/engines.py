"""The engines an evaluation puts its traces through: those of the service, with a plan's models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from energy.errors import InputError
from forecaster.engine import Engine
from forecaster.evaluation.backtested import ARIMA, Backtested
from forecaster.evaluation.judgement import LAST_VALUE, SEASONAL_NAIVE, SERVED
from forecaster.evaluation.replay import Forecaster
from forecaster.evaluation.run import Plan
from forecaster.model_set import ModelSet


def forecaster_for(plan: Plan, series: str) -> Forecaster:
    """Make a forecaster that knows nothing yet, with the models for one series.

    Raises:
        InputError: there are none.
    """
    engine = _engine_for(plan, series)
    return Backtested(engine) if ARIMA in plan.models else engine


def _engine_for(plan: Plan, series: str) -> Engine:
    folder = plan.folder_of(series)
    return Engine(ModelSet.shipped() if folder is None else ModelSet.load(folder))


def check(plan: Plan, series: Sequence[str]) -> dict[str, Any]:
    """Say which models are judged, before the work begins; of zero shot only their folder.

    Raises:
        InputError: models of a series are missing, or one that is to be scored is not known.
    """
    engines = [_engine_for(plan, name) for name in (series if plan.zero_shot else series[:1])]
    # Each once: the last value is a member of the mixture, too.
    known = tuple(dict.fromkeys((SERVED, LAST_VALUE, SEASONAL_NAIVE, *engines[0].experts, ARIMA)))
    for name in plan.models:
        if name not in known:
            raise InputError(
                f"there is no model {name!r}", where="--models", mend=f"known: {', '.join(known)}"
            )
    if plan.zero_shot:
        return {"model": {"folder": str(plan.models_folder)}}
    models = engines[0].models
    return {"model": {"id": models.id, "seed": models.description.get("seed")}}
