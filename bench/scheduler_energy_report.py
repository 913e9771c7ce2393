"""Tables of trials: mean ratio to the bound by scheduler and column, over seeds."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from math import isfinite
from statistics import mean
from typing import Any

from rich.console import Console
from rich.table import Table

from simulator.standard import COLUMNS, CPU_LOAD_RATIO

Line = dict[str, Any]
# Fleet, part of its cores that pods request, pace.
Cell = tuple[str, float, str]
NAMES = [column.name for column in COLUMNS]
# Of real schedulers in the prototype study (first fleet, burst): what a trial must come near.
PUBLISHED = {
    "default": (1.276, 1.335, 1.637, 1.937),
    "most-allocated": (1.596, 1.314, 1.840, 1.586),
    "hand-made": (1.146, 1.076, 1.181, 1.118),
}


def ratios(lines: Iterable[Line]) -> dict[str, dict[int, float]]:
    """Column -> seed -> ratio of the watts to the bound; pods left over make it infinite."""
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for line in lines:
        for column, watts in line["watts"].items():
            bound = line["bound_watts"][column]
            whole = not line["unscheduled_pods"]
            found[column][line["seed"]] = watts / bound if bound and whole else float("inf")
    return found


def grouped(lines: Sequence[Line], arms: Sequence[str]) -> dict[Cell, dict[str, Any]]:
    """Cell -> arm -> figures, in the order of the arms."""
    tables: dict[Cell, dict[str, Any]] = defaultdict(dict)
    for arm in arms:
        for cell in _cells_of(lines):
            own = [line for line in lines if _cell_of(line) == cell and line["arm"] == arm]
            if own:
                by_column = ratios(own)
                tables[cell][arm] = {
                    "ratio": {name: mean(by_column[name].values()) for name in by_column},
                    "ratio_by_seed": {
                        name: dict(sorted(by_column[name].items())) for name in by_column
                    },
                    "nodes_used": mean(line["nodes_used"] for line in own),
                    "unscheduled_pods": sum(line["unscheduled_pods"] for line in own),
                    "slow_decisions": sum(line.get("slow_decisions", 0) for line in own),
                    "commits": sorted({line["commit"] for line in own}),
                }
    return tables


def _cell_of(line: Line) -> Cell:
    return line["fleet"], line["fill"], line["pace"]


def _cells_of(lines: Sequence[Line]) -> list[Cell]:
    """Fleets, then fills, then paces; bursts first."""
    by_pace = sorted({_cell_of(line) for line in lines}, key=lambda cell: cell[1:])
    return sorted(by_pace, key=lambda cell: cell[0], reverse=True)


def printed(lines: Sequence[Line], arms: Sequence[str], output: str) -> None:
    """Print the tables."""
    tables = grouped(lines, arms)
    if output == "json":
        named = [
            {"fleet": fleet, "fill": fill, "pace": pace, "arms": found}
            for (fleet, fill, pace), found in tables.items()
        ]
        print(json.dumps(named, indent=2))
        return
    for cell in _cells_of(lines):
        if output == "markdown":
            print(_markdown(*cell, tables[cell]))
        else:
            Console(width=110).print(_table(*cell, tables[cell]))
    if output == "markdown":
        commits = sorted({line["commit"].partition("+")[0] for line in lines})
        print(f"Measured at commits {', '.join(f'`{commit}`' for commit in commits)}.")


def _cells(arm: str, figures: Any) -> list[str]:  # noqa: ANN401 - as `grouped` gives them
    cells = [arm]
    for name in NAMES:
        if name not in figures["ratio"]:
            cells.append("–")
            continue
        seeds = " ".join(map(_figure, figures["ratio_by_seed"][name].values()))
        cells.append(f"{_figure(figures['ratio'][name])} ({seeds})")
    counts = (figures["unscheduled_pods"], figures["slow_decisions"])
    return [*cells, f"{figures['nodes_used']:.0f}", *map(str, counts)]


def _figure(ratio: float) -> str:
    """A ratio; a placement that leaves pods over has none."""
    return f"{ratio:.3f}" if isfinite(ratio) else "–"


HEADINGS = ("scheduler", *(name.replace("_", "/") for name in NAMES), "nodes", "left over", "slow")


def _table(fleet: str, fill: float, pace: str, found: Any) -> Table:  # noqa: ANN401 - as `grouped` gives it
    where = f"{fleet}, {fill:.0%} requested, {pace}"
    table = Table(title=f"ratio to the bound, mean (seeds); {where}; simulated watts")
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading == "scheduler" else "right")
    for arm, figures in found.items():
        table.add_row(*_cells(arm, figures))
        if arm in PUBLISHED and (fleet, fill, pace) == ("20/30/10", CPU_LOAD_RATIO, "burst"):
            figure_texts = [f"{ratio:.3f}" for ratio in PUBLISHED[arm]]
            table.add_row("  prototype study", *figure_texts, "", "", "", style="dim")
    return table


def _markdown(fleet: str, fill: float, pace: str, found: Any) -> str:  # noqa: ANN401 - as `grouped` gives it
    rows = [
        f"### Fleet {fleet}, {fill:.0%} requested, {pace}",
        "",
        "| " + " | ".join(HEADINGS) + " |",
    ]
    rows.append("| --- |" + " --: |" * (len(HEADINGS) - 1))
    rows += ["| " + " | ".join(_cells(arm, figures)) + " |" for arm, figures in found.items()]
    return "\n".join([*rows, ""])
