"""A training as one HTML file that needs no network: loss curves, errors by series, trials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from console.placement_page import Page, Section, render
from console.plots import COLOURS, svg_of

Document = Mapping[str, Any]


def page(document: Document) -> str:
    """The page of what `forecaster.training.report.document` gathered."""
    models = document["models"]
    network = models["network"]
    validation = models["validation"]["lstm"]
    trees = models["validation"].get("lightgbm", {"series": {}, "zero_shot": {}})
    columns = {
        "network, best epoch on the part held back": validation["series"],
        "last epoch": validation["last_epoch"]["series"],
        "without the series": validation["zero_shot"],
        "trees, part held back": trees["series"],
        "trees without the series": trees["zero_shot"],
    }
    rows = [
        [name, *(_figure(errors.get(name)) for errors in columns.values())]
        for name in validation["series"]
    ]
    lines = [
        f"Models {models['id']}, seed {models['seed']}, commit {models['commit']}.",
        (
            f"{network['members']} networks of {network['recurrent_units']} recurrent and"
            f" {network['dense_units']} dense units, {network['epochs']} epochs;"
            f" {document['seconds']:.0f} s in all."
        ),
        "Relative MAE: mean absolute error over that of the last value, mean of the six horizons.",
    ]
    return render(
        Page(
            title="A forecaster trained",
            lines=lines,
            headings=["series", *columns],
            rows=rows,
            plots=[("Loss", _losses(document)), ("Errors by series", _errors(document))],
            sections=_trials(document),
        )
    )


def _losses(document: Document) -> str:
    """Loss over the epochs: of the first pass where it learns and where it is judged, of others."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    axes = figure.subplots()
    first = document["first_pass"]
    epochs = range(1, len(first) + 1)
    axes.plot(epochs, [epoch["loss"] for epoch in first], color=COLOURS[0], label="first pass")
    judged = [epoch["validation_loss"] for epoch in first]
    axes.plot(epochs, judged, color=COLOURS[3], label="first pass, part held back")
    for number, losses in enumerate(document["second_pass"], start=1):
        label = f"network {number}"
        axes.plot(range(1, len(losses) + 1), losses, color=COLOURS[7], lw=0.8, label=label)
    axes.axvline(document["best_epoch"], color="black", lw=0.8, ls="--", label="best epoch")
    axes.set_xlabel("epoch")
    axes.set_ylabel("pinball loss, units of the scale")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return svg_of(figure)


def _errors(document: Document) -> str:
    """Relative MAE of each series over the epochs of the first pass."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    axes = figure.subplots()
    first = document["first_pass"]
    for number, name in enumerate(first[0]["series"]):
        errors = [epoch["series"][name] for epoch in first]
        colour = COLOURS[number % len(COLOURS)]
        axes.plot(range(1, len(first) + 1), errors, color=colour, label=name)
    axes.axhline(1.0, color="black", lw=0.8, ls="--")
    axes.set_xlabel("epoch")
    axes.set_ylabel("MAE / last value")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small", ncols=3)
    return svg_of(figure)


def _trials(document: Document) -> list[Section]:
    if not document["trials"]:
        return []
    headings = ["trial", *document["trials"][0]["settings"], "relative MAE"]
    rows = [
        [
            str(number),
            *(f"{value:.4g}" for value in trial["settings"].values()),
            _figure(trial["relative_mae_ratio"]),
        ]
        for number, trial in enumerate(document["trials"], start=1)
    ]
    return [Section(title="Trials of the search", headings=headings, rows=rows)]


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
