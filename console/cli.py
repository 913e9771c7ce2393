"""The `negawatt` command: wires its subcommands and turns our errors into one line and a code."""

from __future__ import annotations

import sys
from importlib import import_module

import typer

from energy.errors import InputError, NegawattError

EXIT_DONE, EXIT_FAILED, EXIT_BAD_INPUT = 0, 1, 2

app = typer.Typer(
    name="negawatt",
    help="Energy-aware placement and scaling for Kubernetes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for _name in ("demo", "doctor", "energy", "simulate"):
    import_module(f"console.commands.{_name}").register(app)


def main() -> None:
    """Run the command line; print one line and exit 1 or 2 when something is wrong."""
    try:
        app()
    except NegawattError as error:
        typer.echo(f"negawatt: {error}", err=True)
        sys.exit(EXIT_BAD_INPUT if isinstance(error, InputError) else EXIT_FAILED)
    except KeyboardInterrupt:
        typer.echo("negawatt: stopped; nothing was half written", err=True)
        sys.exit(130)
