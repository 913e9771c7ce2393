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
    if math.isinf(value):
        return "∞"
    if abs(value) >= 1e5:  # noqa: PLR2004 - beyond, digits say less than the size
        return f"{value:.3g}"
    return f"{value:,.{digits}f}" if abs(value) < 100 else f"{value:,.0f}"  # noqa: PLR2004 - same


def share(ratio: float) -> str:
    """A share in whole percent, rounded down: 100 % is all."""
    return "< 1 %" if 0 < ratio < 0.01 else f"{math.floor(ratio * 100)} %"  # noqa: PLR2004 - same


def relative_rows(result: Document) -> Iterator[list[str]]:
    """Heading, then per model its relative MAE on every series, their mean and what it rests on."""
    yield [*_headings(result, "relative_mae_ratio"), MEAN, "series", "answered"]
    for model, mean in _models(result):
        rests_on = result["geomean"].get(model)
        ends = (
            [str(rests_on["series"]), share(rests_on["answered_ratio"])] if rests_on else ["–"] * 2
        )
        yield [model, *_cells(result, model, "relative_mae_ratio"), figure(mean), *ends]


def score_rows(result: Document, column: str) -> Iterator[list[str]]:
    """Heading, then per model one of its scores on every series."""
    yield _headings(result, column)
    for model, _ in _models(result):
        yield [model, *_cells(result, model, column)]


def _headings(result: Document, column: str) -> list[str]:
    names = (
        f"{name} (stress)" if one["is_stress"] else name for name, one in result["series"].items()
    )
    return [SCORE_COLUMNS[column], *names]


def _cells(result: Document, model: str, column: str) -> list[str]:
    """A model's figure on every series; beside it the share that it answered, where not all."""
    return [
        _cell(one["models"][model], column) if model in one["models"] else "–"
        for one in result["series"].values()
    ]


def _cell(scores: Document, column: str) -> str:
    if scores["answered_ratio"] == 0:
        return "silent"
    return figure(scores[column]) + _unless_all(scores["answered_ratio"])


def _unless_all(answered: float) -> str:
    return "" if answered == 1 else f" ({share(answered)})"


def served_rows(result: Document) -> Iterator[list[str]]:
    """Heading, then per series what the served forecast scored."""
    yield ["series", *SCORE_COLUMNS.values(), "surges", "seen", "false alarms/day", "targets"]
    for name, one in result["series"].items():
        scores = one["models"][result["served"]]
        yield [
            name,
            *(figure(scores[column]) for column in SCORE_COLUMNS),
            str(one["surges"])
            + (f" ({silent} silent)" if (silent := one["surges_silent"]) else ""),
            figure(one["surges_seen_ratio"], digits=2),
            figure(one["false_alarms_per_day"], digits=1),
            f"{one['targets']:,}{_unless_all(one['answered_ratio'])}",
        ]


def caption(result: Document) -> list[str]:
    """What the figures depend on, and the coverage over all targets."""
    horizons = ", ".join(map(str, result["horizons_minutes"]))
    model = ", ".join(f"{name} {value}" for name, value in result["model"].items())
    return [
        f"Last 30 % of each series, an origin every 5 minutes, {horizons} minutes ahead.",
        "MAE against the last value, interval score against seasonal naive: below 1 is better.",
        *silence(result),
        *infinity(result),
        *mended(result),
        coverage(result),
        f"Model {model}; commit {result['commit']}.",
    ]


def coverage(result: Document) -> str:
    """How many of all targets the served intervals held."""
    pooled = result["pooled"][result["served"]]
    return (
        f"Of all {pooled['targets']:,} targets {figure(pooled['coverage_80_ratio'])} lie inside"
        f" the 80 % intervals, {figure(pooled['coverage_95_ratio'])} inside the 95 % ones."
    )


def silence(result: Document) -> list[str]:
    """What a share beside a figure means, where there is one."""
    models = (scores for one in result["series"].values() for scores in one["models"].values())
    if all(scores["answered_ratio"] == 1 for scores in models):
        return []
    return [
        (
            "In brackets: the share of the targets for which the model said something, where not"
            " all; its figure rests on these alone. Silent: it said nothing."
        )
    ]


def infinity(result: Document) -> list[str]:
    """Which models failed where the last value or the reference never erred."""
    named = [
        f"{model} on {name}"
        for name, one in result["series"].items()
        for model, scores in one["models"].items()
        if scores["infinite"]
    ]
    said = f"∞, an error where what it is compared with has none: {', '.join(named)}."
    return [said] if named else []


def mended(result: Document) -> list[str]:
    """What had to be done to rows before they were a series, where there is something."""
    return [f"{name}: {note}." for name, one in result["series"].items() for note in one["notes"]]


def print_tables(result: Document, file: Path | None) -> None:
    """Print both tables, or write them to a file."""
    buffer = io.StringIO()
    console = Console(file=buffer, width=PIPE_COLUMNS, highlight=False) if file else _screen()
    for rows in (relative_rows(result), served_rows(result)):
        for part in fitting(list(rows), console.width):
            console.print(_table(part))
    for line in caption(result):
        console.print(Text(line), soft_wrap=True)
    if file:
        emit(buffer.getvalue(), file)


def fitting(rows: list[list[str]], columns: int) -> Iterator[list[list[str]]]:
    """A table as it is, turned over, or in several pieces: no figure is cut in so many columns.

    Args:
        rows: the headings, then the rows.
        columns: of the terminal.
    """
    turned = _over(rows)
    for form in (rows, turned):
        if _width(form) <= columns:
            yield form
            return
    first, *others = turned if len(turned) <= len(rows) else rows
    piece = [first]
    for each in others:
        if len(piece) > 1 and _width(_over([*piece, each])) > columns:
            yield _over(piece)
            piece = [first]
        piece.append(each)
    yield _over(piece)


def _over(rows: list[list[str]]) -> list[list[str]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _width(rows: list[list[str]]) -> int:
    endless = Console(width=100_000)
    return endless.measure(_table(rows)).maximum


def _screen() -> Console:
    """A terminal as wide as it is, however narrow: here tables are made to fit."""
    console = Console(highlight=False)
    return console if console.is_terminal else stdout()


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
        table.add_column(Text(heading), justify="right" if place else "left", no_wrap=True)
    for row in rows[1:]:
        table.add_row(*map(Text, row))
    return table
