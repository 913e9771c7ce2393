"""Tables of an evaluation, from the document that is printed as JSON."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from console.output import PIPE_COLUMNS, emit, stdout

Document = Mapping[str, Any]

#: Column -> heading; the unit of a ratio is one.
SCORE_COLUMNS = {
    "relative_mae_ratio": "MAE / last value",
    "mae": "MAE",
    "mse": "MSE",
    "wape_ratio": "WAPE",
    "pinball": "pinball",
    "coverage_80_ratio": "in 80 %",
    "coverage_95_ratio": "in 95 %",
    "interval_score_ratio": "interval score",
}
MEAN = "geometric mean"


def figure(value: float | None, *, digits: int = 3) -> str:
    """A figure for people; a dash where there is none."""
    if value is None or math.isnan(value):
        return "–"
    if abs(value) >= 1e5:  # noqa: PLR2004 - beyond, digits say less than the size
        return f"{value:.3g}"
    return f"{value:,.{digits}f}" if abs(value) < 100 else f"{value:,.0f}"  # noqa: PLR2004 - same


def relative_rows(result: Document) -> Iterator[list[str]]:
    """Heading, then per model its relative MAE on every series and their geometric mean."""
    series = result["series"]
    names = [f"{name} (stress)" if one["is_stress"] else name for name, one in series.items()]
    yield ["MAE / last value", *names, MEAN]
    for model, mean in _models(result):
        cells = [
            figure(one["models"].get(model, {}).get("relative_mae_ratio"))
            for one in series.values()
        ]
        yield [model, *cells, figure(mean)]


def served_rows(result: Document) -> Iterator[list[str]]:
    """Heading, then per series what the served forecast scored."""
    yield ["series", *SCORE_COLUMNS.values(), "surges", "seen", "false alarms/day", "targets"]
    for name, one in result["series"].items():
        scores = one["models"][result["served"]]
        yield [
            name,
            *(figure(scores[column]) for column in SCORE_COLUMNS),
            str(one["surges"]),
            figure(one["surges_seen_ratio"], digits=2),
            figure(one["false_alarms_per_day"], digits=1),
            f"{one['targets']:,}",
        ]


def caption(result: Document) -> list[str]:
    """What the figures depend on, and the coverage over all targets."""
    horizons = ", ".join(map(str, result["horizons_minutes"]))
    pooled = result["pooled"][result["served"]]
    model = ", ".join(f"{name} {value}" for name, value in result["model"].items())
    return [
        f"Last 30 % of each series, an origin every 5 minutes, {horizons} minutes ahead.",
        "MAE against the last value, interval score against seasonal naive: below 1 is better.",
        (
            f"Of all {pooled['targets']:,} targets {figure(pooled['coverage_80_ratio'])} lie inside"
            f" the 80 % intervals, {figure(pooled['coverage_95_ratio'])} inside the 95 % ones."
        ),
        f"Model {model}; commit {result['commit']}.",
    ]


def print_tables(result: Document, file: Path | None) -> None:
    """Print both tables, or write them to a file."""
    buffer = io.StringIO()
    console = Console(file=buffer, width=PIPE_COLUMNS, highlight=False) if file else stdout()
    for rows in (relative_rows(result), served_rows(result)):
        console.print(_table(list(rows)))
    for line in caption(result):
        console.print(Text(line), soft_wrap=True)
    if file:
        emit(buffer.getvalue(), file)


def _models(result: Document) -> Iterator[tuple[str, float | None]]:
    """Models and their means, the best first, the served one before all."""
    means = {model: one["relative_mae_ratio"] for model, one in result["geomean"].items()}
    for one in result["series"].values():
        for model in one["models"]:
            means.setdefault(model, math.nan)
    served = result["served"]
    for model in sorted(
        means, key=lambda name: (name != served, math.isnan(means[name]), means[name])
    ):
        yield model, means[model]


def _table(rows: list[list[str]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for place, heading in enumerate(rows[0]):
        table.add_column(Text(heading), justify="right" if place else "left")
    for row in rows[1:]:
        table.add_row(*map(Text, row))
    return table
