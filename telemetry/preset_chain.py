"""Ask the presets of one quantity in order, until every node has a reading that holds.

A preset that brought nothing new is left out for some minutes, so that a cluster with one good
source is asked one good question, not ten. Of one whose query fails the last readings stay, with
the times of their samples, until they are too old to hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from telemetry.node_readings import NodeReading, PresetReadings
from telemetry.presets import Preset
from telemetry.prometheus import PrometheusError

#: After a failure, or when nodes have lost their readings, all presets are tried again so soon.
SOON_SECONDS: Final = 60.0

Ask = Callable[[Preset], PresetReadings]
Holds = Callable[[str, NodeReading], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """How a source fared in one reading.

    Attributes:
        name: the preset's name, or `metrics.k8s.io`.
        quantity: what it measures.
        nodes: for how many nodes its reading is the one that counts, be it one that was kept.
        unmatched: samples of no node that we know.
        strangers: whom the first few of those claim to be of.
        error: why it gave nothing new; empty if it answered.
    """

    name: str
    quantity: str
    nodes: int = 0
    unmatched: int = 0
    strangers: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainReadings:
    """All readings of each node, best preset first, and how the presets fared."""

    by_node: Mapping[str, tuple[NodeReading, ...]]
    statuses: tuple[SourceStatus, ...]


class PresetChain:
    """Presets of one quantity, and which of them are worth asking."""

    def __init__(self, presets: Sequence[Preset], *, probe_seconds: float) -> None:
        self._presets = tuple(presets)
        self._probe_seconds = probe_seconds
        self._useful = frozenset(preset.name for preset in presets)
        self._last: dict[str, PresetReadings] = {}
        self._covered = 0
        self._probe_at_seconds = float("-inf")

    def read(
        self, ask: Ask, holds: Holds, *, nodes: frozenset[str], now_seconds: float
    ) -> ChainReadings:
        """Ask in order until every node has a reading that holds; errors become statuses."""
        probing = now_seconds >= self._probe_at_seconds
        found: dict[str, list[NodeReading]] = {}
        statuses: list[SourceStatus] = []
        lacking = set(nodes)
        for preset in self._presets:
            if not lacking:
                break
            if probing or preset.name in self._useful:
                readings, error = self._asked(preset, ask)
                covered = _spread(readings, holds, nodes=nodes, found=found, lacking=lacking)
                statuses.append(_status(preset, readings, covered, error))
        covered = len(nodes) - len(lacking)
        self._remember(statuses, covered, probing=probing, at_seconds=now_seconds)
        by_node = {node: tuple(readings) for node, readings in found.items()}
        return ChainReadings(by_node=by_node, statuses=tuple(statuses))

    def _asked(self, preset: Preset, ask: Ask) -> tuple[PresetReadings, str]:
        """What a preset says, or said last where its query fails, and why it does."""
        try:
            readings = ask(preset)
        except PrometheusError as error:
            return self._last.get(preset.name, PresetReadings(by_node={})), str(error)
        self._last[preset.name] = readings
        return readings, ""

    def _remember(
        self, statuses: Sequence[SourceStatus], covered: int, *, probing: bool, at_seconds: float
    ) -> None:
        failed = any(status.error for status in statuses)
        if not probing:
            if failed or covered < self._covered:
                self._probe_at_seconds = min(self._probe_at_seconds, at_seconds + SOON_SECONDS)
            return
        self._useful = frozenset(status.name for status in statuses if status.nodes)
        self._covered = covered
        if not covered:
            # Asking for what does not exist costs nothing, and it may begin at any time.
            self._probe_at_seconds = at_seconds
        else:
            pause_seconds = SOON_SECONDS if failed else self._probe_seconds
            self._probe_at_seconds = at_seconds + pause_seconds


def _spread(
    readings: PresetReadings,
    holds: Holds,
    *,
    nodes: frozenset[str],
    found: dict[str, list[NodeReading]],
    lacking: set[str],
) -> int:
    """Add what a preset says to `found`; take whom it covers from `lacking` and count them."""
    covered = 0
    for node, reading in readings.by_node.items():
        if node not in nodes:
            continue  # it went since the readings were kept
        found.setdefault(node, []).append(reading)
        if node in lacking and holds(node, reading):
            lacking.remove(node)
            covered += 1
    return covered


def _status(preset: Preset, readings: PresetReadings, covered: int, error: str) -> SourceStatus:
    return SourceStatus(
        name=preset.name,
        quantity=preset.quantity,
        nodes=covered,
        unmatched=readings.unmatched,
        strangers=readings.strangers,
        error=error,
    )
