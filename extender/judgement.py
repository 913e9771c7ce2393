"""One pod and the nodes that could take it: what we prefer, what was chosen, the watts between.

Pure: the state is the table's without the pod. Watts are marginal at the present load, a node's
waking included where it is empty and may sleep; they are reported whichever rule ranks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cluster.model import Pod
from cluster.scheduling.table import NodeTable
from extender.scoring import WORST_RANK, most_allocated
from pricing.node_class import CPU_MILLICORES_PER_CORE
from pricing.rules import FleetPower, Rule

NO_ROW = -1
# Classes of which the best node is listed beside the chosen and the preferred one.
LISTED_CLASSES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a pod meets: nodes, their loads (utilisation per row), the rule in force.

    ``busy`` counts by row the pods that keep a node awake.
    """

    table: NodeTable
    fleet: FleetPower
    rule: Rule
    load_ratio: NDArray[np.float64]
    busy: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedNode:
    """A candidate as it stood when the pod was judged."""

    row: int
    node: str
    rank: int
    cost_watts: float
    added_watts: float
    load_ratio: float
    requested_ratio: float
    power_source: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The preferred node, the chosen one (None before a bind), and some others, cheapest first."""

    nodes: tuple[JudgedNode, ...]
    candidate_count: int
    preferred: JudgedNode | None
    chosen: JudgedNode | None
    runner_up: JudgedNode | None

    @property
    def forgone_watts(self) -> float | None:
        """What the chosen node adds beyond the preferred one; signed, None where one is unknown."""
        if self.preferred is None or self.chosen is None:
            return None
        return self.chosen.added_watts - self.preferred.added_watts


@dataclass(frozen=True, slots=True)
class Ranked:
    """Candidates of a pod and their ranks, one entry per row, with the rule that ranked them.

    ``closed`` marks those that a utilisation ceiling keeps for others, where there is one.
    """

    rows: NDArray[np.int64]
    rank: NDArray[np.int64]
    rule: Rule
    closed: NDArray[np.bool_] | None = None


def judge(scene: Scene, pod: Pod, ranked: Ranked, *, chosen_row: int = NO_ROW) -> Judgement:
    """Judge a pod's ranked candidates; the chosen row is judged even if it is none of them."""
    rows, rank = ranked.rows, ranked.rank
    count = len(rows)
    place = np.flatnonzero(rows == chosen_row)
    if chosen_row != NO_ROW and not len(place):
        place = np.array([len(rows)])
        rows, rank = np.append(rows, chosen_row), np.append(rank, WORST_RANK)
    if not len(rows):
        return Judgement(nodes=(), candidate_count=0, preferred=None, chosen=None, runner_up=None)
    order = np.lexsort((-most_allocated(scene.table, pod, rows), rank))
    best = int(order[0])
    listed = [best, *_first_of_classes(scene, rows, order), *(int(index) for index in place)]
    listed = list(dict.fromkeys(listed))
    kept = np.zeros(len(rows), dtype=np.bool_)
    if ranked.closed is not None:
        kept[:count] = ranked.closed
    nodes = _judged(scene, pod, rows[listed], rank[listed], kept[listed])
    by_row = {node.row: node for node in nodes}
    # Where the scheduler alone found room we have no opinion.
    preferred = by_row[int(rows[best])] if count else None
    return Judgement(
        nodes=tuple(sorted(nodes, key=lambda node: node.rank)),
        candidate_count=count,
        preferred=preferred,
        chosen=by_row.get(chosen_row),
        runner_up=None if preferred is None else _runner_up(scene, nodes, preferred),
    )


def added_watts(scene: Scene, pod: Pod, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Watts that the pod's use adds to each of these nodes now, waking included."""
    power, fleet = scene.fleet.power, scene.fleet
    use = pod.requests.cpu_millicores * fleet.usage_ratio / power.cpu_millicores[rows]
    before = scene.load_ratio[rows]
    watts = power.watts_of(rows, before + use) - power.watts_of(rows, before)
    if fleet.nodes_may_sleep:
        empty = scene.busy[rows] == 0
        watts = watts + np.where(empty, power.idle_watts[rows] - power.sleep_watts[rows], 0.0)
    return watts


def _first_of_classes(scene: Scene, rows: NDArray[np.int64], order: NDArray[np.int64]) -> list[int]:
    """Positions of the first node of each class in an order, the first classes alone."""
    class_in_order = scene.fleet.classes.class_of_node[rows[order]]
    first = np.unique(class_in_order, return_index=True)[1]
    found: list[int] = order[np.sort(first)[:LISTED_CLASSES]].tolist()
    return found


def _judged(
    scene: Scene,
    pod: Pod,
    rows: NDArray[np.int64],
    rank: NDArray[np.int64],
    closed: NDArray[np.bool_],
) -> list[JudgedNode]:
    table, class_of_node = scene.table, scene.fleet.classes.class_of_node
    costs = scene.rule.watts(table, pod)[rows]
    added = added_watts(scene, pod, rows)
    requested = table.requested_cpu_millicores[rows] / table.allocatable_cpu_millicores[rows]
    return [
        JudgedNode(
            row=int(row),
            node=table.nodes[row].name,
            rank=int(rank[place]),
            cost_watts=float(costs[place]),
            added_watts=float(added[place]),
            load_ratio=float(scene.load_ratio[row]),
            requested_ratio=float(requested[place]),
            power_source=str(scene.fleet.classes.classes[class_of_node[row]].profile.source),
            reason=_reason(scene, pod, int(row), is_closed=bool(closed[place])),
        )
        for place, row in enumerate(rows)
    ]


def _reason(scene: Scene, pod: Pod, row: int, *, is_closed: bool) -> str:
    """The rule's reason, and what moved the node behind its equals."""
    reason = scene.rule.reason(scene.table, pod, row)
    if is_closed:
        return f"a utilisation ceiling closes it (latency-critical pods, or unread ones): {reason}"
    if scene.fleet.nodes_may_sleep and scene.busy[row] == 0:
        return f"{reason}; it would have to wake"
    return reason


def _runner_up(scene: Scene, nodes: list[JudgedNode], preferred: JudgedNode) -> JudgedNode | None:
    """The best node of another class: a sibling of the preferred one would say nothing."""
    classes = scene.fleet.classes.class_of_node
    others = [node for node in nodes if classes[node.row] != classes[preferred.row]]
    rest = others or [node for node in nodes if node.row != preferred.row]
    return min(rest, key=lambda node: (node.rank, node.cost_watts), default=None)


def sentence(judgement: Judgement, rule: str) -> str:
    """Why the preferred node is preferred, and what choosing another one costs."""
    best = judgement.preferred
    if best is None:
        if judgement.chosen is not None:
            return f"{judgement.chosen.node} was chosen, where we see no room for the pod"
        return "no node can take the pod now"
    after = judgement.runner_up
    said = f"{best.node} has the best rank by {rule}: {best.reason}"
    if after is not None and after.rank == best.rank:
        said = f"{best.node} is the fullest of the best rank by {rule}: {best.reason}"
    if after is not None:
        said += f"; next comes {after.node}, rank {after.rank}: {after.reason}"
    if judgement.chosen is not None and judgement.chosen.node != best.node:
        forgone = judgement.forgone_watts or 0.0
        same = judgement.chosen.rank == best.rank
        said += (
            f"; {judgement.chosen.node} was chosen instead, of "
            f"{'the same rank' if same else f'rank {judgement.chosen.rank}'}, where the pod adds "
            f"{judgement.chosen.added_watts:.2f} W, {abs(forgone):.2f} W "
            f"{'more' if forgone >= 0 else 'less'}"
        )
    return said


def use_cores(pod: Pod, usage_ratio: float) -> float:
    """Cores that a pod is expected to use."""
    return pod.requests.cpu_millicores * usage_ratio / CPU_MILLICORES_PER_CORE
