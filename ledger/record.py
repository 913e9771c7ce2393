"""What the ledger takes: the union of its records, and the one that is no row of its own."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.action import ActionDecision
from ledger.decision import PlacementDecision
from ledger.forecast_error import ForecastError
from ledger.prediction import Prediction


@dataclass(frozen=True, slots=True)
class PodEnd:
    """When a pod ended, Unix seconds: it goes into the row of the pod's decision."""

    uid: str
    at_seconds: float


Record = PlacementDecision | PodEnd | Prediction | ActionDecision | ForecastError
