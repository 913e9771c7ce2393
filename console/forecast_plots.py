"""Plots of an evaluation as SVG text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from console.plots import COLOURS, svg_of
from forecaster.evaluation.drawn_day import DrawnDay

Document = Mapping[str, Any]

COLUMNS = 3
#: Beyond this a line leaves the panel, so that near ones can be told apart.
RATIO_SHOWN = 1.6
SERVED_WIDTH = 2.6
LINE_WIDTH = 1.1
LINE_STYLES = ("-", "--", ":", "-.")


def skill_by_horizon(result: Document) -> str:
    """MAE relative to the last value over the horizons, a panel for each series."""
    series = result["series"]
    figure, panels = _grid(len(series))
    for axes, (name, one) in zip(panels, series.items(), strict=False):
        styles = product(LINE_STYLES, COLOURS[1:])
        for model, scores in one["models"].items():
            by_horizon = scores["relative_mae_ratio_by_horizon"]
            served = model == result["served"]
            line_style, colour = (LINE_STYLES[0], COLOURS[0]) if served else next(styles)
            axes.plot(
                [int(minutes) for minutes in by_horizon],
                list(by_horizon.values()),
                label=model,
                color=colour,
                ls=line_style,
                lw=SERVED_WIDTH if served else LINE_WIDTH,
                zorder=3 if served else 2,
            )
        axes.set_title(name, fontsize="small")
        axes.axhline(1.0, color="black", lw=0.8, ls="--")
        axes.set_ylim(0, RATIO_SHOWN)
        axes.set_xlabel("minutes ahead")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("MAE / last value")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, ncols=4, fontsize="small", loc="outside upper center")
    return svg_of(figure)


def calibration(result: Document) -> str:
    """Share of the targets inside the served 80 % and 95 % intervals, for each series."""
    series = result["series"]
    figure = Figure(figsize=(10, 0.8 + 0.4 * (len(series) + 1)), layout="constrained")
    axes = figure.subplots()
    rows = {name: one["models"][result["served"]] for name, one in series.items()}
    rows["pooled"] = result["pooled"][result["served"]]
    for place, scores in enumerate(rows.values()):
        for column, colour in (
            ("coverage_80_ratio", COLOURS[0]),
            ("coverage_95_ratio", COLOURS[3]),
        ):
            value = scores[column]
            if not math.isnan(value):
                axes.scatter(value, place, color=colour, zorder=3)
    axes.axvspan(0.77, 0.83, color=COLOURS[0], alpha=0.12, lw=0)
    axes.axvline(0.80, color=COLOURS[0], lw=1, ls="--", label="80 %")
    axes.axvline(0.95, color=COLOURS[3], lw=1, ls="--", label="95 %")
    axes.set_yticks(range(len(rows)), list(rows))
    axes.invert_yaxis()
    axes.set_xlabel("share of the targets inside the interval (shaded: 0.77 to 0.83)")
    axes.legend(fontsize="small", loc="lower left")
    axes.grid(axis="x", alpha=0.3)
    return svg_of(figure)


def day(drawn: DrawnDay) -> str:
    """A day of a series with the intervals that had been forecast for it; surges are shaded."""
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    axes = figure.subplots()
    first_hour = int(drawn.minutes[0]) % (24 * 60) / 60.0
    hours = first_hour + (drawn.minutes - drawn.minutes[0]) / 60.0
    lowest, low, middle, high, highest = drawn.forecasts.T
    axes.fill_between(hours, lowest, highest, color=COLOURS[0], alpha=0.12, lw=0, label="95 %")
    axes.fill_between(hours, low, high, color=COLOURS[0], alpha=0.25, lw=0, label="80 %")
    axes.plot(hours, middle, color=COLOURS[0], lw=1.2, label="forecast")
    axes.plot(hours, drawn.means, color="black", lw=0.9, label="what came")
    _shade(axes, hours, drawn.surging, COLOURS[1], "surge")
    _shade(axes, hours, np.isnan(drawn.means), "grey", "outage")
    axes.set_ylim(bottom=0)
    ticks = range(math.ceil(first_hour), math.floor(hours[-1]) + 1, 2)
    axes.set_xticks(ticks, [f"{hour % 24:02}:00" for hour in ticks])
    axes.set_xlabel("time of day, UTC")
    axes.set_ylabel("in the trace's unit")
    axes.grid(alpha=0.3)
    axes.legend(ncols=6, fontsize="small", loc="upper left")
    return svg_of(figure)


def _shade(axes: Axes, hours: Any, wanted: Any, colour: str, label: str) -> None:  # noqa: ANN401 - arrays
    """Shade steps; the label is given once."""
    for place in np.flatnonzero(wanted).tolist():
        axes.axvspan(
            hours[place] - 1 / 12, hours[place], color=colour, alpha=0.3, lw=0, label=label
        )
        label = "_"


def _grid(count: int) -> tuple[Figure, list[Axes]]:
    """A figure with so many panels, three in a row."""
    rows = -(-count // COLUMNS)
    figure = Figure(figsize=(10, 0.8 + 2.6 * rows), layout="constrained")
    panels = figure.subplots(rows, COLUMNS, squeeze=False, sharey=True).ravel().tolist()
    for axes in panels[count:]:
        axes.set_visible(False)
    return figure, panels
