"""`negawatt energy cost`: what a core costs on a server that was never measured under load."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from console.commands.energy.catalogue import show
from console.commands.energy.lookup import profile_document
from console.output import JSON, TABLE, json_text, require_format, stdout
from energy.cost import fill_cost_watts_per_core, marginal_watts
from energy.errors import InputError
from energy.hardware_names import cpu_maker, vendor_name
from energy.profile import NodePowerProfile
from energy.regressor.artefact import Regressor
from energy.regressor.facts import ServerFacts
from energy.regressor.predicted import predicted_profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Where the node stands, and what is to come."""

    utilisation_ratio: float
    pod_cores: float
    target_utilisation_ratio: float


def cost(  # noqa: PLR0913 - one parameter for each option
    *,
    cores: Annotated[int, typer.Option(help="Physical cores of the whole server.")],
    idle_watts: Annotated[float | None, typer.Option(help="Wall watts without load.")] = None,
    peak_watts: Annotated[float | None, typer.Option(help="Wall watts at full load.")] = None,
    chips: Annotated[int | None, typer.Option(help="CPU sockets in use.")] = None,
    threads: Annotated[int | None, typer.Option(help="Hardware threads.")] = None,
    gigahertz: Annotated[float | None, typer.Option(help="Nominal clock.")] = None,
    memory_gigabytes: Annotated[float | None, typer.Option(help="Memory.")] = None,
    year: Annotated[float | None, typer.Option(help="Year the hardware came out.")] = None,
    vendor: Annotated[str | None, typer.Option(help="Who sells the server.")] = None,
    cpu: Annotated[str | None, typer.Option(help="CPU model; says who made it.")] = None,
    load: Annotated[float, typer.Option(help="Present utilisation, 0 to 1.")] = 0.3,
    pod_cores: Annotated[float, typer.Option(help="Cores that one more pod would use.")] = 1.0,
    target: Annotated[
        float, typer.Option(help="Utilisation at which a node counts as full.")
    ] = 1.0,
    output: Annotated[str, typer.Option(help="table or json.")] = TABLE,
) -> None:
    """Predict a server's power curve, its fill cost and the marginal watts of one more pod.

    Without idle and peak watts they are predicted as well, and are then off by a tenth or more.
    """
    form = require_format(output, (TABLE, JSON))
    facts = ServerFacts(
        cores=cores,
        idle_watts=idle_watts,
        peak_watts=peak_watts,
        chips=chips,
        threads=threads,
        base_gigahertz=gigahertz,
        memory_gigabytes=memory_gigabytes,
        hardware_year=year,
        vendor=vendor_name(vendor) if vendor else None,
        cpu_maker=cpu_maker(cpu) if cpu else None,
    )
    if not 0 <= load <= 1:
        raise InputError(f"{load} is no utilisation", where="--load", mend="give a ratio, 0 to 1")
    profile = predicted_profile(Regressor.shipped(), facts)
    asked = Load(utilisation_ratio=load, pod_cores=pod_cores, target_utilisation_ratio=target)
    figures = _figures(profile, cores, asked)
    if form == JSON:
        typer.echo(json_text({"profile": profile_document(profile), **figures}))
        return
    show(profile)
    console = stdout()
    for name, value in figures.items():
        console.print(f"{name:>42}  {value:.3g}", highlight=False)


def _figures(profile: NodePowerProfile, cores: int, asked: Load) -> dict[str, Any]:
    target, used_cores = asked.target_utilisation_ratio, asked.utilisation_ratio * cores
    return {
        "fill_cost_watts_per_core": fill_cost_watts_per_core(profile, cores, target),
        "fill_cost_always_on_watts_per_core": fill_cost_watts_per_core(
            profile, cores, target, node_may_sleep=False
        ),
        "utilisation_ratio": asked.utilisation_ratio,
        "pod_cores": asked.pod_cores,
        "marginal_watts": marginal_watts(profile, cores, used_cores, asked.pod_cores),
    }
