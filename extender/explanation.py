"""What the extender says of one pod: its candidates, what each would cost, and whence that is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Figure(_Frozen):
    """A number with where it comes from and how old it is (None: it does not age)."""

    value: float | None
    source: str
    age_seconds: float | None = None


class Candidate(_Frozen):
    """One node for one pod.

    ``rank`` is 0 for the cheapest class of nodes, ``score`` what kube-scheduler was told: 10 less
    the rank, at least 0. ``added_watts`` is what the pod adds to the node's power now, the node's
    waking included where it may sleep and is empty; ``cost`` is what the rule compares.
    """

    node: str
    rank: int
    score: int
    cost: float
    added_watts: Figure
    cpu_load: Figure
    requested_ratio: float
    reason: str
    chosen: bool = False
    preferred: bool = False


class Needs(_Frozen):
    """What the pod is taken to need, and why: its requests, its workload's use, a label."""

    cpu_millicores: int
    memory_bytes: int
    source: str
    reason: str


class Explanation(_Frozen):
    """One decision, as it was made.

    ``state`` is `bound`, `bound-before` (before the extender watched; judged by what it sees now),
    `scored` (not bound yet), `pending` (what would be chosen now) or `ended` (the pod is gone; this
    was its decision).
    ``forgone_watts`` is signed: what the chosen node adds beyond the preferred one.
    ``skipped`` says why the pod was not ranked (opted out, ours, ...), None if it was.
    """

    namespace: str
    pod: str
    uid: str
    workload: str
    mode: str
    state: str
    decided_at_seconds: float
    scheduler_name: str
    rule: str
    needs: Needs
    candidates: tuple[Candidate, ...]
    candidate_count: int
    infeasible: dict[str, int]
    node_chosen: str | None
    node_preferred: str | None
    runner_up: str | None
    forgone_watts: float | None
    reason: str
    notes: tuple[str, ...] = ()
    skipped: str | None = None
