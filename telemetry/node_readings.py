"""Samples of a preset as one reading for each node: parts added, views not, strangers named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from telemetry.node_names import NAMING_LABELS, NodeNames, said_of
from telemetry.presets import Preset, Quantity
from telemetry.sample import Sample

#: Whoever looks for a mislabelled exporter needs a few names, not thousands.
STRANGERS_MAX: Final = 5

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeReading:
    """What a preset says of one node.

    Attributes:
        value: in the unit of `quantity`; None where any part of it is missing.
        source: the preset's name.
        sampled_at_seconds: Unix time of the oldest sample in it; None if unknown.
    """

    value: float | None
    quantity: Quantity
    source: str
    sampled_at_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetReadings:
    """What a preset says.

    Attributes:
        by_node: node -> its reading.
        unmatched: how many samples are of no node that we know.
        strangers: whom the first few of those claim to be of.
    """

    by_node: Mapping[str, NodeReading]
    unmatched: int = 0
    strangers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Point:
    value: float | None
    sampled_at_seconds: float | None


def readings_of(
    preset: Preset, values: Iterable[Sample], times: Iterable[Sample], names: NodeNames
) -> PresetReadings:
    """Return one reading for each node.

    Within a node, samples that differ in the preset's `addends` are added; of samples that differ
    in its `alternatives`, or in anything else (one exporter scraped by two jobs), the largest
    counts: adding them would invent load, and the smallest might be a part that looks like the
    whole. A missing part makes the whole missing.
    """
    labels, views_at = preset.labels, len(NAMING_LABELS)
    parts_to = views_at + len(preset.addends)
    sampled_at = {_key(sample, labels): sample.value for sample in times}
    nodes: dict[str, dict[Key, dict[Key, _Point]]] = {}
    strangers: dict[str, int] = {}
    for sample in values:
        node = names.node_of(sample.labels)
        if node is None:
            said = said_of(sample.labels)
            strangers[said] = strangers.get(said, 0) + 1
            continue
        key = _key(sample, labels)
        point = _Point(sample.value, sampled_at.get(key))
        parts = nodes.setdefault(node, {}).setdefault(key[parts_to:], {})
        part = key[views_at:parts_to]
        parts[part] = _larger(parts[part], point) if part in parts else point
    return PresetReadings(
        by_node={node: _reading(preset, views) for node, views in nodes.items()},
        unmatched=sum(strangers.values()),
        strangers=tuple(sorted(strangers)[:STRANGERS_MAX]),
    )


def _reading(preset: Preset, views: Mapping[Key, Mapping[Key, _Point]]) -> NodeReading:
    totals = [_total(tuple(parts.values())) for parts in views.values()]
    chosen = totals[0]
    for total in totals[1:]:
        chosen = _larger(chosen, total)
    return NodeReading(
        value=chosen.value,
        quantity=preset.quantity,
        source=preset.name,
        sampled_at_seconds=chosen.sampled_at_seconds,
    )


def _total(parts: tuple[_Point, ...]) -> _Point:
    values = [part.value for part in parts]
    times = [part.sampled_at_seconds for part in parts]
    return _Point(
        None if None in values else sum(value for value in values if value is not None),
        None if None in times else min(time for time in times if time is not None),
    )


def _larger(one: _Point, other: _Point) -> _Point:
    """Return the larger; one that is missing stands for anything, so it wins."""
    if one.value is None or other.value is None:
        return _Point(None, one.sampled_at_seconds)
    return one if one.value >= other.value else other


def _key(sample: Sample, labels: tuple[str, ...]) -> Key:
    said = sample.labels.get
    return tuple([said(label, "") for label in labels])
