"""`negawatt energy`: power profiles, the regressor behind them, and how well they fit."""

from __future__ import annotations

import typer

from console.commands.energy.catalogue import catalogue
from console.commands.energy.cost import cost
from console.commands.energy.drift import drift
from console.commands.energy.evaluate import evaluate
from console.commands.energy.prices import prices
from console.commands.energy.report import report
from console.commands.energy.train import train
from console.commands.energy.train_forest import train_forest


def register(app: typer.Typer) -> None:
    """Add the command and its subcommands to the application."""
    energy = typer.Typer(
        help="What a watt costs: power profiles, and the regressor that predicts them.",
        no_args_is_help=True,
    )
    for command in (catalogue, cost, prices, evaluate, train, train_forest, report, drift):
        energy.command()(command)
    app.add_typer(energy, name="energy")
