"""The extender's core: it follows the cluster, ranks nodes for a pod, and judges every bind.

One thread owns it (the event loop's). Nothing here waits: programs are solved elsewhere and their
outcome is taken over as a whole, the ledger is offered records, clocks are arguments.
"""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cluster.kube.convert import read_pod
from cluster.model import Node, Pod
from cluster.scheduling.feasibility import feasible
from cluster.scheduling.table import NodeTable
from energy.catalogue import Catalogue
from extender.account import Decided, explanation, record
from extender.board import Board, Standing
from extender.cluster_view import ClusterView, is_finished
from extender.explanation import Explanation, Needs
from extender.figures import Figures, NodeFigures, Workload
from extender.fleet import PoweredFleet, ProfileFinder, offers_cpu, powered_fleet
from extender.forgone import ForgoneSums
from extender.judgement import NO_ROW, Scene, judge, use_cores
from extender.loads import Loads, MeasuredLoad
from extender.needs import as_needed, needs_of
from extender.node_figures import node_figures
from extender.rankings import Job, Rankings, Solved
from extender.scorer import SCORE_MAX, JsonObject, Readiness
from extender.scoring import candidate_ranks, packed_best, score_of_rank
from extender.treatment import ceiling_ratio, skipped
from ledger.decision import PlacementDecision
from pricing.demand import ExpectedDemand
from telemetry.workload_use import WorkloadKey, WorkloadUse, workload_of

_log = logging.getLogger(__name__)

# A usage ratio within this of the one in force changes nothing: rules are rebuilt for each.
USAGE_RATIO_STEP = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreOptions:
    """What an operator decides; see `extender.settings` for each."""

    mode: str = "observe"
    rule: str = "negawatt"
    scheduler_names: tuple[str, ...] = ("negawatt",)
    usage_ratio: float | None = None
    usage_ratio_fallback: float = 0.5
    nodes_may_sleep: bool = False
    utilisation_ceiling_ratio: float = 0.7
    assume_seconds: float = 10.0
    stale_seconds: float = 120.0
    decisions_remembered: int = 10_000
    expected_demand: ExpectedDemand | None = None


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
        self._offer, self._offer_end = offer, offer_end
        self._finder = ProfileFinder(catalogue or Catalogue.shipped())
        self._view = ClusterView(options.scheduler_names)
        self._board = Board(self._ceiling)
        self._usage_ratio = (
            options.usage_ratio_fallback if options.usage_ratio is None else options.usage_ratio
        )
        self._usage_source = "stated" if options.usage_ratio is not None else "fallback"
        self._loads = Loads(self._usage_ratio)
        self._rankings = Rankings(options.rule, options.expected_demand)
        self._fleet: PoweredFleet | None = None
        self._nodes_dirty = False
        self._live = False
        self._observed: Mapping[WorkloadKey, WorkloadUse] = {}
        self._forgone = ForgoneSums()
        self._decided: OrderedDict[str, Decided] = OrderedDict()
        self._scored: OrderedDict[str, NDArray[np.int64]] = OrderedDict()
        self._running = 0
        self._scores: Counter[int] = Counter()
        self._unscored: Counter[str] = Counter()
        self._decisions: Counter[tuple[str, str]] = Counter()
        self._expired = 0

    # What the cluster says.

    def catalogue_changed(self, catalogue: Catalogue) -> None:
        """Take over other power profiles."""
        self._finder = ProfileFinder(catalogue)
        self._nodes_dirty = True

    def node_changed(self, before: Node | None, after: Node | None) -> None:
        """A node came, changed or went."""
        if after is None:
            if before is not None and self._view.nodes.pop(before.name, None) is not None:
                self._nodes_dirty = True
            return
        known = self._view.nodes.get(after.name)
        if known == after:
            return  # a heartbeat
        self._view.nodes[after.name] = after
        if known is None or not self._replaced(known, after):
            self._nodes_dirty = True

    def _replaced(self, known: Node, after: Node) -> bool:
        """Whether the change could be made in place: the node stays in its class."""
        table = self._board.table
        if table is None or known.name not in table.index_of:
            return not offers_cpu(after)
        if known.allocatable != after.allocatable or known.pods_max != after.pods_max:
            return False
        if self._finder.profile(known) != self._finder.profile(after):
            return False
        self._board.replace_node(after)
        return True

    def namespace_changed(self, name: str, labels: Mapping[str, str] | None) -> None:
        """A namespace came, changed or went (None)."""
        known = self._view.namespace_labels.get(name)
        if labels is None:
            self._view.namespace_labels.pop(name, None)
        else:
            self._view.namespace_labels[name] = labels
        if known != labels and self._board.table is not None:
            self._board.table.namespace_labels = dict(self._view.namespace_labels)

    def pod_changed(self, key: str, pod: Pod | None) -> None:
        """A pod came, changed, was bound, finished, or went (None)."""
        if pod is None or is_finished(pod):
            self._pod_gone(key)
        elif pod.node_name is None:
            self._pod_waits(key, pod)
        else:
            self._pod_bound(key, pod, pod.node_name)

    def went_live(self) -> None:
        """All that ran before has been told: from now on every bind is a decision."""
        self._live = True
        self._nodes_dirty = True
        self.refresh()

    def readings(
        self,
        loads: Mapping[str, MeasuredLoad],
        usage_ratio: float | None,
        observed: Mapping[WorkloadKey, WorkloadUse],
    ) -> None:
        """What was measured: loads by node, use over requests, use by workload."""
        self._loads.measured(loads)
        self._observed = observed
        if self._options.usage_ratio is not None:
            return
        wanted = self._options.usage_ratio_fallback if usage_ratio is None else usage_ratio
        self._usage_source = "fallback" if usage_ratio is None else "measured"
        if abs(wanted - self._usage_ratio) >= USAGE_RATIO_STEP:
            self._usage_ratio = min(1.0, max(USAGE_RATIO_STEP, wanted))
            self._loads.usage_ratio = self._usage_ratio
            self._tell_rankings()

    # What is to be done beside requests.

    def refresh(self) -> None:
        """Drop what is too old, and take over nodes that came or went."""
        now = self._now()
        for key, standing in self._board.expire(now):
            self._expired += 1
            self._taken_off(key, standing)
            waiting = self._view.waiting.get(key)
            if waiting is not None:
                self._pod_waits(key, waiting)
        self._loads.drop_stale(now, self._options.stale_seconds)
        if self._nodes_dirty and self._live:
            self._nodes_dirty = False
            self._rebuild()

    def _rebuild(self) -> None:
        nodes = [node for node in self._view.sorted_nodes() if offers_cpu(node)]
        self._board.rebuild(nodes, self._view.namespace_labels)
        self._scored.clear()
        table = self._board.table
        if table is None:
            self._fleet = None
            return
        self._fleet = powered_fleet(nodes, self._finder)
        self._loads.take_over(table)
        self._tell_rankings()

    def _tell_rankings(self) -> None:
        if self._fleet is None:
            return
        told = self._fleet.told(
            usage_ratio=self._usage_ratio, nodes_may_sleep=self._options.nodes_may_sleep
        )
        self._rankings.take_over(told, (standing.pod for _, standing in self._board))

    def job(self) -> Job | None:
        """A program to solve on another thread, if there is one; give it to `solved`."""
        if self._board.table is None:
            return None
        return self._rankings.job(self._board.table, self._view.queue, self._running, self._now())

    def solved(self, solved: Solved) -> None:
        """Take over what was solved."""
        self._rankings.publish(solved, self._view.queue)

    def job_failed(self, job: Job) -> None:
        """A job ended in an error."""
        self._rankings.failed(job, self._now())

    # What the scheduler asks.

    def prioritize(self, pod: JsonObject, names: Sequence[str]) -> Sequence[int]:
        """Scores by name; the same for all where we do not rank."""
        found = self._read(pod)
        why = self._why_unscored(found)
        if found is None or why is not None:
            self._unscored[why or "unreadable"] += 1
            return [0] * len(names)
        key, needed = f"{found.namespace}/{found.name}", self._needed(found)
        table = self._board.table
        rule = self._rankings.rule()
        if table is None or rule is None:
            self._unscored["no-nodes"] += 1
            return [0] * len(names)
        self._retract(key)
        row_of = table.index_of.get
        places = np.array([row_of(name, NO_ROW) for name in names], dtype=np.int64)
        known = places >= 0
        rows = places[known]
        if not len(rows):
            self._unscored["no-nodes"] += 1
            return [0] * len(names)
        rank = candidate_ranks(rule, table, needed, rows, self._closed(needed, found, rows))
        scores = np.zeros(len(names), dtype=np.int64)
        scores[known] = score_of_rank(rank)
        self._count(scores)
        self._assume(key, needed, found, rows, rank)
        return scores.tolist()

    def filter(self, pod: JsonObject, names: Sequence[str]) -> Mapping[str, str]:
        """Names that a utilisation ceiling closes to the pod; none if it closes all."""
        found, table = self._read(pod), self._board.table
        if found is None or table is None or self._why_unscored(found) is not None:
            return {}
        known = [name for name in names if name in table.index_of]
        rows = np.array([table.index_of[name] for name in known], dtype=np.int64)
        closed = self._closed(self._needed(found), found, rows)
        if closed is None or closed.all():
            return {}
        return {
            name: "a latency-critical pod's utilisation ceiling"
            for name, is_closed in zip(known, closed, strict=True)
            if is_closed
        }

    def explain(self, namespace: str, pod: str) -> Explanation | None:
        """The decision about a pod; what would be chosen now for one that waits."""
        key = f"{namespace}/{pod}"
        decided = self._decided.get(key)
        if decided is not None:
            return explanation(decided)
        waiting = self._view.waiting.get(key)
        standing = self._board.get(key)
        if self._board.table is None:
            return None
        if waiting is not None:
            state = "scored" if standing is not None else "pending"
            return explanation(self._decide(key, waiting, NO_ROW, state))
        if standing is None:
            return None
        return explanation(self._decide(key, standing.pod, standing.row, "bound-before"))

    def readiness(self) -> Readiness:
        """Whether nodes and pods have been listed."""
        if not self._live:
            return Readiness(ready=False, lines=("nodes and pods have not been listed yet",))
        if self._board.table is None:
            return Readiness(ready=False, lines=("there is no node that offers CPU and memory",))
        return Readiness(ready=True)

    def figures(self) -> Figures:
        """The state, for metrics; sources and ledger are added by whoever knows them."""
        now = self._now()
        solved_at = self._rankings.solved_at_seconds
        return Figures(
            mode=self._options.mode,
            rule=self._options.rule,
            nodes=self._node_figures(now),
            pods=len(self._board) - self._board.assumed,
            assumed_pods=self._board.assumed,
            assumed_expired=self._expired,
            queue_pods=len(self._view.queue),
            decisions=dict(self._decisions),
            scores=dict(self._scores),
            unscored=dict(self._unscored),
            forgone=self._forgone.totals(now),
            usage_ratio=self._usage_ratio,
            usage_ratio_source=self._usage_source,
            price_solves=dict(self._rankings.solves),
            price_solve_seconds=self._rankings.solve_seconds,
            price_age_seconds=None if solved_at is None else max(0.0, now - solved_at),
        )

    def _node_figures(self, now_seconds: float) -> dict[str, NodeFigures]:
        table, fleet = self._board.table, self._fleet
        if table is None or fleet is None:
            return {}
        return node_figures(
            table,
            fleet,
            self._loads,
            nodes_may_sleep=self._options.nodes_may_sleep,
            now_seconds=now_seconds,
        )

    # Pods.

    def _pod_gone(self, key: str) -> None:
        self._view.waits_no_more(key)
        self._rankings.gone(key)
        standing = self._board.remove(key)
        if standing is not None:
            self._taken_off(key, standing)
        self._scored.pop(key, None)
        decided = self._decided.get(key)
        if decided is not None and decided.bound and not decided.ended:
            now = self._now()
            self._forgone.ended(key, now)
            self._offer_end(decided.uid, now)
            self._decided[key] = replace(decided, ended=True)

    def _pod_waits(self, key: str, pod: Pod) -> None:
        needed = None if self._why_skipped(pod) else self._needed(pod)
        self._view.waits(key, pod, needed)
        if self._board.get(key) is not None:
            self._view.queue.pop(key, None)  # it is assumed to be placed
        if key not in self._view.queue and self._board.get(key) is None:
            self._rankings.gone(key)

    def _pod_bound(self, key: str, pod: Pod, node_name: str) -> None:
        standing = self._board.get(key)
        bound_already = standing is not None and standing.assumed_until_seconds is None
        if standing is not None and bound_already:
            if standing.node_name == node_name and standing.pod.requests == pod.requests:
                return  # only its status changed
            self._board.put(key, pod, node_name)
            return
        if standing is not None:
            self._board.remove(key)
            self._taken_off(key, standing)
        self._view.waits_no_more(key)
        table = self._board.table
        row = NO_ROW if table is None else table.index_of.get(node_name, NO_ROW)
        if self._live and row != NO_ROW:
            try:
                self._decision(key, pod, row)
            except Exception:  # noqa: BLE001
                # Whatever is wrong with one record, the pod takes its room on the node.
                _log.exception("the bind of %s could not be judged", key)
                self._decisions[self._options.mode, "failed"] += 1
        seated = self._board.put(key, pod, node_name)
        self._seated(key, seated)
        self._loads.came(node_name, use_cores(pod, self._usage_ratio), self._now())

    def _seated(self, key: str, standing: Standing) -> None:
        self._running += self._view.is_ours(standing.pod)
        self._rankings.placed(key, standing.pod, standing.row)

    def _taken_off(self, key: str, standing: Standing) -> None:
        self._running -= self._view.is_ours(standing.pod)
        self._rankings.left(standing.pod)
        if standing.assumed_until_seconds is not None:
            self._rankings.mistaken(key, standing.pod, standing.row)

    def _retract(self, key: str) -> None:
        """Take back an earlier assumption: the scheduler asks again about the pod."""
        standing = self._board.get(key)
        if standing is not None and standing.assumed_until_seconds is not None:
            self._board.remove(key)
            self._taken_off(key, standing)

    def _assume(
        self,
        key: str,
        needed: Pod,
        pod: Pod,
        rows: NDArray[np.int64],
        rank: NDArray[np.int64],
    ) -> None:
        """Count the pod where it will most likely go, until it is bound."""
        table = self._board.table
        if table is None or key not in self._view.waiting:
            return  # bound already, or not known yet: the informers are right or will be
        row = int(rows[packed_best(table, needed, rows, rank)])
        until = self._now() + self._options.assume_seconds
        standing = self._board.put(key, pod, table.nodes[row].name, assumed_until_seconds=until)
        self._view.queue.pop(key, None)
        self._seated(key, standing)
        self._scored[key] = rows
        while len(self._scored) > self._options.decisions_remembered:
            self._scored.popitem(last=False)

    # Decisions.

    def _decision(self, key: str, pod: Pod, row: int) -> None:
        mode = self._options.mode
        why = self._why_skipped(pod)
        if why is not None:
            self._decisions[mode, "skipped"] += 1
            self._scored.pop(key, None)
            return
        decided = self._decide(key, pod, row, "bound")
        self._scored.pop(key, None)
        self._decided[key] = decided
        self._decided.move_to_end(key)
        while len(self._decided) > self._options.decisions_remembered:
            self._decided.popitem(last=False)
        judgement = decided.judgement
        if judgement.preferred is None or judgement.chosen is None:
            return
        same = judgement.preferred.row == judgement.chosen.row
        self._decisions[mode, "same" if same else "other"] += 1
        found = workload_of(pod)
        workload = Workload(namespace=found.namespace, kind=found.kind, name=found.name)
        self._forgone.began(key, workload, judgement.forgone_watts or 0.0, self._now())
        self._offer(record(decided))

    def _decide(self, key: str, pod: Pod, row: int, state: str) -> Decided:
        """Judge a pod by the state without it."""
        now, needs = self._now(), self._needs(pod)
        needed = as_needed(pod, needs)
        standing = self._board.get(key)
        if standing is not None:
            self._board.remove(key)
        try:
            scene = self._scene()
            rows = self._candidates(key, needed, scene.table)
            judgement = judge(
                scene, needed, rows, chosen_row=row, closed=self._closed(needed, pod, rows)
            )
        finally:
            if standing is not None:
                self._board.put(
                    key,
                    standing.pod,
                    standing.node_name,
                    assumed_until_seconds=standing.assumed_until_seconds,
                )
        return Decided(
            pod=pod,
            mode=self._options.mode,
            rule=scene.rule.name,
            state=state,
            decided_at_seconds=now,
            needs=needs,
            judgement=judgement,
            sources={n.node: self._loads.source_of(n.node, now) for n in judgement.nodes},
            skipped=self._why_skipped(pod),
        )

    def _scene(self) -> Scene:
        table, rule, fleet = self._board.table, self._rankings.rule(), self._fleet
        if table is None or rule is None or fleet is None:
            raise RuntimeError("a decision was asked for before any node is known")
        return Scene(
            table=table,
            fleet=fleet.told(
                usage_ratio=self._usage_ratio, nodes_may_sleep=self._options.nodes_may_sleep
            ),
            rule=rule,
            load_ratio=self._loads.ratios(table),
        )

    def _candidates(self, key: str, needed: Pod, table: NodeTable) -> NDArray[np.int64]:
        """Rows that the scheduler found able to take the pod, else those that we do."""
        scored = self._scored.get(key)
        if scored is not None:
            return scored
        return np.flatnonzero(feasible(table, needed))

    # Small questions.

    def _read(self, pod: JsonObject) -> Pod | None:
        """The pod of a request; the informers' copy where it is the same one."""
        metadata = pod.get("metadata")
        if not isinstance(metadata, dict):
            return None
        known = self._view.waiting.get(f"{metadata.get('namespace')}/{metadata.get('name')}")
        if known is not None and known.uid == metadata.get("uid"):
            return known
        return read_pod(pod).value

    def _why_unscored(self, pod: Pod | None) -> str | None:
        if pod is None:
            return "unreadable"
        if self._options.mode != "act":
            return "observing"
        return "skipped" if self._why_skipped(pod) else None

    def _why_skipped(self, pod: Pod) -> str | None:
        return skipped(pod, self._view.labels_of(pod.namespace))

    def _needs(self, pod: Pod) -> Needs:
        return needs_of(pod, self._observed, self._usage_ratio)

    def _needed(self, pod: Pod) -> Pod:
        return as_needed(pod, self._needs(pod))

    def _ceiling(self, pod: Pod) -> float | None:
        default = self._options.utilisation_ceiling_ratio
        return ceiling_ratio(pod, self._view.labels_of(pod.namespace), default)

    def _closed(self, needed: Pod, pod: Pod, rows: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """Candidates that the pod would push over a ceiling, its own or that of a pod there."""
        own, table = self._ceiling(pod), self._board.table
        if table is None or (own is None and self._board.ceilings == 0):
            return None
        limit = self._board.ceiling_ratio[rows]
        if own is not None:
            limit = np.minimum(limit, own)
        cores = table.allocatable_cpu_millicores[rows]
        added = needed.requests.cpu_millicores * self._usage_ratio / cores
        return self._loads.ratios(table, rows) + added > limit

    def _count(self, scores: NDArray[np.int64]) -> None:
        given = np.bincount(scores, minlength=SCORE_MAX + 1)
        for score in np.flatnonzero(given).tolist():
            self._scores[score] += int(given[score])
