"""`negawatt doctor`: what is installed, what is missing, what that would enable."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from console.inspection.finding import Finding, State, lacking
from console.inspection.installation import (
    DISTRIBUTION,
    extra_findings,
    package_findings,
    python_finding,
)
from console.inspection.programs import program_findings, toolchain_findings
from console.inspection.shipped import data_findings
from console.inspection.surroundings import cluster_finding, loopback_finding
from console.inspection.traffic import traffic_findings
from console.output import JSON, TABLE, json_text, require_format, stderr, stdout

MARKS = {
    State.PRESENT: "[green]yes[/]",
    State.MISSING: "[yellow]no[/]",
    State.BROKEN: "[red]broken[/]",
}
EXIT_LACKING = 1


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(doctor)


def doctor(
    output: Annotated[str, typer.Option(help="table or json.")] = TABLE,
    prometheus: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Also ask this Prometheus what it tells of workloads' traffic."
        ),
    ] = None,
    strict: Annotated[  # noqa: FBT002 - an option is never positional
        bool, typer.Option("--strict", help="Exit 1 when something that is not optional lacks.")
    ] = False,
) -> None:
    """Say what is installed, what is missing and what each missing thing would enable.

    Changes nothing. A cluster that a kubeconfig names is asked for its version, and Prometheus for
    what the bridge would ask.
    """
    form = require_format(output, (TABLE, JSON))
    with stderr().status("looking") as status:
        findings = []
        for finding in inspect(os.environ, prometheus):
            status.update(f"looking: {escape(finding.name)}")
            findings.append(finding)
    if form == JSON:
        typer.echo(json_text(report(findings)))
    else:
        _show(findings)
    if strict and any(not finding.optional for finding in lacking(findings)):
        raise typer.Exit(EXIT_LACKING)


def inspect(environ: Mapping[str, str], prometheus: str | None = None) -> Iterator[Finding]:
    """Look at everything, one finding after another; at a Prometheus only where one is named."""
    yield python_finding(sys.version_info[:3], sys.executable)
    yield from package_findings()
    yield from extra_findings(metadata.requires(DISTRIBUTION) or ())
    yield from data_findings()
    yield from toolchain_findings(environ)
    yield from program_findings(environ)
    yield loopback_finding()
    yield cluster_finding(environ)
    if prometheus is not None:
        yield from traffic_findings(prometheus)


def report(findings: Sequence[Finding]) -> dict[str, object]:
    """Give the findings as JSON-ready values."""
    return {
        "version": metadata.version(DISTRIBUTION),
        "counts": {
            state.value: sum(finding.state is state for finding in findings) for state in State
        },
        "findings": [finding.as_json() for finding in findings],
    }


def _show(findings: Sequence[Finding]) -> None:
    console = stdout()
    console.print(_found_table(findings))
    console.print()
    lacks = lacking(findings)
    console.print(_lacking_table(lacks) if lacks else "Everything is there.")


def _found_table(findings: Sequence[Finding]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("topic")
    table.add_column("name", no_wrap=True)
    table.add_column("there", no_wrap=True)
    table.add_column("found", overflow="fold")
    topic = ""
    for finding in findings:
        table.add_row(
            finding.topic if finding.topic != topic else "",
            finding.name,
            MARKS[finding.state],
            escape(finding.found),
        )
        topic = finding.topic
    return table


def _lacking_table(lacks: Sequence[Finding]) -> Table:
    wanting = Table(box=None, pad_edge=False)
    wanting.add_column("lacking", overflow="fold", ratio=1)
    wanting.add_column("would enable", overflow="fold", ratio=1)
    wanting.add_column("how to get it", overflow="fold", ratio=1)
    for (enables, get, optional), names in alike(lacks).items():
        wanting.add_row(
            f"{', '.join(names)}{' (optional)' if optional else ''}", enables, escape(get)
        )
    return wanting


def alike(findings: Sequence[Finding]) -> dict[tuple[str, str, bool], list[str]]:
    """Put together what enables the same and is got alike; (enables, get, optional) -> names."""
    groups: dict[tuple[str, str, bool], list[str]] = {}
    for finding in findings:
        groups.setdefault((finding.enables, finding.get, finding.optional), []).append(finding.name)
    return groups
