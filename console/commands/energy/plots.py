"""Plots of the regressor's page: predicted against measured, shapes, importance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from console.plots import COLOURS, svg_of
from energy.power_curve import LOAD_LEVELS
from energy.regressor.features import Matrix, curves_of
from energy.servers import CatalogueServer

RECENT_HARDWARE_YEAR = 2017


def predicted_against_measured(measured: Matrix, predicted: Mapping[str, Matrix]) -> str:
    """One panel for each model: watts of all servers and load levels, held out."""
    figure = Figure(figsize=(4 * len(predicted), 4))
    panels = np.atleast_1d(figure.subplots(1, len(predicted), sharex=True, sharey=True))
    ends = (float(measured.min()) * 0.9, float(measured.max()) * 1.1)
    for axes, (name, watts) in zip(panels, predicted.items(), strict=True):
        axes.scatter(
            measured.ravel(), watts.ravel(), s=4, lw=0, alpha=0.35, color=COLOURS[0],
            rasterized=True,
        )  # fmt: skip
        axes.plot(ends, ends, color="black", lw=0.8)
        axes.set(xscale="log", yscale="log", xlim=ends, ylim=ends, title=name)
        axes.set_xlabel("measured watts")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("predicted watts")
    return svg_of(figure)


def mean_shapes(servers: Sequence[CatalogueServer], predicted: Mapping[str, Matrix]) -> str:
    """Mean of (watts - idle) / peak above the straight line, of servers of a recent generation."""
    recent = [
        place
        for place, server in enumerate(servers)
        if server.hardware_year >= RECENT_HARDWARE_YEAR
    ]
    measured = curves_of(servers)
    figure = Figure(figsize=(7, 4))
    axes = figure.subplots()
    _bow(axes, measured[recent], measured[recent], "measured", "black")
    for colour, (name, watts) in zip(COLOURS, predicted.items(), strict=False):
        _bow(axes, watts[recent], measured[recent], name, colour)
    axes.set(xlabel="utilisation", ylabel="watts above the idle-peak line / peak watts")
    axes.set_title(f"{len(recent)} servers, hardware of {RECENT_HARDWARE_YEAR} and later")
    axes.grid(alpha=0.3)
    axes.legend()
    return svg_of(figure)


def importance_bars(importances: Mapping[str, float]) -> str:
    """Rise of the held-out MAPE by feature, the largest at the top."""
    names = list(importances)[::-1]
    figure = Figure(figsize=(7, 0.6 + 0.27 * len(names)))
    axes = figure.subplots()
    axes.barh(names, [importances[name] for name in names], color=COLOURS[0])
    axes.set_xlabel("rise of the mean MAPE when the feature is shuffled")
    axes.grid(alpha=0.3, axis="x")
    return svg_of(figure)


def _bow(axes: Axes, watts: Matrix, measured: Matrix, name: str, colour: str) -> None:
    idle, peak = measured[:, :1], measured[:, -1:]
    line = idle + (peak - idle) * np.array(LOAD_LEVELS)
    axes.plot(LOAD_LEVELS, ((watts - line) / peak).mean(axis=0), label=name, color=colour, lw=1.5)
