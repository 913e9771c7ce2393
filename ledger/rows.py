"""Records as rows of their tables, and back."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from ledger.action import ActionDecision
from ledger.decision import PlacementDecision
from ledger.forecast_error import ForecastError
from ledger.prediction import Prediction
from ledger.tables import ACTIONS, DECISIONS, FORECAST_ERRORS, PREDICTIONS

#: A record that is a row of its own.
RowRecord = PlacementDecision | Prediction | ActionDecision | ForecastError
TABLES: Final[dict[type[RowRecord], sa.Table]] = {
    PlacementDecision: DECISIONS,
    Prediction: PREDICTIONS,
    ActionDecision: ACTIONS,
    ForecastError: FORECAST_ERRORS,
}
_NOT_OF_RECORDS: Final = {"id", "summed_at_seconds", "server_count"}
_COLUMNS: Final = {
    kind: tuple(column.name for column in table.columns if column.name not in _NOT_OF_RECORDS)
    for kind, table in TABLES.items()
}


def row_of(record: RowRecord) -> dict[str, Any]:
    """Return the values of a new row, by column."""
    document = record.document()
    if isinstance(record, Prediction | ActionDecision):
        document = {**document, "uid": record.uid}
    row = {name: document[name] for name in _COLUMNS[type(record)]}
    if isinstance(record, Prediction):
        row["server_count"] = len(record.servers)
    return row


def decision_of(row: sa.Row[Any]) -> PlacementDecision:
    """Return the decision of a row; raise `InputError` where somebody broke it."""
    return PlacementDecision.from_document(row._asdict())


def prediction_of(row: sa.Row[Any]) -> Prediction:
    """Return the prediction of a row; raise `InputError` where somebody broke it."""
    return Prediction.from_document(row._asdict())


def action_of(row: sa.Row[Any]) -> ActionDecision:
    """Return the action of a row; raise `InputError` where somebody broke it."""
    return ActionDecision.from_document(row._asdict())


def forecast_error_of(row: sa.Row[Any]) -> ForecastError:
    """Return the record of a row; raise `InputError` where somebody broke it."""
    return ForecastError.from_document(row._asdict())
