"""`negawatt extender`: the scheduler extender itself, and what it says of pods and savings."""

from __future__ import annotations

from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typing_extensions import override

from console.output import JSON, TABLE, json_text, require_format, stdout
from energy.errors import InputError, UnavailableError

URL = "http://127.0.0.1:10380"
RUN = "run"
RUN_HELP = """Serve until SIGTERM or Ctrl-C; by default nothing is written to the cluster.

Each option can also be given as a variable: NEGAWATT_EXTENDER__PORT and so on.
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


class _RunByDefault(TyperGroup):
    """`negawatt extender --mode act` is `negawatt extender run --mode act`.

    `run` is made when it is asked for: its options are the settings, whose libraries are an extra.
    """

    @override
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0].startswith("-") and args[0] not in {"-h", "--help"}:
            args = [RUN, *args]
        return super().parse_args(ctx, args)

    @override
    def list_commands(self, ctx: Any) -> list[str]:
        return [RUN, *super().list_commands(ctx)]

    @override
    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return _run_command() if cmd_name == RUN else super().get_command(ctx, cmd_name)


extender = typer.Typer(
    help="Score nodes for kube-scheduler, or only watch what it chooses.",
    no_args_is_help=True,
    cls=_RunByDefault,
)


def register(app: typer.Typer) -> None:
    """Add the command and its subcommands to the application."""
    app.add_typer(extender, name="extender")


@extender.callback()
def _about() -> None:
    """Score nodes for kube-scheduler, or only watch what it chooses (the default).

    Options without a subcommand are those of `run`.
    """


def _run_command() -> Any:  # noqa: ANN401 - typer's own copy of click has no public name
    """The command `run`, with a flag for each setting.

    Raises:
        UnavailableError: the extra of the extender is not installed.
    """
    try:
        from extender.settings import ExtenderSettings
    except ModuleNotFoundError as error:
        raise UnavailableError(
            f"{error.name} is not installed", mend="see the extra extender in `negawatt doctor`"
        ) from None
    flags = [
        Parameter(
            name,
            Parameter.KEYWORD_ONLY,
            default=None,
            annotation=_option(name, field.description or "", is_bool=field.annotation is bool),
        )
        for name, field in ExtenderSettings.model_fields.items()
    ]

    def run(**given: str | bool | None) -> None:
        from extender.__main__ import run as serve
        from extender.serving import log_to_stderr
        from extender.settings import read_settings

        log_to_stderr()
        serve(read_settings(given))

    run.__doc__ = RUN_HELP
    run.__signature__ = Signature(flags)  # type: ignore[attr-defined] # where typer looks
    run.__annotations__ = {flag.name: flag.annotation for flag in flags}
    lone = typer.Typer(add_completion=False)
    lone.command(name=RUN)(run)
    return typer.main.get_command(lone)


def _option(name: str, text: str, *, is_bool: bool) -> object:
    # Text, for the settings to read: a bad value is then said alike, flag or variable.
    if is_bool:
        return Annotated[bool | None, typer.Option(help=text)]
    metavar = name.rpartition("_")[2].upper()
    return Annotated[str | None, typer.Option(help=text, metavar=metavar)]


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
