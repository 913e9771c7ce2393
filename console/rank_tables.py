"""The rank suite as tables for a terminal and for the page, from the document that JSON prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table

from console.placement_tables import WAITED_HOURS_SHOWN, Document, number

# A verdict's mark: better, worse; equal has none.
MARKS = {"better": " ✓", "worse": " ✗", "equal": "", None: ""}
SUMMARY_HEADINGS = (
    "cells",
    "worse",
    "equal",
    "better",
    "to label",
    "of the gap",
    "of re-packing",
    "(cells)",
    "evictions",
)


def rank_tables(document: Document) -> Iterator[Table]:
    """A table per family, the ablations, and the summary last, where a terminal shows it."""
    for family, cells in by_family(document).items():
        table = _table(f"{family}: energy to the label with packing (simulated)")
        table.add_column("setting", no_wrap=True)
        table.add_column("label kWh", justify="right")
        for name in compared(document):
            table.add_column(shown(name), justify="right")
        table.add_column("bound", justify="right")
        for cell in cells:
            table.add_row(*row(document, cell, intervals=False))
        yield table
    if document["ablations"]:
        yield _ablation_table(document)
    for situation, policies in document["summary"].items():
        table = _table(f"Summary of {situation} (simulated)")
        table.add_column("policy", no_wrap=True)
        for heading in SUMMARY_HEADINGS:
            table.add_column(heading, justify="right")
        for name, one in policies.items():
            table.add_row(name, *summary_row(one))
        yield table


def by_family(document: Document) -> dict[str, list[Mapping[str, Any]]]:
    """The cells of each family; those with constraints are a family of their own."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for cell in document["cells"]:
        name = f"{cell['family']}, constrained" if cell["constrained"] else cell["family"]
        found.setdefault(name, []).append(cell)
    return found


def compared(document: Document) -> list[str]:
    """The policies that are compared with the label, in order."""
    return [name for name in document["policies"] if name != document["reference"]]


def shown(name: str) -> str:
    """A policy's name as a heading in several lines, so that the figures decide on the width."""
    return name.replace("-", "-\n").replace("+", "\n+")


def row(document: Document, cell: Mapping[str, Any], *, intervals: bool) -> list[str]:
    """A cell in a line: its setting, the label's energy, each policy's ratio to it, the bound's."""
    policies = cell["policies"]
    label = policies[document["reference"]]["energy_kilowatt_hours"]["mean"]
    bound = cell["bound_kilowatt_hours"]
    ratios = [
        ratio(policies[name], intervals=intervals) if name in policies else "–"
        for name in compared(document)
    ]
    bound_ratio = None if bound is None else bound["mean"] / label
    return [setting(cell), number(label), *ratios, number(bound_ratio, 3)]


def setting(cell: Mapping[str, Any]) -> str:
    """Fleet, load, use and sleep mode of a cell."""
    sleep = "sleep" if cell["sleep"] == "empty" else "on"
    return f"{cell['fleet']}, {cell['load_ratio']:.0%}, use {cell['usage_ratio']:.0%}, {sleep}"


def ratio(result: Mapping[str, Any], *, intervals: bool) -> str:
    """Energy to the label's, its verdict, and what waited if anything did."""
    one = result["label_ratio"]
    text = _with_interval(one) if intervals else number(one["mean"], 3)
    text += MARKS[result["verdict"]]
    pending, waited = result["pending_pods_mean"], result["waited_pod_hours_mean"]
    if intervals and (pending or waited >= WAITED_HOURS_SHOWN):
        text += f" / {pending:.1f}, {waited:.1f} h"
    return text


def bound_row(document: Document, cell: Mapping[str, Any]) -> list[str]:
    """A cell in a line: its setting, and each policy's ratio to the bound with its interval."""
    policies = cell["policies"]
    names = [name for name in document["policies"] if name != "repack"]
    ratios = [policies[name]["bound_ratio"] if name in policies else None for name in names]
    return [setting(cell), *(_with_interval(one) for one in ratios)]


def _with_interval(interval: Mapping[str, Any] | None) -> str:
    if interval is None:
        return "–"
    if interval["low"] is None:
        return number(interval["mean"], 3)
    return f"{interval['mean']:.3f} ± {(interval['high'] - interval['low']) / 2:.3f}"


def summary_row(one: Mapping[str, Any]) -> list[str]:
    """A policy's summary, in the order of the headings."""
    return [
        str(one["cells"]),
        str(one["worse"]),
        str(one["equal"]),
        str(one["better"]),
        number(one["label_ratio_mean"], 3),
        percent(one["gap_share_median"]),
        percent(one["repack_share_median"]),
        str(one["repack_cells"]),
        number(one["evictions_per_pod_day_max"], 2),
    ]


def percent(share: float | None) -> str:
    """A share, or a dash where there is none."""
    return "–" if share is None else f"{share:.0%}"


def ablation_rows(document: Document) -> Iterator[list[str]]:
    """Question, variant, cell, ratio to the label, share of the gap."""
    for variant in document["ablations"]:
        for cell in variant["cells"]:
            yield [
                variant["question"],
                f"{variant['label']} (`{variant['policy']}`)",
                f"{cell['family']}, {setting(cell)}",
                ratio(cell, intervals=True),
                percent(cell["gap_share"]),
            ]


ABLATION_HEADINGS = ("question", "variant", "cell", "to label", "of the gap")


def _ablation_table(document: Document) -> Table:
    table = _table("Ablations (simulated)")
    for heading in ABLATION_HEADINGS:
        table.add_column(heading)
    for cells in ablation_rows(document):
        table.add_row(*(text.replace("`", "") for text in cells))
    return table


def _table(title: str) -> Table:
    return Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of a page; all columns but the first to the right."""
    lines = ["| " + " | ".join(headings) + " |"]
    lines.append("| --- |" + " --: |" * (len(headings) - 1))
    lines += ["| " + " | ".join(cells) + " |" for cells in rows]
    return "\n".join(lines)
