"""Decisions about pods: made by the state of the moment, remembered, summed, sent to the ledger."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import replace

from cluster.model import Pod
from cluster.scheduling.feasibility import reasons
from extender.account import Decided, record
from extender.board import Standing
from extender.figures import Workload
from extender.forgone import ForgoneSums
from extender.judgement import NO_ROW, Judgement, judge
from extender.needs import as_needed
from extender.state import ClusterState
from ledger.decision import PlacementDecision
from telemetry.workload_use import workload_of

OBSERVE = "observe"


class Decisions:
    """Judges pods against a `ClusterState`. One thread owns it.

    Attributes:
        counts: binds by (mode, outcome): `same` (a node of the best rank), `other`, `unknown` (we
            see no node with room), `skipped` or `failed`.
        forgone: watts and joules by workload.
    """

    def __init__(
        self,
        state: ClusterState,
        offer: Callable[[PlacementDecision], object],
        offer_end: Callable[[str, float], object],
    ) -> None:
        self._state, self._offer, self._offer_end = state, offer, offer_end
        self._decided: OrderedDict[str, Decided] = OrderedDict()
        self.counts: Counter[tuple[str, str]] = Counter()
        self.forgone = ForgoneSums()

    def get(self, key: str) -> Decided | None:
        """The decision about a pod that was bound, if it is still remembered."""
        return self._decided.get(key)

    def bound(self, key: str, pod: Pod, row: int) -> None:
        """A pod that stands nowhere yet was bound to a row."""
        state, mode = self._state, mode_of(self._state, pod)
        if state.why_skipped(pod) is not None:
            self.counts[mode, "skipped"] += 1
            state.forget_candidates(key)
            return
        decided = self.decide(key, pod, row, "bound")
        state.forget_candidates(key)
        self._remember(key, decided)
        judgement = decided.judgement
        if judgement.preferred is None or judgement.chosen is None:
            self.counts[mode, "unknown"] += 1
            self._offer(record(decided))
            return
        # Within a rank the scheduler packs, and takes any of several equals.
        same = judgement.preferred.rank == judgement.chosen.rank
        self.counts[mode, "same" if same else "other"] += 1
        found = workload_of(pod)
        workload = Workload(namespace=found.namespace, kind=found.kind, name=found.name)
        self.forgone.began(key, workload, judgement.forgone_watts or 0.0, state.now())
        self._offer(record(decided))

    def ended(self, key: str, uid: str) -> None:
        """A pod that was bound finished or was deleted, be its decision remembered or not."""
        now_seconds = self._state.now()
        self.forgone.ended(key, now_seconds)
        self._offer_end(uid, now_seconds)

    def decide(self, key: str, pod: Pod, row: int, situation: str) -> Decided:
        """Judge a pod by the state without it.

        Raises:
            RuntimeError: no node is known.
        """
        state = self._state
        now_seconds, needs = state.now(), state.needs(pod)
        needed = as_needed(pod, needs)
        standing = state.board.remove(key)
        try:
            scene = state.scene()
            ranked = state.ranked(key, needed, pod, scene)
            scene = replace(scene, rule=ranked.rule)  # another may be in force since
            judgement = judge(scene, needed, ranked, chosen_row=row)
            infeasible: Counter[str] = Counter()
            if row == NO_ROW:
                infeasible.update(why for found in reasons(scene.table, needed) for why in found)
        finally:
            self._put_back(key, standing)
        return Decided(
            pod=pod,
            mode=mode_of(state, pod),
            rule=_rule_name(state.options.rule, scene.rule.name),
            state=situation,
            decided_at_seconds=now_seconds,
            needs=needs,
            judgement=judgement,
            infeasible=dict(infeasible),
            sources={n.node: state.loads.source_of(n.node, now_seconds) for n in judgement.nodes},
            skipped=state.why_skipped(pod),
            notes=(*state.doubts(pod), *_notes(state, judgement)),
        )

    def _put_back(self, key: str, standing: Standing | None) -> None:
        if standing is not None:
            self._state.board.put(
                key,
                standing.pod,
                standing.node_name,
                assumed_until_seconds=standing.assumed_until_seconds,
            )

    def _remember(self, key: str, decided: Decided) -> None:
        self._decided[key] = decided
        self._decided.move_to_end(key)
        while len(self._decided) > self._state.options.decisions_remembered:
            self._decided.popitem(last=False)


def mode_of(state: ClusterState, pod: Pod) -> str:
    """What we do about a pod: of other schedulers' pods we only ever watch the bind."""
    return state.options.mode if state.view.is_ours(pod) else OBSERVE


def _rule_name(configured: str, in_force: str) -> str:
    """What is configured, and what of it ranks just now."""
    return in_force if in_force == configured else f"{configured}/{in_force}"


def _notes(state: ClusterState, judgement: Judgement) -> tuple[str, ...]:
    """Why better sources were passed over for the nodes that matter most."""
    nodes = dict.fromkeys(
        one.node for one in (judgement.chosen, judgement.preferred) if one is not None
    )
    return tuple(f"{node}: {note}" for node in nodes for note in state.loads.notes.get(node, ()))
