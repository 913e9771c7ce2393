"""Placement decisions for tests: one that says everything, and any that can be made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

from hypothesis import strategies as st

from ledger.checks import NUMBER_MAX
from ledger.decision import Candidate, PlacementDecision

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
TEXT = st.text(_SIGNS, max_size=20)
NAME = st.text(_SIGNS, min_size=1, max_size=20)
NUMBER = st.floats(-NUMBER_MAX, NUMBER_MAX)
TIME = st.floats(0, 4e9)
WHOLE = st.integers(0, 2**63 - 1)

_CANDIDATE = st.builds(
    Candidate,
    node=NAME,
    rank=WHOLE,
    cost=NUMBER,
    watts=st.none() | NUMBER,
    source=TEXT,
    age_seconds=st.none() | NUMBER,
)


def decisions(**fixed: st.SearchStrategy) -> st.SearchStrategy[PlacementDecision]:
    """Draw any decision that can be made; `fixed` narrows single fields."""
    fields: dict[str, st.SearchStrategy] = {
        "decided_at_seconds": TIME,
        "mode": st.sampled_from(["observe", "act"]),
        "namespace": NAME,
        "pod": NAME,
        "uid": st.uuids().map(str),
        "workload_kind": TEXT,
        "workload_name": TEXT,
        "scheduler_name": TEXT,
        "node_chosen": NAME,
        "node_preferred": st.none() | NAME,
        "chosen_watts": st.none() | NUMBER,
        "preferred_watts": st.none() | NUMBER,
        "rule": TEXT,
        "reason": NAME,
        "candidate_count": WHOLE,
        "runner_up_node": st.none() | NAME,
        "runner_up_watts": st.none() | NUMBER,
        "load_source": TEXT,
        "load_age_seconds": st.none() | NUMBER,
        "cpu_millicores": WHOLE,
        "memory_bytes": WHOLE,
        "needs_source": TEXT,
        "candidates": st.lists(_CANDIDATE, max_size=3).map(tuple),
        "ended_at_seconds": st.none() | TIME,
    }
    return st.builds(PlacementDecision, **{**fields, **fixed})
