"""`negawatt forecaster`: run the service, look at its models, train them, judge their forecasts."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

import typer

from console.commands.forecaster_service import ForecasterGroup

forecaster = typer.Typer(
    help="Forecast traffic 5 to 30 minutes ahead: serve, train, judge.",
    no_args_is_help=True,
    cls=ForecasterGroup,
)

#: Each has `register(group)`, which adds its commands to the group.
_PARTS = ("forecaster_service", "forecaster_training", "forecaster_evaluation")

for _name in _PARTS:
    if find_spec(f"console.commands.{_name}") is not None:
        import_module(f"console.commands.{_name}").register(forecaster)


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.add_typer(forecaster, name="forecaster")


@forecaster.callback()
def _about() -> None:
    """Forecast traffic 5 to 30 minutes ahead: serve, train, judge.

    Options without a subcommand are those of `run`.
    """
