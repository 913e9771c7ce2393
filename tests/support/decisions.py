"""Placement decisions for tests: one that says everything, and any that can be made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

from hypothesis import strategies as st

from ledger.decision import NUMBER_MAX, Candidate, PlacementDecision

NOON = 1_790_000_000.0
_DECISION = PlacementDecision(
    decided_at_seconds=NOON,
    mode="observe",
    namespace="shop",
    pod="web-7d9f-abcde",
    uid="0",
    workload_kind="Deployment",
    workload_name="web",
    scheduler_name="default-scheduler",
    node_chosen="old-1",
    node_preferred="new-1",
    chosen_watts=12.5,
    preferred_watts=5.25,
    rule="negawatt",
    reason="class new costs least for this pod",
    candidate_count=3,
    runner_up_node="new-2",
    runner_up_watts=6.0,
    load_source="prometheus",
    load_age_seconds=4.0,
    cpu_millicores=500,
    memory_bytes=2**30,
    needs_source="requests",
    candidates=(
        Candidate(node="new-1", rank=0, cost=5.25, watts=5.25, source="prometheus", age_seconds=4),
        Candidate(node="old-1", rank=1, cost=12.5, watts=12.5, source="requests"),
    ),
)


def made(**changes: Any) -> PlacementDecision:
    """Return the decision of a pod of the Deployment shop/web, with these fields changed."""
    return replace(_DECISION, **changes)


def many(**changes: Any) -> Iterator[PlacementDecision]:
    """Return decisions of ever new pods, a second apart."""
    for number in count():
        pod = {"uid": f"uid-{number}", "pod": f"pod-{number}"}
        yield made(**{**pod, "decided_at_seconds": NOON + number, **changes})


# What databases stumble over: another plane, combining marks, quotes, wildcards, trailing space.
_SIGNS = st.sampled_from(list("abz09-.%_'\"\\ éßЖ日😀\u0301\n"))
_TEXT = st.text(_SIGNS, max_size=20)
_NAME = st.text(_SIGNS, min_size=1, max_size=20)
_NUMBER = st.floats(-NUMBER_MAX, NUMBER_MAX)
_TIME = st.floats(0, 4e9)
_WHOLE = st.integers(0, 2**63 - 1)

_CANDIDATE = st.builds(
    Candidate,
    node=_NAME,
    rank=_WHOLE,
    cost=_NUMBER,
    watts=st.none() | _NUMBER,
    source=_TEXT,
    age_seconds=st.none() | _NUMBER,
)


def decisions(**fixed: st.SearchStrategy) -> st.SearchStrategy[PlacementDecision]:
    """Draw any decision that can be made; `fixed` narrows single fields."""
    fields: dict[str, st.SearchStrategy] = {
        "decided_at_seconds": _TIME,
        "mode": st.sampled_from(["observe", "act"]),
        "namespace": _NAME,
        "pod": _NAME,
        "uid": st.uuids().map(str),
        "workload_kind": _TEXT,
        "workload_name": _TEXT,
        "scheduler_name": _TEXT,
        "node_chosen": _NAME,
        "node_preferred": st.none() | _NAME,
        "chosen_watts": st.none() | _NUMBER,
        "preferred_watts": st.none() | _NUMBER,
        "rule": _TEXT,
        "reason": _NAME,
        "candidate_count": _WHOLE,
        "runner_up_node": st.none() | _NAME,
        "runner_up_watts": st.none() | _NUMBER,
        "load_source": _TEXT,
        "load_age_seconds": st.none() | _NUMBER,
        "cpu_millicores": _WHOLE,
        "memory_bytes": _WHOLE,
        "needs_source": _TEXT,
        "candidates": st.lists(_CANDIDATE, max_size=3).map(tuple),
        "ended_at_seconds": st.none() | _TIME,
    }
    return st.builds(PlacementDecision, **{**fields, **fixed})
