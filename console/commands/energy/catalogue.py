"""`negawatt energy catalogue`: which power profile a node gets, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from console.commands.energy.lookup import profile_document
from console.output import JSON, TABLE, json_text, require_format, stdout
from energy.catalogue import Catalogue, NodeFacts
from energy.errors import InputError
from energy.power_curve import LOAD_LEVELS
from energy.power_profile import read_power_profiles
from energy.profile import NodePowerProfile
from energy.servers import CatalogueServer


def catalogue(  # noqa: PLR0913 - one parameter for each option
    *,
    cpu: Annotated[str | None, typer.Option(help="CPU model, in any spelling.")] = None,
    instance_type: Annotated[str | None, typer.Option(help="Cloud instance type.")] = None,
    cores: Annotated[
        float | None, typer.Option(help="Cores as Kubernetes counts them (default: the server's).")
    ] = None,
    profiles: Annotated[Path | None, typer.Option(help="PowerProfile file, YAML or JSON.")] = None,
    label: Annotated[
        list[str] | None, typer.Option(help="Label of the node, key=value; repeatable.")
    ] = None,
    servers: Annotated[
        bool, typer.Option("--servers", help="List the measured servers instead.")
    ] = False,
    output: Annotated[str, typer.Option(help="table or json.")] = TABLE,
) -> None:
    """Look up the power profile of a node: by what operators wrote, instance type, CPU or cores.

    The answer says which link of the chain it came from, what it covers and why not a better one.
    """
    form = require_format(output, (TABLE, JSON))
    shipped = Catalogue.shipped()
    if servers:
        found = shipped.with_cpu_model(cpu) if cpu else list(shipped.servers.values())
        if not found:
            raise InputError(
                f"no measured server has the CPU {cpu!r}",
                where="--cpu",
                mend="list all of them without --cpu",
            )
        _list(found, form)
        return
    if profiles:
        shipped = shipped.with_power_profiles(read_power_profiles(profiles))
    facts = NodeFacts(
        name="node",
        cpu_cores=_cores(shipped, cpu, instance_type, cores),
        cpu_model=cpu,
        instance_type=instance_type,
        labels=_labels(label or []),
    )
    profile = shipped.resolve(facts)
    if form == JSON:
        typer.echo(json_text(profile_document(profile)))
    else:
        show(profile)


def show(profile: NodePowerProfile) -> None:
    """Print a profile as a table."""
    title = f"{profile.name}: {profile.source}, {profile.scope}, trust {profile.trust:g}"
    table = Table(title=escape(title), title_justify="left")
    for level in LOAD_LEVELS:
        table.add_column(f"{level:.0%}", justify="right")
    table.add_row(*(f"{profile.curve.watts_at(level):.1f}" for level in LOAD_LEVELS))
    console = stdout()
    console.print(table)
    console.print(
        f"watts at load; {profile.sleep_watts:g} W asleep, {profile.wake_seconds:g} s and "
        f"{profile.wake_joules:.0f} J to wake",
        highlight=False,
    )
    for note in profile.notes:
        console.print(f"- {escape(note)}", highlight=False)


def _cores(
    shipped: Catalogue, cpu: str | None, instance_type: str | None, cores: float | None
) -> float:
    if cores is not None:
        if not 0 < cores < float("inf"):
            raise InputError(f"{cores} cores", where="--cores", mend="give a number above 0")
        return cores
    measured = shipped.with_cpu_model(cpu) if cpu else []
    if measured:
        return float(measured[0].threads or measured[0].cores)
    instance = shipped.instances.get((instance_type or "").lower())
    if instance:
        return instance.vcpus
    asked = [f"CPU {cpu!r}"] if cpu else []
    asked += [f"instance type {instance_type!r}"] if instance_type else []
    unknown = f"the catalogue has no {' and no '.join(asked)}, so " if asked else ""
    raise InputError(
        f"{unknown}the node's size is not known", where="--cores", mend="give its number of cores"
    )


def _labels(pairs: list[str]) -> dict[str, str]:
    labels = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise InputError(f"{pair!r} is no label", where="--label", mend="give key=value")
        labels[key] = value
    return labels


def _list(servers: list[CatalogueServer], form: str) -> None:
    if form == JSON:
        rows = [
            {
                "server": each.slug,
                "vendor": each.vendor,
                "model": each.model,
                "cpu": each.cpu,
                "cores": each.cores,
                "threads": each.threads,
                "memory_gigabytes": each.memory_gigabytes,
                "hardware_available": each.hardware_available.strftime("%Y-%m"),
                "published": each.published.isoformat(),
                "load_level_watts": list(each.curve.watts),
            }
            for each in servers
        ]
        typer.echo(json_text({"servers": rows}))
        return
    table = Table(title=f"{len(servers)} measured servers", title_justify="left")
    for heading in ("server", "CPU", "available", "published"):
        table.add_column(heading)
    for heading in ("cores", "idle W", "peak W"):
        table.add_column(heading, justify="right")
    for each in servers:
        table.add_row(
            each.slug,
            each.cpu,
            each.hardware_available.strftime("%Y-%m"),
            each.published.isoformat(),
            str(each.cores),
            f"{each.curve.idle_watts:g}",
            f"{each.curve.peak_watts:g}",
        )
    stdout().print(table)
