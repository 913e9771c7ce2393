"""`negawatt sandbox`: a real control plane with simulated nodes, on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console.output import JSON, TABLE, json_text, require_format, stderr
from energy.errors import InputError

if TYPE_CHECKING:
    from simulator.sandbox.sandbox import Sandbox

EXIT_NOT_READY = 1
State = Annotated[
    Path | None,
    typer.Option(
        "--state",
        help="Folder of the sandbox; default $NEGAWATT_SANDBOX, else the user's state"
        " ($NEGAWATT_STATE, which the services heed, does not move it).",
    ),
]
Output = Annotated[str, typer.Option(help="table or json.")]

sandbox = typer.Typer(
    help="A real Kubernetes control plane on this machine, its nodes simulated.",
    no_args_is_help=True,
)


def register(app: typer.Typer) -> None:
    """Add the command and its subcommands to the application."""
    app.add_typer(sandbox, name="sandbox")


@sandbox.callback()
def _about() -> None:
    """A real Kubernetes control plane on this machine, its nodes simulated."""


@sandbox.command()
def up(  # noqa: PLR0913, PLR0917 - one parameter per option
    nodes: Annotated[
        int | None, typer.Option(help="How many nodes; default: as many as the fleet has.")
    ] = None,
    fleet: Annotated[
        str | None, typer.Option(help="Named fleet of real servers: mixed (default), 20/30/10, …")
    ] = None,
    extras: Annotated[
        str | None,
        typer.Option(
            "--with", help="Comma-separated: prometheus, metrics-server, kafka, forecast."
        ),
    ] = None,
    scheduler_config: Annotated[
        Path | None, typer.Option(help="A KubeSchedulerConfiguration for kube-scheduler.")
    ] = None,
    usage_ratio: Annotated[
        float | None,
        typer.Option(help="What pods use of the CPU they request, 0-1 (default 0.5)."),
    ] = None,
    tier_labels: Annotated[  # noqa: FBT002 - an option is never positional
        bool, typer.Option("--tier-labels", help="Label nodes with their energy tier.")
    ] = False,
    tiers: Annotated[  # noqa: FBT002 - same
        bool,
        typer.Option("--tiers", help="Run the controller of energy tiers, and go by its labels."),
    ] = False,
    act: Annotated[
        bool | None,
        typer.Option(
            "--act/--observe",
            help="Let the extender rank nodes for the scheduler, or only watch it (default).",
        ),
    ] = None,
    no_extender: Annotated[  # noqa: FBT002 - same
        bool, typer.Option("--no-extender", help="Start no extender.")
    ] = False,
    nodes_may_sleep: Annotated[  # noqa: FBT002 - same
        bool,
        typer.Option("--nodes-may-sleep", help="Tell extender and tiers that they may."),
    ] = False,
    state: State = None,
    output: Output = TABLE,
) -> None:
    """Start a sandbox, or say that it runs; it stays until `negawatt sandbox down`."""
    from console.sandbox_report import started_document, started_lines
    from simulator.sandbox import lifecycle
    from simulator.sandbox.record import options_of, parse_extras, state_folder

    form = require_format(output, (TABLE, JSON))
    options = options_of(
        fleet=fleet,
        nodes=nodes,
        extras=None if extras is None else parse_extras(extras),
        scheduler_configuration=scheduler_config,
        usage_ratio=usage_ratio,
        tier_labels=tier_labels or None,
        tiers=tiers or None,
        extender=_extender(act=act, left_out=no_extender),
        nodes_may_sleep=nodes_may_sleep or None,
    )
    folder = state_folder(state, os.environ)
    with _progress() as report:
        started, fresh = lifecycle.up(options, folder, report=report)
    if form == JSON:
        typer.echo(json_text(started_document(started, fresh=fresh)))
        return
    for line in started_lines(started, fresh=fresh):
        typer.echo(line)


@sandbox.command()
def down(state: State = None) -> None:
    """End every process of the sandbox and remove its folder, also of one that is half started."""
    from simulator.sandbox import lifecycle
    from simulator.sandbox.record import state_folder

    folder = state_folder(state, os.environ)
    if lifecycle.down(folder):
        typer.echo(f"The sandbox in {folder} is gone.")
    else:
        typer.echo(f"There is no sandbox in {folder}.")


@sandbox.command()
def status(state: State = None, output: Output = TABLE) -> None:
    """Show components, ports, nodes and pods; exit 1 unless all of it is well."""
    from console.sandbox_report import show_status, status_document

    form = require_format(output, (TABLE, JSON))
    opened = _opened(state)
    seen = opened.status()
    if form == JSON:
        typer.echo(json_text(status_document(opened, seen)))
    else:
        show_status(opened, seen)
    if not seen.ready:
        raise typer.Exit(EXIT_NOT_READY)


@sandbox.command()
def reset(state: State = None) -> None:
    """Remove all pods and workloads outside kube-system and make the nodes anew.

    Deployments whose traffic is replayed (`up --with forecast`) are made anew as well.
    """
    from console.sandbox_report import reset_line

    opened = _opened(state)
    with stderr().status("removing workloads, making nodes anew"):
        opened.reset()
    typer.echo(reset_line(opened))


def _extender(*, act: bool | None, left_out: bool) -> str | None:
    """Which mode was asked for; None: nothing was said."""
    from simulator.sandbox.record import ACT, NO_EXTENDER, OBSERVE

    if left_out and act is not None:
        raise InputError(
            "an extender that is left out has no mode",
            where="--no-extender",
            mend="give either this or --act or --observe",
        )
    if left_out:
        return NO_EXTENDER
    return None if act is None else {True: ACT, False: OBSERVE}[act]


def _opened(state: Path | None) -> Sandbox:
    from simulator.sandbox.record import state_folder
    from simulator.sandbox.sandbox import Sandbox

    return Sandbox.opened(state_folder(state, os.environ))


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Show on a terminal what is being done."""
    console = stderr()
    if not console.is_terminal:
        yield lambda _doing: None
        return
    with console.status("looking") as status_line:
        yield status_line.update
