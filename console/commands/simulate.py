"""`negawatt simulate`: what placement policies would cost, on simulated nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.output import HTML, JSON, MARKDOWN, TABLE, require_format, require_writable
from energy.errors import InputError

simulate = typer.Typer(help="Run scenarios on simulated nodes.", no_args_is_help=True)

STREAM, STANDARD, PAPER = "stream", "standard", "paper"
GROUND, RANK = "ground", "rank"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.add_typer(simulate, name="simulate")


@simulate.callback()
def _about() -> None:
    """Run scenarios on simulated nodes."""


@simulate.command()
def place(  # noqa: PLR0913, PLR0917 - one parameter per option
    pods: Annotated[
        Path | None,
        typer.Option(help="Pods: openb's CSV, or ours (docs/how-to/compare-placements.md)."),
    ] = None,
    nodes: Annotated[Path | None, typer.Option(help="Nodes: openb's CSV, or ours.")] = None,
    policy: Annotated[
        str | None, typer.Option(help="Comma-separated policies, or `all`; `bound` adds the bound.")
    ] = None,
    sleep: Annotated[
        str | None,
        typer.Option(help="`never` (the default), or `empty`: nodes without pods sleep."),
    ] = None,
    usage_ratio: Annotated[
        float | None, typer.Option(help="What pods use of the CPU they request, 0-1 (default 1).")
    ] = None,
    seed: Annotated[str, typer.Option(help="Seed, or several: 1,2,3.")] = "1",
    load: Annotated[
        float | None,
        typer.Option(help="Scale time to this mean requested share of the fleet, 0-1."),
    ] = None,
    scenario: Annotated[
        str | None,
        typer.Option(help="`stream` (the default), `standard`: 600 pods at once, or `paper`."),
    ] = None,
    fleet: Annotated[
        str | None,
        typer.Option(help="A named fleet instead of --nodes, such as 20/30/10 or mixed."),
    ] = None,
    suite: Annotated[
        str | None, typer.Option(help="`ground`: churn in every setting; `rank`: every situation.")
    ] = None,
    output: Annotated[
        str, typer.Option(help="table, json, html; markdown of standard and suite.")
    ] = TABLE,
    file: Annotated[
        Path | None, typer.Option(help="Write the result here instead of stdout.")
    ] = None,
) -> None:
    """Place pods under each policy and compare the energy. All figures are simulated."""
    from console import placement, rank  # load the simulator and its libraries
    from console import placement_requests as requests

    require_writable(file)
    options = requests.PlaceOptions(
        pods=pods,
        nodes=nodes,
        fleet=fleet,
        policy=policy,
        seed=seed,
        sleep=sleep,
        usage_ratio=usage_ratio,
        load=load,
    )
    which = _which(suite, scenario)
    if which == GROUND:
        form = require_format(output, (TABLE, JSON, HTML, MARKDOWN))
        placement.show_suite(requests.SuiteRequest.parse(options), form, file)
    elif which == RANK:
        form = require_format(output, (TABLE, JSON, HTML, MARKDOWN))
        rank.show_rank(requests.parse_rank(options), form, file)
    elif which == STANDARD:
        form = require_format(output, (TABLE, JSON, HTML, MARKDOWN))
        placement.show_standard(requests.StandardRequest.parse(options), form, file)
    elif which == PAPER:
        form = require_format(output, (TABLE, JSON, HTML))
        placement.show_standard(requests.StandardRequest.parse_paper(options), form, file)
    else:
        form = require_format(output, (TABLE, JSON, HTML))
        placement.show_stream(requests.StreamRequest.parse(options), form, file)


@simulate.command()
def traffic(
    forecasts: Annotated[  # noqa: FBT002 - an option is never positional
        bool,
        typer.Option("--forecasts", help="Forecast each feature, and print MSE and MAE by model."),
    ] = False,
    output: Annotated[
        str, typer.Option(help="table or json; with --forecasts also markdown.")
    ] = TABLE,
    file: Annotated[
        Path | None, typer.Option(help="Write the result here instead of stdout.")
    ] = None,
) -> None:
    """Show what replayed traffic does to a simulated service. All figures are simulated."""
    from console import traffic_tables  # load the simulator and its libraries

    form = require_format(output, (TABLE, JSON, MARKDOWN))
    if form == MARKDOWN and not forecasts:
        raise InputError(
            "markdown is of forecasts alone",
            where="--output",
            mend=f"add --forecasts, or use {TABLE} or {JSON}",
        )
    require_writable(file)
    if forecasts:
        traffic_tables.show_forecasts(form, file)
    else:
        traffic_tables.show_features(form, file)


def _which(suite: str | None, scenario: str | None) -> str:
    """What is to be run: the suite, or a scenario."""
    if suite is not None and (suite not in (GROUND, RANK) or scenario is not None):
        raise InputError(
            f"--suite {suite} cannot be run", mend=f"use --suite {GROUND} or {RANK}, alone"
        )
    if suite is None and scenario not in (None, STREAM, STANDARD, PAPER):
        raise InputError(
            f"there is no scenario {scenario!r}",
            where="--scenario",
            mend=f"use {STREAM}, {STANDARD} or {PAPER}",
        )
    return suite or scenario or STREAM
