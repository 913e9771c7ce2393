"""A decision as it is remembered, and what it looks like in the ledger and to a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

from cluster.model import Pod
from extender.explanation import Candidate, Explanation, Figure, Needs
from extender.judgement import JudgedNode, Judgement, sentence
from extender.scorer import SCORE_MAX
from ledger.decision import Candidate as CandidateRecord
from ledger.decision import PlacementDecision
from telemetry.workload_use import workload_of

REASON_LENGTH_MAX = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A judgement with its circumstances.

    ``sources`` has each node's load source and its age, ``infeasible`` how many nodes could not
    take a waiting pod, by why.
    """

    pod: Pod
    mode: str
    rule: str
    state: str
    decided_at_seconds: float
    needs: Needs
    judgement: Judgement
    sources: Mapping[str, tuple[str, float | None]]
    infeasible: Mapping[str, int] = field(default_factory=dict)
    skipped: str | None = None
    notes: tuple[str, ...] = ()


def uid_of(pod: Pod) -> str:
    """The pod's id, or its name where it has none (files, tests)."""
    return pod.uid or f"{pod.namespace}/{pod.name}"


def record(decided: Decided) -> PlacementDecision:
    """The decision as the ledger keeps it.

    Raises:
        InputError: a value that no ledger could keep, or the pod was not bound.
    """
    judgement = decided.judgement
    chosen, preferred, after = judgement.chosen, judgement.preferred, judgement.runner_up
    pod = decided.pod
    workload = workload_of(pod)
    shown = chosen or preferred
    source, age_seconds = decided.sources.get(shown.node, ("", None)) if shown else ("", None)
    return PlacementDecision(
        decided_at_seconds=decided.decided_at_seconds,
        mode=cast("Literal['observe', 'act']", decided.mode),
        namespace=workload.namespace,
        pod=pod.name,
        uid=uid_of(pod),
        workload_kind=workload.kind,
        workload_name=workload.name,
        scheduler_name=pod.scheduler_name,
        node_chosen=chosen.node if chosen else "",
        node_preferred=preferred.node if preferred else None,
        chosen_watts=chosen.added_watts if chosen else None,
        preferred_watts=preferred.added_watts if preferred else None,
        rule=decided.rule,
        reason=sentence(judgement, decided.rule)[:REASON_LENGTH_MAX],
        candidate_count=judgement.candidate_count,
        runner_up_node=after.node if after else None,
        runner_up_watts=after.added_watts if after else None,
        load_source=source,
        load_age_seconds=age_seconds,
        cpu_millicores=decided.needs.cpu_millicores,
        memory_bytes=decided.needs.memory_bytes,
        needs_source=decided.needs.source,
        candidates=tuple(
            CandidateRecord(
                node=node.node,
                rank=node.rank,
                cost=node.cost_watts,
                watts=node.added_watts,
                source=decided.sources.get(node.node, ("", None))[0],
                age_seconds=decided.sources.get(node.node, ("", None))[1],
            )
            for node in judgement.nodes
        ),
    )


def explanation(decided: Decided) -> Explanation:
    """The decision as a person reads it."""
    judgement, pod = decided.judgement, decided.pod
    workload = workload_of(pod)
    chosen, preferred, after = judgement.chosen, judgement.preferred, judgement.runner_up
    listed = judgement.nodes
    if decided.skipped:
        preferred, after, listed = None, None, ()  # nobody ranked anything
    return Explanation(
        namespace=workload.namespace,
        pod=pod.name,
        uid=uid_of(pod),
        workload=f"{workload.kind}/{workload.name}",
        mode=decided.mode,
        state=decided.state,
        decided_at_seconds=decided.decided_at_seconds,
        scheduler_name=pod.scheduler_name,
        rule=decided.rule,
        needs=decided.needs,
        candidates=tuple(_candidate(decided, node) for node in listed),
        candidate_count=judgement.candidate_count,
        infeasible=dict(decided.infeasible),
        node_chosen=chosen.node if chosen else None,
        node_preferred=preferred.node if preferred else None,
        runner_up=after.node if after else None,
        forgone_watts=None if decided.skipped else judgement.forgone_watts,
        reason=decided.skipped or sentence(judgement, decided.rule),
        skipped=decided.skipped,
        notes=decided.notes,
    )


def _candidate(decided: Decided, node: JudgedNode) -> Candidate:
    source, age_seconds = decided.sources.get(node.node, ("", None))
    judgement = decided.judgement
    return Candidate(
        node=node.node,
        rank=node.rank,
        score=max(0, SCORE_MAX - node.rank),
        cost=node.cost_watts,
        added_watts=Figure(value=node.added_watts, source=node.power_source),
        cpu_load=Figure(value=node.load_ratio, source=source, age_seconds=age_seconds),
        requested_ratio=node.requested_ratio,
        reason=node.reason,
        chosen=judgement.chosen is not None and node.row == judgement.chosen.row,
        preferred=judgement.preferred is not None and node.row == judgement.preferred.row,
    )
