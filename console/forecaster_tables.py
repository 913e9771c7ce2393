"""The forecaster's models, for people."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from forecaster.models_report import ModelsReport
from forecaster.own_errors import LSTM

EVENTS_SHOWN = 10


def show_models(report: ModelsReport, console: Console) -> None:
    """A row per version, then the last changes."""
    table = Table(box=None, pad_edge=False)
    for name in ("version", "role", "created", "relative MAE of its LSTM in validation"):
        table.add_column(name, justify="right" if "MAE" in name else "left")
    for each in report.versions:
        table.add_row(Text(each.version), each.role, *_described(each.description))
    console.print(table)
    if report.history:
        console.print()
    for event in report.history[-EVENTS_SHOWN:]:
        moment = datetime.fromtimestamp(event.at_seconds, UTC)
        console.print(
            Text(f"{moment:%Y-%m-%d %H:%M} UTC  {event.action} {event.version}: {event.reason}")
        )


def _described(description: dict[str, Any] | None) -> tuple[Text, Text]:
    if description is None:
        return Text("cannot be read"), Text("")
    validation = description.get("validation")
    lstm = validation.get(LSTM) if isinstance(validation, dict) else None
    ratio = lstm.get("relative_mae_ratio") if isinstance(lstm, dict) else None
    shown = f"{ratio:.4f}" if isinstance(ratio, float) else "–"
    return Text(str(description.get("created", "–"))), Text(shown)
