"""What the extender says, for people: the sentence first, then the figures with their sources."""

from __future__ import annotations

from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from extender.explanation import Candidate, Explanation, Figure
from extender.savings import Savings

MEBIBYTE = 1024 * 1024
KILOWATT_HOUR_JOULES = 3_600_000
CHOSEN, PREFERRED, BOTH, RUNNER_UP = "chosen", "preferred", "chosen, preferred", "runner-up"
MINUTE_SECONDS, HOUR_SECONDS = 60, 3600


def show_explanation(found: Explanation, console: Console) -> None:
    """The reason, what the pod needs, and every candidate."""
    console.print(Text(_sentence(found)))
    console.print()
    for line in _facts(found):
        console.print(Text(line))
    if found.candidates:
        console.print()
        console.print(_candidates(found))
    left = found.candidate_count - len(found.candidates)
    if left > 0:
        console.print(f"and {left} more candidates, of which the extender keeps no figures")
    for line in (*_infeasible(found), *(f"note: {note}" for note in found.notes)):
        console.print(Text(line))


def show_savings(found: Savings, console: Console) -> None:
    """A row per namespace or workload, and the sum."""
    table = Table(box=None, pad_edge=False, show_footer=True)
    table.add_column("namespace", "all", overflow="fold")
    if found.by != "namespace":
        table.add_column("workload", overflow="fold")
    table.add_column(
        "forgone now [W]".replace("[", "\\["), _signed(found.forgone_watts), justify="right"
    )
    table.add_column(
        "forgone so far [kWh]".replace("[", "\\["), _energy(found.forgone_joules), justify="right"
    )
    table.add_column("decisions", str(found.decisions), justify="right")
    for row in found.rows:
        cells = [Text(row.namespace)]
        if found.by != "namespace":
            cells.append(Text(f"{row.kind}/{row.name}"))
        table.add_row(
            *cells, _signed(row.forgone_watts), _energy(row.forgone_joules), str(row.decisions)
        )
    console.print(table)
    console.print()
    console.print(Text(f"mode {found.mode}, rule {found.rule}. {found.note}"))


def _sentence(found: Explanation) -> str:
    pod = f"{found.namespace}/{found.pod}"
    if found.skipped:
        return f"{pod} is not ranked: {found.skipped}."
    if found.state in {"bound", "bound-before", "ended"}:
        where = f"{'was' if found.state == 'ended' else 'is'} on {found.node_chosen}"
        if found.state == "bound-before":
            where += ", since before the extender watched (judged by what it sees now)"
        if found.node_chosen == found.node_preferred:
            where += ", which is the node that we prefer"
        elif found.node_preferred is not None:
            where += f"; we would have chosen {found.node_preferred}"
    else:
        where = f"has no node yet; now we would choose {found.node_preferred or 'none'}"
    return f"{pod} {where}: {found.reason.rstrip('.')}."


def _facts(found: Explanation) -> list[str]:
    decided = datetime.fromtimestamp(found.decided_at_seconds, UTC)
    needs = found.needs
    size = f"{needs.cpu_millicores} millicores and {needs.memory_bytes / MEBIBYTE:.0f} MiB"
    facts = [
        f"workload  {found.workload}, scheduled by {found.scheduler_name}",
        f"decided   {decided:%Y-%m-%d %H:%M:%S} UTC, mode {found.mode}, rule {found.rule}",
        f"needs     {size} by {needs.source}: {needs.reason}",
    ]
    if found.forgone_watts is not None and found.state == "bound":
        facts.append(
            f"forgone   {_signed(found.forgone_watts)} W (chosen minus preferred; predicted, "
            "not measured)"
        )
    return facts


def _candidates(found: Explanation) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("node", overflow="fold")
    table.add_column("")
    table.add_column("score", justify="right")
    table.add_column("adds \\[W]", justify="right")
    table.add_column("by", overflow="fold")
    table.add_column("load", justify="right")
    table.add_column("by", overflow="fold")
    table.add_column("requested", justify="right")
    table.add_column("reason", overflow="fold")
    for one in found.candidates:
        table.add_row(
            Text(one.node),
            _mark(one, found),
            str(one.score),
            _number(one.added_watts),
            Text(_source(one.added_watts)),
            _percent(one.cpu_load.value),
            Text(_source(one.cpu_load)),
            _percent(one.requested_ratio),
            Text(one.reason),
            style="bold" if one.chosen or one.preferred else None,
        )
    return table


def _mark(one: Candidate, found: Explanation) -> str:
    if one.chosen and one.preferred:
        return BOTH
    if one.chosen:
        return f"{CHOSEN}, {RUNNER_UP}" if one.node == found.runner_up else CHOSEN
    if one.preferred:
        return PREFERRED
    return RUNNER_UP if one.node == found.runner_up else ""


def _infeasible(found: Explanation) -> list[str]:
    if not found.infeasible:
        return []
    counted = ", ".join(f"{why}: {count}" for why, count in sorted(found.infeasible.items()))
    return [f"nodes that cannot take it: {counted}"]


def _number(figure: Figure) -> str:
    return "-" if figure.value is None else f"{figure.value:.2f}"


def _source(figure: Figure) -> str:
    if figure.age_seconds is None:
        return figure.source
    return f"{figure.source}, {_age(figure.age_seconds)} old"


def _age(seconds: float) -> str:
    if seconds < 2 * MINUTE_SECONDS:
        return f"{seconds:.0f} s"
    if seconds < 2 * HOUR_SECONDS:
        return f"{seconds / MINUTE_SECONDS:.0f} min"
    return f"{seconds / HOUR_SECONDS:.0f} h"


def _percent(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.0%}"


def _signed(watts: float) -> str:
    return f"{watts:+.2f}"


def _energy(joules: float) -> str:
    return f"{joules / KILOWATT_HOUR_JOULES:+.4f}"
