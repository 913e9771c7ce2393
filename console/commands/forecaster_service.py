"""`negawatt forecaster run | models | rollback`: serve forecasts, and say by which models."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typing_extensions import override

from console.commands.service_command import RunByDefault, installed, run_command
from console.output import JSON, TABLE, json_text, require_format, say, stdout

if TYPE_CHECKING:
    from forecaster.registry import Registry

RUN_HELP = """Forecast workloads' traffic until SIGTERM or Ctrl-C: samples in, forecasts out.

Each option can also be given as a variable: NEGAWATT_FORECASTER__PROMETHEUS_URL and so on.
"""
ROLLBACK_HELP = (
    "Serve a version of the models again; forecasters that run follow within a minute.\n\n"
    "No forecaster is asked, so none need run and no port is needed: under a lock, which holds for"
    " all who share it, the registry in the folder of the models is changed. Give the"
    " --models-directory that the forecasters have."
)
Directory = Annotated[
    Path | None,
    typer.Option(
        "--models-directory",
        help="Folder of the models' versions (default: as `run` has it, or its variable).",
    ),
]
Output = Annotated[str, typer.Option(help="table or json.")]


class ForecasterGroup(RunByDefault):
    """`negawatt forecaster --port 0` is `negawatt forecaster run --port 0`."""

    @override
    def run_command(self) -> Any:
        with installed("forecaster"):
            from forecaster.settings import ForecasterSettings
        return run_command(ForecasterSettings, RUN_HELP, _run)


def _run(given: Mapping[str, str | bool | None]) -> None:
    with installed("forecaster"):
        from forecaster.__main__ import run
        from forecaster.settings import read_settings
        from telemetry.serving.server import log_to_stderr

    log_to_stderr()
    run(read_settings(given))


def register(group: typer.Typer) -> None:
    """Add the commands to the group of the forecaster."""
    group.command()(models)
    group.command(help=ROLLBACK_HELP)(rollback)


def models(models_directory: Directory = None, output: Output = TABLE) -> None:
    """List the versions of the models: which serves, which challenges it, and what changed."""
    form = require_format(output, (TABLE, JSON))
    registry = _registry(models_directory)
    with installed("forecaster"):
        from console.forecaster_tables import show_models
        from forecaster.models_report import models_report
    report = models_report(registry, registry.state())
    if form == JSON:
        typer.echo(json_text(report.model_dump(mode="json")))
    else:
        show_models(report, stdout())


def rollback(
    version: Annotated[
        str | None, typer.Argument(help="Version to serve (default: the one before).")
    ] = None,
    models_directory: Directory = None,
    output: Output = TABLE,
) -> None:
    """Serve a version of the models again; forecasters that run follow within a minute."""
    form = require_format(output, (TABLE, JSON))
    registry = _registry(models_directory)
    before = registry.state().champion
    state = registry.roll_back(version, "asked for by `negawatt forecaster rollback`", time.time())
    if form == JSON:
        typer.echo(json_text({"champion": state.champion, "replaced": before}))
    else:
        say(f"version {state.champion} serves in place of {before}; it follows within a minute")


def _registry(directory: Path | None) -> Registry:
    with installed("forecaster"):
        from forecaster.registry import Registry
        from forecaster.settings import read_settings
    registry = Registry(read_settings({"models_directory": directory}).models_directory)
    registry.require_folder()
    return registry
