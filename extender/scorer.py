"""What the HTTP shell asks of the core; every method is called on the event loop's thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from extender.explanation import Explanation
from extender.figures import Figures

JsonObject: TypeAlias = dict[str, Any]

SCORE_MAX = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether the extender knows the cluster; one line for each thing that is missing."""

    ready: bool
    lines: tuple[str, ...] = ()


class Scorer(Protocol):
    """Ranks nodes, and can say why."""

    def prioritize(self, pod: JsonObject, names: Sequence[str]) -> Sequence[int]:
        """One integer from 0 to 10 per name, in the order of the names; never raises."""
        ...

    def filter(self, pod: JsonObject, names: Sequence[str]) -> Mapping[str, str]:
        """Names that must not take the pod, with why; never all of them, never raises."""
        ...

    def explain(self, namespace: str, pod: str) -> Explanation | None:
        """The last decision about a pod; None if there is no such pod."""
        ...

    def figures(self) -> Figures:
        """The state, for metrics."""
        ...

    def readiness(self) -> Readiness:
        """Whether nodes and pods have been listed."""
        ...
