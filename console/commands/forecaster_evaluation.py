"""`negawatt forecaster evaluate` and `convert`: how good the served forecasts are on a history."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from console.output import HTML, JSON, MARKDOWN, TABLE, require_format, require_writable
from energy.errors import InputError


def register(group: typer.Typer) -> None:
    """Add the commands to the group."""
    group.command()(evaluate)
    group.command()(convert)


def evaluate(  # noqa: PLR0913 - one parameter per option
    *,
    more_traces: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", help="Further traces.", show_default=False),
    ] = None,
    traces: Annotated[
        list[Path] | None,
        typer.Option(
            help="CSV timestamp,value, step 1 to 5 minutes, also .gz; several may follow."
            " Default: the three that travel with the package.",
            show_default=False,
        ),
    ] = None,
    stress: Annotated[
        list[Path] | None,
        typer.Option(help="A trace to report but to leave out of the means.", show_default=False),
    ] = None,
    horizons: Annotated[str, typer.Option(help="Minutes ahead.")] = "5,10,15,20,25,30",
    models: Annotated[
        str | None,
        typer.Option(help="Comma-separated models beside the served one; default: every member."),
    ] = None,
    models_folder: Annotated[
        Path | None, typer.Option(help="Trained models; default: those of the package.")
    ] = None,
    zero_shot: Annotated[
        bool,
        typer.Option("--zero-shot", help="Take each series' models from without-SERIES/."),
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1, help="Processes, one series each; default: one per core.", show_default=False
        ),
    ] = None,
    output: Annotated[str, typer.Option(help="table, json, html or markdown.")] = TABLE,
    file: Annotated[
        Path | None, typer.Option(help="Write the result here instead of stdout.")
    ] = None,
) -> None:
    """Judge the serving code on the last 30 % of each series; no forecast sees what came later."""
    form = require_format(output, (TABLE, JSON, HTML, MARKDOWN))
    if form == HTML and file is None and sys.stdout.isatty():
        raise InputError(
            "a page is nothing to read on a terminal",
            where="--output html",
            mend="name a file: --file forecasts.html",
        )
    require_writable(file)
    from console import forecast_evaluation  # loads the models' libraries

    forecast_evaluation.show(
        forecast_evaluation.Request.parse(
            files=[*(traces or ()), *(more_traces or ())],
            stress=stress or [],
            horizons=horizons,
            models=models,
            models_folder=models_folder,
            zero_shot=zero_shot,
            jobs=jobs or len(os.sched_getaffinity(0)),
        ),
        form,
        file,
    )


def convert(
    sources: Annotated[list[Path], typer.Argument(help="Originals, or folders that hold them.")],
    out: Annotated[Path, typer.Option(help="Folder for NAME.csv.gz of each.")],
    output: Annotated[str, typer.Option(help="table or json.")] = TABLE,
) -> None:
    """Turn the public development sets into traces: NASA, Twitter, Microsoft's and Alibaba's."""
    form = require_format(output, (TABLE, JSON))
    from console import forecast_conversion

    forecast_conversion.show(sources, out, form)
