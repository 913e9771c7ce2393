"""The `negawatt` command: wires its subcommands and turns our errors into one line and a code."""

from __future__ import annotations

import io
import os
import signal
import sys
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from console.provenance import commit
from energy.errors import InputError, NegawattError

EXIT_DONE, EXIT_FAILED, EXIT_BAD_INPUT, EXIT_STOPPED = 0, 1, 2, 130

app = typer.Typer(
    name="negawatt",
    help="Energy-aware placement and scaling for Kubernetes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for _name in (
    "demo",
    "doctor",
    "energy",
    "extender",
    "forecaster",
    "ledger",
    "sandbox",
    "simulate",
    "telemetry",
):
    import_module(f"console.commands.{_name}").register(app)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it with the flag
    if wanted:
        typer.echo(f"negawatt {version('negawatt')} ({commit()})")
        raise typer.Exit


@app.callback()
def _options(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="Print version and commit.",
        ),
    ] = False,
) -> None:
    """Energy-aware placement and scaling for Kubernetes."""


def _stop(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _command_of(error: TyperException) -> str:
    """The command whose usage was wrong, as it was typed: its own help has the options."""
    # However the program was started, `python -m console` say: its first word is ours.
    context = getattr(error, "ctx", None)
    words = context.command_path.split()[1:] if context is not None else []
    return " ".join(("negawatt", *words))


def main() -> None:
    """Run the command line; print one line and exit 1 or 2 when something is wrong."""
    # A terminal that cannot show a dash or a sign gets a question mark, not a traceback.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    # As Ctrl-C: what was started is ended, what was begun is not left half done.
    signal.signal(signal.SIGTERM, _stop)
    try:
        # Not standalone: typer would print a usage error over several lines.
        code = app(standalone_mode=False)
        if code == EXIT_STOPPED:  # what typer makes of an interrupt
            typer.echo("negawatt: stopped; nothing was half written", err=True)
        sys.exit(code)
    except TyperException as error:
        # Empty where only a command was missing: its help is printed already.
        if message := " ".join(error.format_message().split()).rstrip("."):
            typer.echo(f"negawatt: {message}; see `{_command_of(error)} --help`", err=True)
        sys.exit(EXIT_BAD_INPUT)
    except NegawattError as error:
        typer.echo(f"negawatt: {error}", err=True)
        sys.exit(EXIT_BAD_INPUT if isinstance(error, InputError) else EXIT_FAILED)
    except BrokenPipeError:
        # Whoever read the output has closed it; nothing is left to say, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_FAILED)
    except OSError as error:
        typer.echo(f"negawatt: {error.strerror or error}; see where the output goes", err=True)
        sys.exit(EXIT_FAILED)
