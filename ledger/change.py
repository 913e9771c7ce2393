"""A change of the schema: to which revision, and which way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Direction = Literal["upgrade", "downgrade"]


@dataclass(frozen=True, slots=True)
class Change:
    """Up or down to a revision (`base` is none)."""

    direction: Direction
    target: str
