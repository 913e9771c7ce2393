"""A decision as a row of the table, and back."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from ledger.decision import PlacementDecision
from ledger.tables import DECISIONS

_COLUMNS: Final = tuple(column.name for column in DECISIONS.columns if column.name != "id")


def row_of(decision: PlacementDecision) -> dict[str, Any]:
    """Return the values of a new row, by column."""
    document = decision.document()
    return {name: document[name] for name in _COLUMNS}


def decision_of(row: sa.Row[Any]) -> PlacementDecision:
    """Return the decision of a row; raise `InputError` where somebody broke it."""
    return PlacementDecision.from_document(row._asdict())
