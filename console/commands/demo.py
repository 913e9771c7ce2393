"""`negawatt demo`: a day of real pod sizes and traffic under five policies, simulated."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from console.output import (
    JSON,
    TABLE,
    emit,
    json_text,
    require_format,
    require_writable,
    stdout,
    write_whole,
)

OUT = Path("out/demo")


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(demo)


def demo(
    seed: Annotated[int, typer.Option(min=0, help="Seed of the stream of pods.")] = 1,
    output: Annotated[str, typer.Option(help="What to print: table or json.")] = TABLE,
    directory: Annotated[Path, typer.Option(help="Where result.json and index.html go.")] = OUT,
) -> None:
    """Place a day of pods on a mixed fleet under five policies and compare the watts."""
    from console.placement_demo import run_demo  # loads the simulator and its libraries

    form = require_format(output, (TABLE, JSON))
    require_writable(directory / "result.json")
    result = run_demo(seed, time.perf_counter)
    write_whole(directory / "result.json", json_text(result.document))
    write_whole(directory / "index.html", result.page)
    if form == JSON:
        emit(json_text(result.document), None)
        return
    stdout().print(result.table)
    for sentence in result.sentences:
        typer.echo(f"• {sentence}")
    typer.echo(f"\nAll figures are simulated. Plots: {directory}/index.html")
