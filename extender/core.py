"""The extender's core: it follows the cluster, ranks nodes for a pod, and judges every bind.

One thread owns it (the event loop's). Nothing here waits: programs are solved elsewhere and their
outcome is taken over as a whole, the ledger is offered records, clocks are arguments.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cluster.kube.convert import read_pod
from cluster.model import Node, Pod
from energy.catalogue import Catalogue
from extender.account import explanation, uid_of
from extender.cluster_view import is_finished
from extender.decisions import Decisions
from extender.explanation import Explanation
from extender.figures import Figures, NodeFigures
from extender.judgement import NO_ROW, Scene, use_cores
from extender.loads import MeasuredLoad
from extender.node_figures import node_figures
from extender.options import CoreOptions
from extender.rankings import Job, Moment, Solved
from extender.scorer import SCORE_MAX, JsonObject, Readiness
from extender.scoring import score_of_rank
from extender.state import ACT, REBUILD_SECONDS, ClusterState
from ledger.decision import PlacementDecision
from telemetry.workload_use import WorkloadKey, WorkloadUse

__all__ = ["Core", "CoreOptions"]

_log = logging.getLogger(__name__)


class Core:
    """A `Scorer` over a cluster that it is told about.

    ``offer`` and ``offer_end`` take records for the ledger, ``now`` gives Unix seconds.
    """

    def __init__(
        self,
        options: CoreOptions,
        *,
        now: Callable[[], float],
        catalogue: Catalogue | None = None,
        offer: Callable[[PlacementDecision], object] = lambda _: None,
        offer_end: Callable[[str, float], object] = lambda _uid, _at: None,
    ) -> None:
        self._options, self._now = options, now
        self._state = ClusterState(options, now, catalogue or Catalogue.shipped())
        self._decisions = Decisions(self._state, offer, offer_end)
        self._live = False
        self._scores: Counter[int] = Counter()
        self._unscored: Counter[str] = Counter()
        self._expired = 0
        self._rebuilt_seconds = float("-inf")

    # What the cluster says.

    def catalogue_changed(self, catalogue: Catalogue) -> None:
        """Take over other power profiles."""
        self._state.catalogue_changed(catalogue)

    def node_changed(self, before: Node | None, after: Node | None) -> None:
        """A node came, changed or went."""
        self._state.node_changed(before, after)

    def namespace_changed(self, name: str, labels: Mapping[str, str] | None) -> None:
        """A namespace came, changed or went (None)."""
        state = self._state
        state.namespace_changed(name, labels)
        for key, pod in list(state.view.waiting.items()):
            if pod.namespace == name:
                self._pod_waits(key, pod)  # it may have opted out, or in

    def pod_changed(self, key: str, pod: Pod | None) -> None:
        """A pod came, changed, was bound, finished, or went (None)."""
        self._state.unread.pop(key, None)
        known = self._state.board.get(key)
        if pod is not None and known is not None and known.pod.uid != pod.uid:
            self._pod_gone(key)  # another pod of the name; that the first one went was not told
        if pod is None or is_finished(pod):
            self._pod_gone(key)
        elif pod.node_name is None:
            self._pod_waits(key, pod)
        else:
            self._pod_bound(key, pod, pod.node_name)

    def pod_unreadable(self, key: str, node_name: str | None) -> None:
        """A pod is there and could not be read: its last good copy stays.

        A node of which nothing else is known of the pod is closed until it is read, or gone.
        """
        standing = self._state.board.get(key)
        if node_name is not None and (standing is None or standing.node_name != node_name):
            self._state.unread[key] = node_name

    def went_live(self) -> None:
        """All that ran before has been told: from now on every bind is a decision."""
        self._live = True
        self._state.take_over(first=True)

    def readings(
        self,
        loads: Mapping[str, MeasuredLoad],
        usage_ratio: float | None,
        observed: Mapping[WorkloadKey, WorkloadUse],
        notes: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        """What was measured: loads by node, use over requests, use by workload.

        ``notes`` say by node which sources were passed over, and why.
        """
        self._state.readings(loads, usage_ratio, observed, notes)

    # What is to be done beside requests.

    def refresh(self) -> None:
        """Drop what is too old, and take over nodes that came or went."""
        now_seconds, state = self._now(), self._state
        for key, standing in state.board.expire(now_seconds):
            self._expired += 1
            state.taken_off(key, standing)
            state.forget_candidates(key)
            waiting = state.view.waiting.get(key)
            if waiting is not None:
                self._pod_waits(key, waiting)
        state.loads.drop_stale(now_seconds, self._options.stale_seconds)
        if self._live and now_seconds >= self._rebuilt_seconds + REBUILD_SECONDS:
            self._rebuilt_seconds = now_seconds
            state.take_over()

    def job(self) -> Job | None:
        """A program to solve on another thread, if there is one; give it to `solved`."""
        state = self._state
        if state.table is None:
            return None
        moment = Moment(state.table, state.board.busy)
        return state.rankings.job(moment, state.view.queue, state.running, self._now())

    def solved(self, solved: Solved) -> None:
        """Take over what was solved."""
        self._state.rankings.publish(solved, self._state.view.queue)

    def job_failed(self, job: Job) -> None:
        """A job ended in an error."""
        self._state.rankings.failed(job, self._now())

    # What the scheduler asks.

    def prioritize(self, pod: JsonObject, names: Sequence[str]) -> Sequence[int]:
        """Scores by name; the same for all where we do not rank."""
        found = self._read(pod)
        why = self._why_unscored(found)
        table, rule = self._state.table, self._state.rankings.rule()
        if found is not None and why is None:
            self._state.retract(f"{found.namespace}/{found.name}")  # it is asked about again
        if found is None or why is not None or table is None or rule is None:
            self._unscored[why or "no-nodes"] += 1
            return [0] * len(names)
        key, needed = f"{found.namespace}/{found.name}", self._state.needed(found)
        row_of = table.index_of.get
        places = np.array([row_of(name, NO_ROW) for name in names], dtype=np.int64)
        known = places >= 0
        rows = places[known]
        if not len(rows):
            self._unscored["no-nodes"] += 1
            self._wait_again(key)
            return [0] * len(names)
        ranked = self._state.rank(rule, needed, found, rows)
        scores = np.zeros(len(names), dtype=np.int64)
        scores[known] = score_of_rank(ranked.rank)
        self._count(scores)
        self._state.assume(key, needed, ranked)
        given: list[int] = scores.tolist()
        return given

    def filter(self, pod: JsonObject, names: Sequence[str]) -> Mapping[str, str]:
        """Names that a utilisation ceiling closes to the pod; none if it closes all."""
        found, table = self._read(pod), self._state.table
        if found is None or table is None or self._why_unscored(found) is not None:
            return {}
        self._state.retract(f"{found.namespace}/{found.name}")
        known = [name for name in names if name in table.index_of]
        rows = np.array([table.index_of[name] for name in known], dtype=np.int64)
        closed = self._state.closed(self._state.needed(found), found, rows)
        if closed is None or closed.all():
            return {}
        return {
            name: "a latency-critical pod's utilisation ceiling"
            for name, is_closed in zip(known, closed, strict=True)
            if is_closed
        }

    def explain(self, namespace: str, pod: str) -> Explanation | None:
        """The decision about a pod; what would be chosen now for one that waits."""
        key, state = f"{namespace}/{pod}", self._state
        decided = self._decisions.get(key)
        waiting, standing = state.view.waiting.get(key), state.board.get(key)
        present = waiting or (None if standing is None else standing.pod)
        if decided is not None and present is None:
            return explanation(replace(decided, state="ended"))
        if decided is not None and present is not None and uid_of(decided.pod) == uid_of(present):
            return explanation(decided)
        if state.table is None or state.rankings.rule() is None:
            return None
        if waiting is not None:
            situation = "pending" if standing is None else "scored"
            return explanation(self._decisions.decide(key, waiting, NO_ROW, situation))
        if standing is None:
            return None
        decided = self._decisions.decide(key, standing.pod, standing.row, "bound-before")
        return explanation(decided)

    def scene(self) -> Scene | None:
        """The nodes as a pod would meet them now; None before any node is known."""
        if not self._live or self._state.table is None or self._state.rankings.rule() is None:
            return None
        return self._state.scene()

    def readiness(self) -> Readiness:
        """Whether nodes and pods have been listed."""
        if not self._live:
            return Readiness(ready=False, lines=("nodes and pods have not been listed yet",))
        if self._state.table is None:
            return Readiness(ready=False, lines=("there is no node that offers CPU and memory",))
        return Readiness(ready=True)

    def figures(self) -> Figures:
        """The state, for metrics; sources and ledger are added by whoever knows them."""
        now_seconds, state = self._now(), self._state
        solved_at = state.rankings.solved_at_seconds
        return Figures(
            mode=self._options.mode,
            rule=self._options.rule,
            nodes=self.node_figures(),
            pods=len(state.board) - state.board.assumed,
            assumed_pods=state.board.assumed,
            assumed_expired=self._expired,
            queue_pods=len(state.view.queue),
            decisions=dict(self._decisions.counts),
            scores=dict(self._scores),
            unscored=dict(self._unscored),
            forgone=self._decisions.forgone.totals(now_seconds),
            usage_ratio=state.usage_ratio,
            usage_ratio_source=state.usage_source,
            price_solves=dict(state.rankings.solves),
            price_solve_seconds=state.rankings.solve_seconds,
            price_age_seconds=None if solved_at is None else max(0.0, now_seconds - solved_at),
        )

    def node_figures(self) -> dict[str, NodeFigures]:
        """Load and predicted watts of each node."""
        state = self._state
        if state.table is None or state.fleet is None:
            return {}
        return node_figures(
            state.table,
            state.fleet,
            state.loads,
            state.board.busy,
            nodes_may_sleep=self._options.nodes_may_sleep,
            now_seconds=self._now(),
        )

    # Pods.

    def _pod_gone(self, key: str) -> None:
        state = self._state
        state.view.waits_no_more(key)
        state.rankings.gone(key)
        standing = state.board.remove(key)
        if standing is not None:
            state.taken_off(key, standing)
        state.forget_candidates(key)
        if standing is not None and standing.assumed_until_seconds is None:
            self._decisions.ended(key, uid_of(standing.pod))

    def _pod_waits(self, key: str, pod: Pod) -> None:
        state = self._state
        needed = None if state.why_skipped(pod) else state.needed(pod)
        state.view.waits(key, pod, needed)
        if state.board.get(key) is not None:
            state.view.queue.pop(key, None)  # it is assumed to be placed
        elif key not in state.view.queue:
            state.rankings.gone(key)

    def _pod_bound(self, key: str, pod: Pod, node_name: str) -> None:
        state = self._state
        standing = state.board.get(key)
        if standing is not None and standing.assumed_until_seconds is None:
            self._pod_still_bound(key, pod, node_name)
            return
        if standing is not None:
            state.retract(key)
        state.view.waits_no_more(key)
        row = self._row_of(node_name)
        if self._live and row != NO_ROW:
            try:
                self._decisions.bound(key, pod, row)
            except Exception:  # noqa: BLE001 - whatever is wrong with a record, the pod takes its room
                _log.exception("the bind of %s could not be judged", key)
                self._decisions.counts[self._options.mode, "failed"] += 1
        elif self._live:
            self._decisions.counts[self._options.mode, "failed"] += 1  # a node that offers nothing
        state.seated(key, state.board.put(key, pod, node_name))
        state.loads.came(node_name, use_cores(pod, state.usage_ratio), self._now())

    def _pod_still_bound(self, key: str, pod: Pod, node_name: str) -> None:
        """Only what a pod takes and what others see of it matters; most changes are of status."""
        state = self._state
        known = state.board.get(key)
        if known is None or (
            known.node_name == node_name
            and _stands_alike(known.pod, pod)
            and known.ceiling_ratio == state.ceiling(pod)
        ):
            return
        state.rankings.changed(known.pod, pod)
        state.board.put(key, pod, node_name)

    # Small questions.

    def _wait_again(self, key: str) -> None:
        """A pod that is assumed nowhere any more is part of the queue again."""
        waiting = self._state.view.waiting.get(key)
        if waiting is not None:
            self._pod_waits(key, waiting)

    def _row_of(self, node_name: str) -> int:
        """Row of a node that may have come this moment; -1 where it cannot be ranked."""
        state = self._state
        if self._live and (state.table is None or node_name not in state.table.index_of):
            state.take_over()
        return NO_ROW if state.table is None else state.table.index_of.get(node_name, NO_ROW)

    def _read(self, pod: JsonObject) -> Pod | None:
        """The pod of a request; the informers' copy where it is the same one."""
        metadata = pod.get("metadata")
        if not isinstance(metadata, dict):
            return None
        key = f"{metadata.get('namespace')}/{metadata.get('name')}"
        known = self._state.view.waiting.get(key)
        if known is not None and known.uid == metadata.get("uid"):
            return known
        return read_pod(pod).value

    def _why_unscored(self, pod: Pod | None) -> str | None:
        if pod is None:
            return "unreadable"
        if self._options.mode != ACT:
            return "observing"
        return "skipped" if self._state.why_skipped(pod) else None

    def _count(self, scores: NDArray[np.int64]) -> None:
        given = np.bincount(scores, minlength=SCORE_MAX + 1)
        for score in np.flatnonzero(given).tolist():
            self._scores[score] += int(given[score])


def _stands_alike(before: Pod, after: Pod) -> bool:
    """Whether two readings of a pod take the same of a node and look the same to others."""
    return (
        before.uid == after.uid
        and before.requests == after.requests
        and before.scored_requests == after.scored_requests
        and before.labels == after.labels
        and before.terminating == after.terminating
    )
