"""`negawatt extender tiers`: labels that say how much energy a node costs, and who reads them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from typing_extensions import override

from console.commands.service_command import RunByDefault, installed, run_command
from console.output import JSON, TABLE, emit, json_text, require_format, stdout
from energy.errors import InputError

RUN_HELP = """Keep the tier labels of nodes; by default only say what would change.

Each option can also be given as a variable: NEGAWATT_TIERS__MODE and so on.
"""
EXIT_FAILED = 1

Kubeconfig = Annotated[
    Path | None, typer.Option(help="Kubeconfig file (default: as kubectl finds it).")
]
Context = Annotated[str | None, typer.Option(help="Context of the kubeconfig (default: current).")]
Output = Annotated[str, typer.Option(help="table or json.")]
Profiles = Annotated[
    str | None, typer.Option(help="File of PowerProfile documents, besides the cluster's.")
]
Rule = Annotated[str | None, typer.Option(help="fill-cost or peak-watts.")]
Ratio = Annotated[
    str | None, typer.Option(help="What pods use of the CPU they request, 0-1 (default 0.5).")
]
Memory = Annotated[
    str | None,
    typer.Option(help="GiB that pods request for each core they request (default: not counted)."),
]
Sleep = Annotated[
    bool | None, typer.Option("--nodes-may-sleep", help="Something turns empty nodes off.")
]


class _Tiers(RunByDefault):
    """`negawatt extender tiers --mode act` is `negawatt extender tiers run --mode act`."""

    @override
    def run_command(self) -> Any:
        with installed("extender"):
            from extender.tiers.settings import TiersSettings
        return run_command(TiersSettings, RUN_HELP, _run)


def _run(given: Mapping[str, str | bool | None]) -> None:
    from extender.tiers.__main__ import run
    from extender.tiers.settings import read_settings
    from telemetry.serving.server import log_to_stderr

    log_to_stderr()
    run(read_settings(given))


tiers = typer.Typer(
    help="Label nodes by what a core costs on them, for a scheduler that asks nobody.",
    no_args_is_help=True,
    cls=_Tiers,
)


@tiers.callback()
def _about() -> None:
    """Label nodes by what a core costs on them, for a scheduler that asks nobody.

    Options without a subcommand are those of `run`.
    """


@tiers.command()
def plan(  # noqa: PLR0913, PLR0917 - one parameter per option
    rule: Rule = None,
    usage_ratio: Ratio = None,
    requested_gibibytes_per_core: Memory = None,
    nodes_may_sleep: Sleep = None,
    hysteresis_ratio: Annotated[
        str | None, typer.Option(help="By how much costs may contradict a label (default 0.05).")
    ] = None,
    power_profiles: Profiles = None,
    force: Annotated[
        bool | None, typer.Option("--force", help="Count labels that others have set as ours.")
    ] = None,
    server_dry_run: Annotated[  # noqa: FBT002 - an option is never positional
        bool,
        typer.Option("--server-dry-run", help="Let the API server check each change, unsaved."),
    ] = False,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = TABLE,
) -> None:
    """Show which labels would change, node by node; nothing is written to the cluster.

    Settings of the environment (NEGAWATT_TIERS__RULE and so on) count as with `run`.
    """
    form = require_format(output, (TABLE, JSON))
    with installed("extender"):
        from console.tier_plan import checked_by_server, planned
        from console.tier_tables import plan_document, show_plan
        from extender.tiers.settings import read_settings
    settings = read_settings(
        {
            "rule": rule,
            "usage_ratio": usage_ratio,
            "requested_gibibytes_per_core": requested_gibibytes_per_core,
            "nodes_may_sleep": nodes_may_sleep,
            "hysteresis_ratio": hysteresis_ratio,
            "power_profiles": power_profiles,
            "force": force,
            "kubeconfig": kubeconfig,
            "context": context,
        }
    )
    found = planned(settings)
    refusals = checked_by_server(found, settings) if server_dry_run else None
    if form == JSON:
        typer.echo(json_text(plan_document(found, refusals)))
    else:
        show_plan(found, refusals, stdout())
    if refusals:
        raise typer.Exit(EXIT_FAILED)


@tiers.command()
def remove(
    everybody: Annotated[  # noqa: FBT002 - an option is never positional
        bool, typer.Option("--all", help="Also labels of this key that others have set.")
    ] = False,
    yes: Annotated[  # noqa: FBT002 - same
        bool, typer.Option("--yes", help="Really remove them.")
    ] = False,
    dry_run: Annotated[  # noqa: FBT002 - same
        bool, typer.Option("--dry-run", help="Only say which, as without --yes.")
    ] = False,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = TABLE,
) -> None:
    """Remove the tier labels that we set, and look whether anything of them is left.

    Without `--yes` it only names them. A controller that runs in `act` would set them again: stop
    it first.
    """
    form = require_format(output, (TABLE, JSON))
    if yes and dry_run:
        raise InputError("--yes removes labels, --dry-run does not", mend="give one of them")
    with installed("extender"):
        from console.tier_removal import removed
        from console.tier_tables import removal_document, show_removal
    found = removed(kubeconfig, context, everybody=everybody, dry_run=not yes)
    if form == JSON:
        typer.echo(json_text(removal_document(found)))
    else:
        show_removal(found, stdout())
    if found.failures or found.left:
        raise typer.Exit(EXIT_FAILED)


@tiers.command()
def profile(  # noqa: PLR0913, PLR0917 - one parameter per option
    where: Annotated[
        str, typer.Option(help="second: beside the cluster's scheduler; control-plane: in it.")
    ] = "second",
    scheduler_name: Annotated[
        str, typer.Option(help="What pods name as schedulerName; default-scheduler for all.")
    ] = "negawatt",
    percentage_of_nodes_to_score: Annotated[
        int, typer.Option(help="1 to 100; 0: kube-scheduler decides.")
    ] = 50,
    usage_ratio: Ratio = None,
    nodes_may_sleep: Sleep = None,
    lease_name: Annotated[str | None, typer.Option(help="Lease of leader election.")] = None,
    lease_namespace: Annotated[str | None, typer.Option(help="Namespace of that lease.")] = None,
    by_label: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="Prefer by a label that nodes have anyway; its values are read from the cluster.",
        ),
    ] = None,
    rule: Rule = None,
    power_profiles: Profiles = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    file: Annotated[
        Path | None, typer.Option(help="Write it there instead of printing it.")
    ] = None,
) -> None:
    """Print the configuration of a kube-scheduler that prefers by energy tiers.

    No cluster is asked, but with `--by-label`.
    """
    with installed("extender"):
        from console.tier_profile import by_label as told
        from console.tier_profile import place
        from extender.tiers.profile import TierProfileOptions, profile_document
        from extender.tiers.settings import read_settings
    settings = read_settings(
        {
            "rule": rule,
            "usage_ratio": usage_ratio,
            "nodes_may_sleep": nodes_may_sleep,
            "power_profiles": power_profiles,
            "kubeconfig": kubeconfig,
            "context": context,
        }
    )
    options = TierProfileOptions(
        where=place(where),
        scheduler_name=scheduler_name,
        percentage_of_nodes_to_score=percentage_of_nodes_to_score,
        usage_ratio=settings.usage_ratio,
        lease_name=lease_name,
        lease_namespace=lease_namespace,
    )
    if by_label is not None:
        options = told(by_label, options, settings)
    emit(profile_document(options).rstrip("\n"), file)
