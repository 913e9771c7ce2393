"""`negawatt extender`: the scheduler extender itself, and what it says of pods and savings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from typing_extensions import override

from console.commands.service_command import RunByDefault, installed, run_command
from console.commands.tiers import tiers
from console.output import JSON, TABLE, json_text, require_format, stdout
from energy.errors import InputError

URL = "http://127.0.0.1:10380"
RUN_HELP = """Serve until SIGTERM or Ctrl-C; by default nothing is written to the cluster.

Each option can also be given as a variable: NEGAWATT_EXTENDER__PORT and so on.
"""
PREDICT = "predict"
PREDICT_HELP = """Serve predictions alone: what a task costs on each of several servers; no cluster.

Open /predict in a browser. Each option can also be given as a variable: NEGAWATT_EXTENDER__PORT
and so on.
"""
NAMESPACE, WORKLOAD = "namespace", "workload"

Url = Annotated[str, typer.Option("--url", help="Where the extender listens.")]
TokenFile = Annotated[
    Path | None, typer.Option("--token-file", help="File with the token; needed off loopback.")
]
CaFile = Annotated[
    Path | None, typer.Option("--ca-file", help="CA certificates that its HTTPS is checked with.")
]
Output = Annotated[str, typer.Option(help="table or json.")]


class _Extender(RunByDefault):
    """`negawatt extender --mode act` is `negawatt extender run --mode act`."""

    @override
    def run_command(self) -> Any:
        with installed("extender"):
            from extender.settings import ExtenderSettings
        return run_command(ExtenderSettings, RUN_HELP, _run)

    @override
    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), PREDICT]

    @override
    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name != PREDICT:
            return super().get_command(ctx, cmd_name)
        with installed("extender"):
            from extender.prediction.settings import SETTINGS
            from extender.settings import ExtenderSettings
        return run_command(ExtenderSettings, PREDICT_HELP, _predict, name=PREDICT, only=SETTINGS)


def _predict(given: Mapping[str, str | bool | None]) -> None:
    with installed("extender"):
        from extender.prediction.__main__ import run
        from extender.settings import read_settings
        from telemetry.serving.server import log_to_stderr

    log_to_stderr()
    run(read_settings(given))


def _run(given: Mapping[str, str | bool | None]) -> None:
    from extender.__main__ import run
    from extender.settings import read_settings
    from telemetry.serving.server import log_to_stderr

    log_to_stderr()
    run(read_settings(given))


extender = typer.Typer(
    help="Score nodes for kube-scheduler, or only watch what it chooses.",
    no_args_is_help=True,
    cls=_Extender,
)


def register(app: typer.Typer) -> None:
    """Add the command and its subcommands to the application."""
    extender.add_typer(tiers, name="tiers")
    app.add_typer(extender, name="extender")


@extender.callback()
def _about() -> None:
    """Score nodes for kube-scheduler, or only watch what it chooses (the default).

    Options without a subcommand are those of `run`.
    """


@extender.command()
def explain(
    namespace: Annotated[str, typer.Argument(help="Namespace of the pod.")],
    pod: Annotated[str, typer.Argument(help="Name of the pod.")],
    url: Url = URL,
    token_file: TokenFile = None,
    ca_file: CaFile = None,
    output: Output = TABLE,
) -> None:
    """Say why a pod is where it is, or where it would go: every candidate and its cost."""
    from console.extender_client import Client
    from console.extender_tables import show_explanation
    from extender.explanation import Explanation

    form = require_format(output, (TABLE, JSON))
    for name in (namespace, pod):
        if not name or "/" in name:
            raise InputError(f"{name!r} is no name", mend="give a namespace and a pod")
    client = Client(url, token_file=token_file, ca_file=ca_file)
    found = client.get(("explain", namespace, pod))
    if form == JSON:
        typer.echo(json_text(found))
    else:
        show_explanation(client.read(Explanation, found), stdout())


@extender.command()
def savings(
    by: Annotated[str, typer.Option(help="namespace or workload.")] = NAMESPACE,
    url: Url = URL,
    token_file: TokenFile = None,
    ca_file: CaFile = None,
    output: Output = TABLE,
) -> None:
    """Say what the scheduler's choices cost beyond ours: predicted watts, signed."""
    from console.extender_client import Client
    from console.extender_tables import show_savings
    from extender.savings import Savings

    form = require_format(output, (TABLE, JSON))
    if by not in {NAMESPACE, WORKLOAD}:
        raise InputError(
            f"nothing is summed by {by!r}", where="--by", mend=f"use {NAMESPACE} or {WORKLOAD}"
        )
    client = Client(url, token_file=token_file, ca_file=ca_file)
    found = client.get(("savings",), by=by)
    if form == JSON:
        typer.echo(json_text(found))
    else:
        show_savings(client.read(Savings, found), stdout())
