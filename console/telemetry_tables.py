"""What `negawatt telemetry` prints: findings of a Prometheus, and queries."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from telemetry.traffic.check import SignalFinding, SignalState
from telemetry.traffic.query import TrafficQuery, TrafficScope

MARKS = {
    SignalState.FOUND: "[green]yes[/]",
    SignalState.ABSENT: "[yellow]no[/]",
    SignalState.TOO_FEW: "[yellow]too few[/]",
    SignalState.UNNAMED: "[yellow]unnamed[/]",
    SignalState.FAILED: "[red]failed[/]",
}


def findings_document(url: str, findings: Sequence[SignalFinding]) -> dict[str, object]:
    """The findings as JSON-ready values."""
    return {"prometheus": url, "signals": [finding.as_json() for finding in findings]}


def show_findings(findings: Sequence[SignalFinding], console: Console) -> None:
    """A row for each signal of each source, and what to do about those that are missing."""
    table = Table(box=None, pad_edge=False)
    for column in ("source", "signal", "there"):
        table.add_column(column, no_wrap=True)
    table.add_column("workloads", justify="right", no_wrap=True)
    table.add_column("lacking", overflow="fold", ratio=1)
    table.add_column("how to mend it", overflow="fold", ratio=1)
    source = ""
    for finding in findings:
        table.add_row(
            finding.source if finding.source != source else "",
            str(finding.signal),
            MARKS[finding.state],
            str(finding.workloads),
            Text(finding.lacking),
            Text(finding.mend),
        )
        source = finding.source
    console.print(table)


def queries_document(
    queries: Sequence[TrafficQuery], scope: TrafficScope
) -> list[dict[str, object]]:
    """The queries as they are sent."""
    return [
        {"source": query.source, "signal": str(query.signal), "promql": query.render(scope)}
        for query in queries
    ]


def show_queries(queries: Sequence[TrafficQuery], scope: TrafficScope, console: Console) -> None:
    """Each query as it is sent, to be tried in Prometheus' own page."""
    for query in queries:
        console.print(Text(f"# {query.source}: {query.signal}", style="bold"), soft_wrap=True)
        console.print(Text(query.render(scope)), soft_wrap=True)
        console.print()
