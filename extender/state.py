"""What the extender knows: nodes with their power, where pods stand, loads, the rules in force.

One thread owns it. `Core` tells it what changes and asks it for the scene of a decision.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cluster.model import Node, Pod
from cluster.scheduling.feasibility import feasible
from cluster.scheduling.table import NodeTable
from energy.catalogue import Catalogue
from extender.board import Board, Standing
from extender.cluster_view import ClusterView
from extender.explanation import Needs
from extender.fleet import PoweredFleet, ProfileFinder, offers_cpu, powered_fleet
from extender.judgement import Ranked, Scene
from extender.loads import Loads, MeasuredLoad
from extender.needs import as_needed, needs_of
from extender.options import CoreOptions
from extender.rankings import Rankings
from extender.scoring import candidate_ranks, packed_best
from extender.treatment import ceiling_ratio, doubt, skipped
from pricing.rules import Rule
from telemetry.workload_use import WorkloadKey, WorkloadUse

# A usage ratio within this of the one in force changes nothing: rules are rebuilt for each.
USAGE_RATIO_STEP = 0.05
ACT = "act"
# No scheduler has so many pods between score and bind; whoever asks about more is no scheduler.
ASSUMED_MAX = 20_000
# Answers that are kept until the bind that they lead to, which is milliseconds later.
SCORED_MAX = 1000
# Nodes that come one after the other are taken over together.
REBUILD_SECONDS = 1.0


class ClusterState:
    """The cluster as rules see it.

    Attributes:
        view: nodes, namespaces and the pods that wait.
        board: where pods stand.
        loads: the nodes' present load.
        rankings: the rules in force.
        fleet: the nodes' power; None before any node is known.
        usage_ratio: what pods use of their requests; ``usage_source`` says who says so.
        running: pods of our schedulers that stand somewhere.
        unread: nodes by the pods on them that could not be read: nobody knows what those take.
    """

    def __init__(
        self, options: CoreOptions, now: Callable[[], float], catalogue: Catalogue
    ) -> None:
        self.options, self.now = options, now
        # Whoever only watches asks what a scheduler that heeds us would do with every pod.
        self.view = ClusterView(options.scheduler_names if options.mode == ACT else None)
        self.board = Board(self.ceiling)
        self.usage_ratio = (
            options.usage_ratio_fallback if options.usage_ratio is None else options.usage_ratio
        )
        self.usage_source = "fallback" if options.usage_ratio is None else "stated"
        self.loads = Loads(self.usage_ratio)
        self.rankings = Rankings(options.rule, options.expected_demand)
        self.fleet: PoweredFleet | None = None
        self.running = 0
        self._finder = ProfileFinder(catalogue)
        self._observed: Mapping[WorkloadKey, WorkloadUse] = {}
        self._scored: OrderedDict[str, Ranked] = OrderedDict()
        self._dirty = False
        self.unread: dict[str, str] = {}

    @property
    def table(self) -> NodeTable | None:
        """The nodes' columns; None before any node is known."""
        return self.board.table

    # What the cluster says.

    def catalogue_changed(self, catalogue: Catalogue) -> None:
        """Take over other power profiles."""
        self._finder = ProfileFinder(catalogue)
        self._dirty = True

    def node_changed(self, before: Node | None, after: Node | None) -> None:
        """A node came, changed or went."""
        if after is None:
            if before is not None and self.view.nodes.pop(before.name, None) is not None:
                self._dirty = True
            return
        known = self.view.nodes.get(after.name)
        if known == after:
            return  # a heartbeat
        self.view.nodes[after.name] = after
        if known is None or not self._replaced(known, after):
            self._dirty = True

    def _replaced(self, known: Node, after: Node) -> bool:
        """Whether the change could be made in place: the node stays in its class."""
        table = self.board.table
        if table is None or known.name not in table.index_of:
            return not offers_cpu(after)
        if known.allocatable != after.allocatable or known.pods_max != after.pods_max:
            return False
        if self._finder.profile(known) != self._finder.profile(after):
            return False
        self.board.replace_node(after)
        return True

    def namespace_changed(self, name: str, labels: Mapping[str, str] | None) -> None:
        """A namespace came, changed or went (None)."""
        known = self.view.namespace_labels.get(name)
        if labels is None:
            self.view.namespace_labels.pop(name, None)
        else:
            self.view.namespace_labels[name] = labels
        if (known or {}) == (labels or {}):
            return
        self.board.heed_again(name)
        if self.table is not None:
            self.table.namespaces_changed(self.view.namespace_labels)

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
        self.loads.measured(loads)
        self.loads.notes = notes or {}
        self._observed = observed
        if self.options.usage_ratio is not None:
            return
        wanted = self.options.usage_ratio_fallback if usage_ratio is None else usage_ratio
        self.usage_source = "fallback" if usage_ratio is None else "measured"
        if abs(wanted - self.usage_ratio) >= USAGE_RATIO_STEP:
            self.usage_ratio = min(1.0, max(USAGE_RATIO_STEP, wanted))
            self.loads.usage_ratio = self.usage_ratio
            self._tell_rankings(same_nodes=True)

    def take_over(self, *, first: bool = False) -> None:
        """Take over nodes that came or went, or have other profiles."""
        if not (self._dirty or first):
            return
        nodes = [node for node in self.view.sorted_nodes() if offers_cpu(node)]
        # What may fail comes first: rows of two fleets must never meet.
        fleet = powered_fleet(nodes, self._finder) if nodes else None
        self.board.rebuild(nodes, self.view.namespace_labels)
        self._scored.clear()
        self.fleet, self._dirty = fleet, False
        if self.board.table is not None:
            self.loads.take_over(self.board.table)
        self._tell_rankings()

    def _tell_rankings(self, *, same_nodes: bool = False) -> None:
        if self.fleet is None:
            return
        told = self.fleet.told(
            usage_ratio=self.usage_ratio, nodes_may_sleep=self.options.nodes_may_sleep
        )
        pods = (standing.pod for _, standing in self.board)
        self.rankings.take_over(told, pods, same_nodes=same_nodes)

    # Where pods stand.

    def seated(self, key: str, standing: Standing) -> None:
        """A pod was put on the board: tell whoever counts."""
        self.running += self.view.is_ours(standing.pod)
        assumed = standing.assumed_until_seconds is not None
        self.rankings.placed(key, standing.pod, standing.row, assumed=assumed)

    def taken_off(self, key: str, standing: Standing) -> None:
        """A pod was taken off the board: tell whoever counts."""
        self.running -= self.view.is_ours(standing.pod)
        self.rankings.left(standing.pod)
        if standing.assumed_until_seconds is not None:
            self.rankings.mistaken(key, standing.pod)

    def retract(self, key: str) -> None:
        """Take back an earlier assumption: the scheduler asks again about the pod."""
        standing = self.board.get(key)
        if standing is not None and standing.assumed_until_seconds is not None:
            self.board.remove(key)
            self.taken_off(key, standing)

    def assume(
        self,
        key: str,
        needed: Pod,
        ranked: Ranked,
    ) -> None:
        """Count the pod where it will most likely go, until it is bound."""
        table = self.board.table
        if table is None or self.board.get(key) is not None or self.board.assumed >= ASSUMED_MAX:
            return  # the informers have seen it bound already
        row = int(ranked.rows[packed_best(table, needed, ranked.rows, ranked.rank)])
        until = self.now() + self.options.assume_seconds
        standing = self.board.put(key, needed, table.nodes[row].name, assumed_until_seconds=until)
        self.view.queue.pop(key, None)
        self.seated(key, standing)
        # Smaller numbers: at 5,000 nodes eight bytes each would be 80 kB a pod.
        self._scored[key] = replace(
            ranked, rows=ranked.rows.astype(np.int32), rank=ranked.rank.astype(np.int8)
        )
        while len(self._scored) > SCORED_MAX:
            self._scored.popitem(last=False)

    def forget_candidates(self, key: str) -> None:
        """The pod's last request was answered and has come to something."""
        self._scored.pop(key, None)

    # What a decision needs to know.

    def scene(self) -> Scene:
        """Nodes, loads and the rule in force.

        Raises:
            RuntimeError: no node is known.
        """
        table, rule, fleet = self.board.table, self.rankings.rule(), self.fleet
        if table is None or rule is None or fleet is None:
            raise RuntimeError("a decision was asked for before any node is known")
        return Scene(
            table=table,
            fleet=fleet.told(
                usage_ratio=self.usage_ratio, nodes_may_sleep=self.options.nodes_may_sleep
            ),
            rule=rule,
            load_ratio=self.load_ratio(table),
            busy=self.board.busy,
        )

    def ranked(self, key: str, needed: Pod, pod: Pod, scene: Scene) -> Ranked:
        """The nodes that the scheduler asked about, as it was answered; else those that we see."""
        scored = self._scored.get(key)
        if scored is not None:
            return scored
        rows = np.flatnonzero(feasible(scene.table, needed))
        return self.rank(scene.rule, needed, pod, rows)

    def rank(self, rule: Rule, needed: Pod, pod: Pod, rows: NDArray[np.int64]) -> Ranked:
        """Ranks of candidate rows for a pod.

        Raises:
            RuntimeError: no node is known.
        """
        if self.board.table is None:
            raise RuntimeError("candidates were ranked before any node is known")
        closed = self.closed(needed, pod, rows)
        rank = candidate_ranks(
            rule,
            self.board.table,
            needed,
            rows,
            asleep=self.board.busy[rows] == 0 if self.options.nodes_may_sleep else None,
            closed=closed,
        )
        return Ranked(rows, rank, rule, closed)

    def why_skipped(self, pod: Pod) -> str | None:
        """Why a pod is not ranked; None if it is."""
        return skipped(pod, self.view.labels_of(pod.namespace))

    def needs(self, pod: Pod) -> Needs:
        """What a pod is taken to need."""
        return needs_of(pod, self._observed, self.usage_ratio)

    def needed(self, pod: Pod) -> Pod:
        """A pod as rules should see it."""
        return as_needed(pod, self.needs(pod))

    def ceiling(self, pod: Pod) -> float | None:
        """The utilisation that nodes with this pod should not exceed; None for any."""
        default = self.options.utilisation_ceiling_ratio
        return ceiling_ratio(pod, self.view.labels_of(pod.namespace), default)

    def doubts(self, pod: Pod) -> tuple[str, ...]:
        """What of the pod's wishes could not be understood."""
        default = self.options.utilisation_ceiling_ratio
        found = doubt(pod, self.view.labels_of(pod.namespace), default)
        return () if found is None else (found,)

    def closed(self, needed: Pod, pod: Pod, rows: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """Candidates that the pod would push over a ceiling, its own or that of a pod there."""
        own, table = self.ceiling(pod), self.board.table
        if table is None or (own is None and not self.board.ceilings and not self.unread):
            return None
        limit = self.board.ceiling_ratio[rows]
        if own is not None:
            limit = np.minimum(limit, own)
        cores = table.allocatable_cpu_millicores[rows]
        added = needed.requests.cpu_millicores * self.usage_ratio / cores
        over = self.load_ratio(table, rows) + added > limit
        if self.unread:
            over |= np.isin(rows, [table.index_of.get(name, -1) for name in self.unread.values()])
        closed: NDArray[np.bool_] = over
        return closed

    def load_ratio(
        self, table: NodeTable, rows: NDArray[np.int64] | None = None
    ) -> NDArray[np.float64]:
        """Utilisation of each row (all by default), with the pods that are assumed to be there."""
        return self.loads.ratios(table, rows, self.board.assumed_cpu_millicores)
