"""A scorer whose answers follow from the names alone, and which can be told to fail."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from extender.explanation import Candidate, Explanation, Figure, Needs
from extender.figures import Figures, Forgone, NodeFigures, Workload
from extender.scorer import JsonObject, Readiness

SHOP_WEB = Workload(namespace="shop", kind="Deployment", name="web")
SHOP_JOBS = Workload(namespace="shop", kind="Job", name="nightly")
BLOG = Workload(namespace="blog", kind="StatefulSet", name="posts")


def score_of(name: str) -> int:
    """The score that a node gets, whoever asks."""
    return zlib.crc32(name.encode()) % 11


def node_figures(**changes: object) -> NodeFigures:
    """One node, measured, with an age."""
    known: dict[str, object] = {
        "profile_source": "specpower",
        "load_source": "prometheus",
        "load_age_seconds": 4.5,
        "utilisation_ratio": 0.25,
        "predicted_watts": 140.0,
        "measured_watts": 133.5,
        "power_source": "kepler",
        "residual_watts": -6.5,
    }
    return NodeFigures(**{**known, **changes})


def figures(**changes: object) -> Figures:
    """A state in which every series has a row."""
    known: dict[str, object] = {
        "mode": "observe",
        "rule": "negawatt",
        "nodes": {
            "node-1": node_figures(),
            "node-2": node_figures(
                load_source="requests",
                load_age_seconds=None,
                measured_watts=None,
                residual_watts=None,
                power_source="",
                drifted=True,
            ),
        },
        "pods": 12,
        "assumed_pods": 2,
        "assumed_expired": 1,
        "queue_pods": 3,
        "decisions": {("observe", "same"): 7, ("observe", "other"): 2},
        "scores": {10: 40, 3: 2},
        "unscored": {"not ready": 1},
        "forgone": {
            SHOP_WEB: Forgone(watts=12.5, joules=4000.0, decisions=5),
            SHOP_JOBS: Forgone(watts=-2.0, joules=-10.0, decisions=2),
            BLOG: Forgone(watts=3.25, joules=1.0, decisions=2),
        },
        "sources": {"nodes": 0.5, "cpu-load": float("inf")},
        "stale": frozenset({"cpu-load"}),
        "unreadable": {"pod": 1},
        "usage_ratio": 0.4,
        "usage_ratio_source": "measured",
        "price_solves": {"solved": 9, "kept": 1},
        "price_solve_seconds": 0.03,
        "price_age_seconds": 12.0,
        "ledger_written": 8,
        "ledger_dropped": 1,
        "ledger_forgotten": 3,
        "ledger_pending": 2,
    }
    return Figures(**{**known, **changes})


def explanation(pod: str = "web-1", **changes: object) -> Explanation:
    """A decision with three candidates; the scheduler chose the second best."""
    candidates = tuple(
        Candidate(
            node=node,
            rank=rank,
            score=10 - rank,
            cost=4.0 + rank,
            added_watts=Figure(value=3.5 + 2 * rank, source="specpower"),
            cpu_load=Figure(value=0.25 * rank, source="prometheus", age_seconds=4.0 + rank),
            requested_ratio=0.5,
            reason=f"rank {rank}: {reason}",
            chosen=rank == 1,
            preferred=rank == 0,
        )
        for rank, (node, reason) in enumerate(
            [("node-1", "cheapest core"), ("node-2", "dearer core"), ("node-3", "would wake")]
        )
    )
    known: dict[str, object] = {
        "namespace": "shop",
        "pod": pod,
        "uid": "7d3e",
        "workload": "Deployment/web",
        "mode": "observe",
        "state": "bound",
        "decided_at_seconds": 1_700_000_000.0,
        "scheduler_name": "default-scheduler",
        "rule": "negawatt",
        "needs": Needs(
            cpu_millicores=500,
            memory_bytes=256 * 1024 * 1024,
            source="requests",
            reason="the pod requests it",
        ),
        "candidates": candidates,
        "candidate_count": 3,
        "infeasible": {"too full": 2},
        "node_chosen": "node-2",
        "node_preferred": "node-1",
        "runner_up": "node-2",
        "forgone_watts": 2.0,
        "reason": "node-1 adds the fewest watts [W] of the nodes that it fits on",
        "notes": ("load of node-3 is 6 s old",),
    }
    return Explanation(**{**known, **changes})


@dataclass
class SteadyScorer:
    """Scores by name. ``failing`` raises; ``scores`` and ``failed``, if given, are answered."""

    failing: bool = False
    scores: Sequence[int] | None = None
    failed: Mapping[str, str] = field(default_factory=dict)
    ready: bool = True
    state: Figures = field(default_factory=figures)
    asked: list[tuple[JsonObject, Sequence[str]]] = field(default_factory=list)

    def prioritize(self, pod: JsonObject, names: Sequence[str]) -> Sequence[int]:
        """A score per name, or what the test asked for."""
        self._ask(pod, names)
        return [score_of(name) for name in names] if self.scores is None else self.scores

    def filter(self, pod: JsonObject, names: Sequence[str]) -> Mapping[str, str]:
        """What the test asked for."""
        self._ask(pod, names)
        return self.failed

    def explain(self, namespace: str, pod: str) -> Explanation | None:
        """The pods of the namespace `shop` whose names begin with web are known."""
        return explanation(pod) if namespace == "shop" and pod.startswith("web") else None

    def figures(self) -> Figures:
        """The state that the test gave."""
        return self.state

    def readiness(self) -> Readiness:
        """Ready, unless the test says otherwise."""
        return Readiness(ready=self.ready, lines=() if self.ready else ("pods are not listed yet",))

    def _ask(self, pod: JsonObject, names: Sequence[str]) -> None:
        self.asked.append((pod, names))
        if self.failing:
            raise RuntimeError("the scorer failed, as the test asked")
