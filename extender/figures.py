"""All that the extender exports of its own state, as one value; `metrics` puts it on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFigures:
    """What is known of a node now. Ages are None where the source does not age."""

    profile_source: str
    load_source: str
    load_age_seconds: float | None
    utilisation_ratio: float
    predicted_watts: float
    measured_watts: float | None = None
    power_source: str = ""
    residual_watts: float | None = None
    drifted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Whom a forgone saving belongs to."""

    namespace: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgone:
    """Signed watts of the pods that run now, and joules so far of all that were seen."""

    watts: float
    joules: float
    decisions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The extender's state.

    ``decisions`` counts by (mode, outcome): outcome `same` (the scheduler chose what we prefer),
    `other`, `skipped`. ``scores`` counts how often each score was given. ``unscored`` counts
    requests answered without ranks, by why. ``sources`` has the age in seconds of each source
    (nodes, pods, cpu-load, ...), infinite if it never answered; ``stale`` names those too old
    to be used. ``unreadable`` counts objects of the cluster that could not be read, by kind.
    ``price_solves`` counts by outcome (solved, kept, fallback).
    """

    mode: str
    rule: str
    nodes: Mapping[str, NodeFigures] = field(default_factory=dict)
    pods: int = 0
    assumed_pods: int = 0
    assumed_expired: int = 0
    queue_pods: int = 0
    decisions: Mapping[tuple[str, str], int] = field(default_factory=dict)
    scores: Mapping[int, int] = field(default_factory=dict)
    unscored: Mapping[str, int] = field(default_factory=dict)
    forgone: Mapping[Workload, Forgone] = field(default_factory=dict)
    sources: Mapping[str, float] = field(default_factory=dict)
    stale: frozenset[str] = frozenset()
    unreadable: Mapping[str, int] = field(default_factory=dict)
    usage_ratio: float = 1.0
    usage_ratio_source: str = ""
    price_solves: Mapping[str, int] = field(default_factory=dict)
    price_solve_seconds: float = 0.0
    price_age_seconds: float | None = None
    ledger_written: int = 0
    ledger_dropped: int = 0
    ledger_forgotten: int = 0
    ledger_pending: int = 0
