"""Prometheus series rendered from figures when asked for; one table of names for text and page.

Prometheus' own client renders 5,000 nodes in a quarter of a second, during which no pod would be
scored. So series of state are rendered here, lazily, and whoever sends them may pause between them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
GAUGE, COUNTER = "gauge", "counter"

Row: TypeAlias = tuple[tuple[str, ...], float]
F = TypeVar("F")


@dataclass(frozen=True, slots=True, kw_only=True)
class Family(Generic[F]):
    """Series of one name, made from figures. A row is the labels' values, in order, and a value."""

    name: str
    kind: str
    text: str
    labels: tuple[str, ...] = ()
    rows: Callable[[F], Iterable[Row]]


def lines(family: Family[F], figures: F) -> Iterator[str]:
    """The family in Prometheus' text format 0.0.4, head first; nothing where it has no rows."""
    head = f"# HELP {family.name} {family.text}\n# TYPE {family.name} {family.kind}\n"
    for values, value in family.rows(figures):
        labels = ",".join(
            f'{label}="{_escaped(text)}"' for label, text in zip(family.labels, values, strict=True)
        )
        braced = f"{{{labels}}}" if labels else ""
        yield f"{head}{family.name}{braced} {_number(value)}\n"
        head = ""


def _escaped(text: str) -> str:
    if text.isalnum():
        return text
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _number(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
