"""Reads wall readings from a CSV: `at_seconds,node,wall_watts` and what the profile predicts.

The prediction is either a column `predicted_watts`, or a column `utilisation_ratio` that is put on
a given curve. An empty `wall_watts` (or NaN) is a reading that the meter missed. Rows may be in any
order; they are replayed by time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from energy.csv_rows import Row, plain_float, read_rows
from energy.drift import LIMITS, Drift, DriftLimits, WallReading, observe
from energy.errors import InputError
from energy.profile import NodePowerProfile, Scope

REQUIRED_COLUMNS: Final = ("at_seconds", "node", "wall_watts")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeReading:
    """A reading, and the node that it is of."""

    node: str
    reading: WallReading


def read_readings(path: Path, profile: NodePowerProfile | None = None) -> list[NodeReading]:
    """Read all readings of a file, in order of time."""
    if profile and profile.scope is not Scope.WALL:
        raise InputError(
            f"the profile {profile.name!r} has scope {profile.scope}, the readings are of the wall",
            where=str(path),
            mend="compare wall readings with a wall profile",
        )
    column = "utilisation_ratio" if profile else "predicted_watts"
    rows = read_rows(path, (*REQUIRED_COLUMNS, column), "wall readings")
    readings = [_reading(row, profile) for row in rows]
    if not readings:
        raise InputError("no reading in the file", where=str(path), mend="give at least one row")
    return sorted(readings, key=lambda each: each.reading.at_seconds)


def replay(
    readings: Sequence[NodeReading], limits: DriftLimits = LIMITS
) -> Iterator[tuple[str, Drift]]:
    """Yield each node and its drift after all of its readings, each seen when it was taken."""
    drifts: dict[str, Drift] = {}
    for each in readings:
        before = drifts.get(each.node, Drift())
        drifts[each.node] = observe(before, each.reading, each.reading.at_seconds, limits)
    yield from sorted(drifts.items())


def _reading(row: Row, profile: NodePowerProfile | None) -> NodeReading:
    node = row.text("node")
    if not node:
        raise row.error("node", "a node's name")
    if profile is None:
        predicted_watts = row.number("predicted_watts")
        if predicted_watts <= 0:
            raise row.error("predicted_watts", "watts above 0")
    else:
        utilisation_ratio = row.number("utilisation_ratio")
        if utilisation_ratio < 0:
            raise row.error("utilisation_ratio", "a ratio from 0 up")
        predicted_watts = profile.curve.watts_at(utilisation_ratio)
    reading = WallReading(
        at_seconds=row.number("at_seconds"),
        wall_watts=_wall_watts(row),
        predicted_watts=predicted_watts,
    )
    return NodeReading(node=node, reading=reading)


def _wall_watts(row: Row) -> float | None:
    text = row.text("wall_watts")
    if not text or text.lower() == "nan":
        return None
    try:
        value = plain_float(text)
    except ValueError:
        raise row.error("wall_watts", "watts, or empty for a missed reading") from None
    return value if math.isfinite(value) else None
