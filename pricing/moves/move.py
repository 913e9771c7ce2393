"""One move of a running pod."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.model import Pod


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Evict a pod from one node and place it on another; both are rows of the table.

    ``reason`` says what the move, or the set it belongs to, saves.
    """

    pod: Pod
    source: int
    target: int
    reason: str
