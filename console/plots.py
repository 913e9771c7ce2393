"""Plots of results as SVG text, to be set into a page."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from itertools import cycle
from statistics import median

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from console.price_series import PriceSeries
from energy.units import SECONDS_PER_HOUR
from simulator.accounting import Series

# Okabe and Ito's palette, which colour-blind readers can tell apart.
COLOURS = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#8A8A00", "#444444",
)  # fmt: skip
RATIO_SHOWN = 1.15


def svg_of(figure: Figure) -> str:
    """The figure as an SVG element, the same bytes for the same figure."""
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "negawatt", "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def over_time(series: Mapping[str, Series], start_seconds: float) -> str:
    """Watts and awake nodes over the hours of a run; the warm-up is shaded."""
    figure = Figure(figsize=(10, 6.5), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    for colour, (name, one) in zip(COLOURS, series.items(), strict=False):
        hours = one.seconds / SECONDS_PER_HOUR
        upper.step(hours, one.watts / 1000.0, where="post", label=name, color=colour, lw=1.3)
        lower.step(hours, one.awake_nodes, where="post", label=name, color=colour, lw=1.3)
    _finish_hours((upper, lower), start_seconds)
    upper.set_ylabel("kilowatts, whole fleet")
    lower.set_ylabel("nodes that carry pods")
    handles, labels = upper.get_legend_handles_labels()
    figure.legend(handles, labels, ncols=4, fontsize="small", loc="outside upper center")
    return svg_of(figure)


def prices_over_time(prices: PriceSeries, start_seconds: float) -> str:
    """Watts per core and per GiB of each class over the hours of a run; the warm-up is shaded."""
    figure = Figure(figsize=(10, 6.5), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    hours = np.append(prices.seconds, prices.end_seconds) / SECONDS_PER_HOUR
    for axes, watts in ((upper, prices.watts_per_core), (lower, prices.watts_per_gibibyte)):
        # The last prices hold until the end.
        held = np.vstack([watts, watts[-1:]])
        for colour, name, column in zip(cycle(COLOURS), prices.classes, held.T, strict=False):
            axes.step(hours, column, where="post", label=name, color=colour, lw=1.3)
    _finish_hours((upper, lower), start_seconds)
    upper.set_ylabel("watts per requested core")
    lower.set_ylabel("watts per requested GiB")
    handles, labels = upper.get_legend_handles_labels()
    figure.legend(handles, labels, ncols=3, fontsize="small", loc="outside upper center")
    return svg_of(figure)


def stacked_energy(
    idle: Mapping[str, float], dynamic: Mapping[str, float], bound: float | None
) -> str:
    """Idle and dynamic energy of each policy, with the bound as a line."""
    figure = Figure(figsize=(10, 0.6 + 0.45 * len(idle)))
    axes = figure.subplots()
    names = list(idle)
    axes.barh(names, [idle[name] for name in names], color="#8aa5b8", label="idle")
    left = [idle[name] for name in names]
    axes.barh(names, [dynamic[name] for name in names], left=left, color="#0072B2", label="dynamic")
    if bound is not None:
        axes.axvline(bound, color="black", ls="--", lw=1, label="bound")
    _finish_bars(axes, "kilowatt-hours")
    return svg_of(figure)


def grouped_ratios(ratios: Mapping[str, Sequence[float | None]], labels: Sequence[str]) -> str:
    """Ratio to the bound of each policy, one group of bars per column."""
    figure = Figure(figsize=(10, 4))
    axes = figure.subplots()
    width = 0.8 / max(1, len(ratios))
    for place, (colour, (name, values)) in enumerate(zip(COLOURS, ratios.items(), strict=False)):
        spots = [group + place * width for group in range(len(labels))]
        heights = [value if value is not None else 0.0 for value in values]
        axes.bar(spots, heights, width=width, label=name, color=colour)
    axes.axhline(1.0, color="black", lw=1, ls="--")
    middle = 0.4 - width / 2
    axes.set_xticks([group + middle for group in range(len(labels))], labels)
    axes.set_ylabel("watts / bound")
    axes.legend(ncols=4, fontsize="small", loc="upper center", bbox_to_anchor=(0.5, 1.2))
    return svg_of(figure)


def dots_by_policy(ratios: Mapping[str, Sequence[float]], label: str) -> str:
    """A row of dots per policy, one dot per cell; those left of the line are below the reference.

    Dots of a row lie a little apart, so that equal ones can be counted; medians are bars. What lies
    beyond `RATIO_SHOWN` is an arrow at the edge, so that near figures can be told apart.
    """
    figure = Figure(figsize=(10, 0.8 + 0.42 * len(ratios)))
    axes = figure.subplots()
    for place, values in enumerate(ratios.values()):
        for index, value in enumerate(values):
            height = place + 0.3 * ((index * 0.618) % 1 - 0.5)
            colour = COLOURS[0] if value < 1.0 else COLOURS[3]
            marker = "o" if value <= RATIO_SHOWN else ">"
            shown = min(value, RATIO_SHOWN)
            axes.scatter(shown, height, s=14, c=colour, marker=marker, alpha=0.7, linewidths=0)
        middle = min(median(values), RATIO_SHOWN)
        axes.plot([middle, middle], [place - 0.3, place + 0.3], color="black", lw=1.6)
    axes.axvline(1.0, color="grey", ls="--", lw=1)
    axes.set_yticks(range(len(ratios)), list(ratios))
    axes.invert_yaxis()
    axes.set_xlabel(label)
    axes.grid(axis="x", alpha=0.3)
    return svg_of(figure)


def _finish_hours(panels: Sequence[Axes], start_seconds: float) -> None:
    """Panels over the hours of a run, one above the other; the warm-up is shaded."""
    for axes in panels:
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        if start_seconds > 0:
            axes.axvspan(0, start_seconds / SECONDS_PER_HOUR, color="grey", alpha=0.15, lw=0)
    panels[-1].set_xlabel("hours (shaded: warm-up, not counted)" if start_seconds > 0 else "hours")


def _finish_bars(axes: Axes, label: str) -> None:
    axes.invert_yaxis()
    axes.set_xlabel(label)
    axes.grid(axis="x", alpha=0.3)
    axes.legend(fontsize="small", loc="lower right")
