"""`negawatt energy drift`: do the profiles still fit what the wall meters say?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from console.commands.energy.lookup import profile_named
from console.output import JSON, TABLE, json_text, require_format, stdout
from energy.drift import LIMITS, Drift
from energy.readings import read_readings, replay

PROMETHEUS = "prometheus"


def drift(
    readings: Annotated[
        Path,
        typer.Option(
            help="CSV of at_seconds,node,wall_watts and predicted_watts (or utilisation_ratio)."
        ),
    ],
    profile: Annotated[
        str | None,
        typer.Option(help="Server of the catalogue, or PowerProfile file, for utilisation_ratio."),
    ] = None,
    output: Annotated[str, typer.Option(help="table, json or prometheus.")] = TABLE,
) -> None:
    """Compare wall readings with what profiles predict: residual, correction and flag.

    The prediction must be the uncorrected profile's, or the correction would correct itself.

    Readings that are missing, stale, repeated or absurd correct nothing; they are counted.
    """
    form = require_format(output, (TABLE, JSON, PROMETHEUS))
    curve = profile_named(profile) if profile else None
    nodes = read_readings(readings, curve)
    last_seconds = max(each.reading.at_seconds for each in nodes)
    drifts = dict(replay(nodes))
    if form == JSON:
        typer.echo(json_text({"nodes": {node: _document(each) for node, each in drifts.items()}}))
    elif form == PROMETHEUS:
        typer.echo(exposition(drifts, last_seconds), nl=False)
    else:
        stdout().print(_table(drifts))


def exposition(drifts: dict[str, Drift], now_seconds: float) -> str:
    """Return residuals, corrections and flags as Prometheus text.

    A node without a fresh reading has no residual, one that was never measured no sample at all.
    """
    measured = {node: each for node, each in drifts.items() if each.used}
    fresh = {
        node: each.residual_watts
        for node, each in measured.items()
        if each.residual_watts is not None
        and each.last_seconds is not None
        and now_seconds - each.last_seconds <= LIMITS.stale_seconds
    }
    corrections = {node: each.correction_ratio for node, each in measured.items()}
    flags = {node: float(each.is_off()) for node, each in measured.items()}
    return (
        _gauge("residual_watts", "Measured wall watts less those of the profile.", fresh)
        + _gauge(
            "correction_ratio",
            "Factor by which the profile's watts are to be multiplied.",
            corrections,
        )
        + _gauge("profile_off", "1 where no correction mends the profile, else 0.", flags)
    )


def _gauge(name: str, meaning: str, values: Mapping[str, float]) -> str:
    metric = f"negawatt_power_{name}"
    samples = (f'{metric}{{node="{_label(node)}"}} {each:.10g}\n' for node, each in values.items())
    return f"# HELP {metric} {meaning}\n# TYPE {metric} gauge\n{''.join(samples)}"


def _label(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _document(each: Drift) -> dict[str, Any]:
    return {
        "residual_watts": each.residual_watts,
        "error_ratio": each.error_ratio if each.used else None,
        "correction_ratio": each.correction_ratio,
        "off_seconds": each.seconds_off,
        "off": each.is_off(),
        "readings_used": each.used,
        "readings_ignored": each.ignored,
    }


def _table(drifts: dict[str, Drift]) -> Table:
    limit = f"off: {LIMITS.off_ratio:.0%} for {LIMITS.off_seconds / 3600:.0f} h"
    table = Table(title=f"Wall readings against profiles ({limit})", title_justify="left")
    table.add_column("node")
    for heading in ("residual W", "error", "correction", "off for h", "used", "ignored", "flag"):
        table.add_column(heading, justify="right")
    for node, each in drifts.items():
        table.add_row(
            Text(node),
            "-" if each.residual_watts is None else f"{each.residual_watts:+.1f}",
            f"{each.error_ratio:+.1%}" if each.used else "-",
            f"{each.correction_ratio:.3f}",
            f"{each.seconds_off / 3600:.1f}",
            str(each.used),
            str(each.ignored),
            "[red]off[/]" if each.is_off() else "-",
        )
    return table
