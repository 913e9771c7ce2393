"""Plans and removals of tier labels, for people: nodes alike in one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from console.tier_plan import Planned
from console.tier_removal import Removal
from extender.tiers.survey import LabelState, NodeTier

NONE = "-"
SHOWN_MAX = 20
_WORDS = {
    LabelState.RIGHT: "stays",
    LabelState.WAITING: "later",
    LabelState.FOREIGN: "another's",
    LabelState.UNREADABLE: "unreadable",
}


def show_plan(found: Planned, refusals: Mapping[str, str] | None, console: Console) -> None:
    """The difference, dearest at the end, and what it comes to."""
    tiers = found.survey.tiers()
    table = Table(box=None, pad_edge=False)
    for name in ("nodes", "power profile"):
        table.add_column(name, overflow="fold")
    for name in ("W per core", "present", "wanted"):
        table.add_column(name, justify="right")
    for name in ("what", "why"):
        table.add_column(name, overflow="fold")
    for alike in _alike(tiers):
        first = alike[0]
        cells = (
            _names(alike),
            first.profile or NONE,
            NONE if first.watts_per_core is None else f"{first.watts_per_core:.2f}",
            NONE if first.present is None else first.present,
            NONE if first.wanted is None else str(first.wanted),
            _what(first),
            "; ".join(filter(None, (first.reason if first.wanted is None else "", first.waits))),
        )
        table.add_row(*map(Text, cells))
    console.print(table)
    console.print()
    for line in (*_sums(tiers), *_telling(found), *found.doubts, *_refused(refusals)):
        console.print(Text(line), soft_wrap=True)


def plan_document(found: Planned, refusals: Mapping[str, str] | None) -> dict[str, object]:
    """The same for programs."""
    document: dict[str, object] = {
        "rule": found.rule,
        "nodes": [tier.model_dump(mode="json") for tier in found.survey.tiers()],
        "telling_labels": [
            {
                "key": each.key,
                "values_of_tier": {
                    str(tier): list(values) for tier, values in each.values_of_tier.items()
                },
            }
            for each in found.telling
        ],
        "doubts": list(found.doubts),
    }
    return document if refusals is None else {**document, "server_refusals": dict(refusals)}


def show_removal(found: Removal, console: Console) -> None:
    """How many, and what is left."""
    would = "would be removed from" if found.dry_run else "removed from"
    lines = [f"tier labels {would} {len(found.removed)} of {found.nodes} nodes"]
    if found.dry_run:
        lines += [f"  {name}" for name in found.removed[:SHOWN_MAX]]
        if (more := len(found.removed) - SHOWN_MAX) > 0:
            lines.append(f"  and {more} more")
        lines.append("nothing was removed; --yes does that")
    for label in found.kept[:SHOWN_MAX]:
        owners = ", ".join(label.foreign_owners) or "unknown"
        lines.append(f"kept: node {label.node}, tier {label.value}, set by {owners}; see --all")
    if (more := len(found.kept) - SHOWN_MAX) > 0:
        lines.append(f"kept: {more} more")
    lines += [f"not removed: {why}" for why in found.failures.values()]
    if found.left:
        lines.append(
            f"{len(found.left)} nodes have a label of ours again or still: is a controller running?"
        )
    for line in lines:
        console.print(Text(line), soft_wrap=True)


def removal_document(found: Removal) -> dict[str, object]:
    """The same for programs."""
    return {
        "dry_run": found.dry_run,
        "nodes": found.nodes,
        "removed": list(found.removed),
        "kept": {label.node: list(label.foreign_owners) for label in found.kept},
        "failures": dict(found.failures),
        "left": list(found.left),
    }


def _alike(tiers: Sequence[NodeTier]) -> list[list[NodeTier]]:
    """Nodes with the same line together: by tier, those without at the end."""

    def key(tier: NodeTier) -> tuple[object, ...]:
        return (
            tier.wanted is None,
            tier.wanted or 0,
            tier.watts_per_core or 0.0,
            tier.profile,
            tier.present or "",
            tier.state,
            tier.reason,
            tier.waits,
        )

    return [list(group) for _, group in groupby(sorted(tiers, key=key), key)]


def _names(alike: Sequence[NodeTier]) -> str:
    names = [tier.node for tier in alike]
    if len(names) <= 2:  # noqa: PLR2004 - more would be counted anyway
        return ", ".join(names)
    return f"{len(names)}: {names[0]} … {names[-1]}"


def _what(tier: NodeTier) -> str:
    if tier.state is LabelState.DUE or tier.state is LabelState.FAILING:
        if tier.present is None:
            return "set"
        return "remove" if tier.wanted is None else "change"
    if tier.state is LabelState.RIGHT and tier.present is None:
        return "no label"
    return _WORDS[tier.state]


def _sums(tiers: Sequence[NodeTier]) -> list[str]:
    if not tiers:
        return ["there are no nodes"]
    counts: dict[str, int] = {}
    for tier in tiers:
        counts[_what(tier)] = counts.get(_what(tier), 0) + 1
    words = ("set", "change", "remove", "later", "stays", "no label", "another's", "unreadable")
    said = ", ".join(f"{word} {counts[word]}" for word in words if word in counts)
    lines = [f"labels of {len(tiers)} nodes: {said}"]
    if "another's" in counts:
        lines.append("another's labels are left alone; --force takes them over")
    return lines


def _telling(found: Planned) -> list[str]:
    if not found.telling:
        return []
    key = found.telling[0].key
    others = "".join(f", so does {each.key}" for each in found.telling[1:3])
    return [
        f"label {key} says the same{others}: without a controller,",
        f"`negawatt extender tiers profile --by-label {key}` prints a scheduler profile for it",
    ]


def _refused(refusals: Mapping[str, str] | None) -> list[str]:
    if refusals is None:
        return []
    if not refusals:
        return ["the API server would accept every change (dry run)"]
    return [f"the API server refuses: {why}" for why in refusals.values()]
