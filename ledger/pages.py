"""Pages of records: in the order of time, each with the cursor that asks for the next."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.action import ActionDecision
from ledger.decision import PlacementDecision
from ledger.forecast_error import ForecastError
from ledger.prediction import Prediction


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Placement decisions; `cursor` asks for the next ones, None where there are none."""

    decisions: tuple[PlacementDecision, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionPage:
    """Predictions; `cursor` asks for the next ones, None where there are none."""

    predictions: tuple[Prediction, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionPage:
    """Actions; `cursor` asks for the next ones, None where there are none."""

    actions: tuple[ActionDecision, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastErrorPage:
    """Errors of forecasts; `cursor` asks for the next ones, None where there are none."""

    forecast_errors: tuple[ForecastError, ...]
    cursor: str | None
