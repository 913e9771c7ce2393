"""Packing by when pods leave: among nodes of equal cost, pods that leave together live together.

A node that may sleep wastes what it draws after most of its pods have left. So beside how full a
node would be counts for how long the pod is expected to keep it awake after all others have left.
Departures are probabilities, not dates, so a guess that is right on average does no harm where it
is wrong for the pod at hand, and they are asked for anew as pods age: what outlived its
prediction is expected to stay (NILAS and LAVA, arXiv 2412.09840).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cluster.model import Pod
from cluster.scheduling.table import NodeTable
from energy.errors import InputError
from energy.units import SECONDS_PER_HOUR
from pricing.lifetime_curve import AHEAD_CELLS, AHEAD_SECONDS
from pricing.lifetimes import LifetimeModel
from pricing.rules import fullness

# How old a node's expected departures may grow before they are asked for anew.
REFRESH_SECONDS = 900.0
# A full node less empty weighs as much as a pod's whole stay on a node kept awake for it alone.
EXTENSION_WEIGHT = 1.0
_CELL_SECONDS = np.diff(AHEAD_SECONDS)


@dataclass(slots=True)
class _Running:
    """A pod on a node: since when, and the probabilities of its leaving as last asked for."""

    pod: Pod
    began_seconds: float
    leaving: NDArray[np.float64]


class DepartureTable:
    """Who runs where since when, and the probability that each node has emptied by times ahead.

    The mutable counterpart of `NodeTable` for times: tell it every placement and departure. The
    model may be replaced at any time (``model``); it is asked again as entries grow stale.
    """

    def __init__(
        self, nodes: int, model: LifetimeModel, *, refresh_seconds: float = REFRESH_SECONDS
    ) -> None:
        self.model = model
        self._refresh_seconds = refresh_seconds
        self._pods: list[dict[tuple[str, str], _Running]] = [{} for _ in range(nodes)]
        self._emptied = np.ones((nodes, AHEAD_CELLS))
        self._asked_seconds = np.full(nodes, -np.inf)

    def placed(self, pod: Pod, node: int, now_seconds: float, *, age_seconds: float = 0.0) -> None:
        """A pod now runs on the node; ``age_seconds`` is how long it has run already."""
        pods, key = self._pods[node], (pod.namespace, pod.name)
        if key in pods:
            raise InputError(f"pod {pod.namespace}/{pod.name} is on node {node} already")
        if not pods:
            self._asked_seconds[node] = now_seconds
        leaving = self.model.leaving_ratios(pod, age_seconds)
        pods[key] = _Running(pod, now_seconds - age_seconds, leaving)
        self._emptied[node] *= leaving

    def left(self, pod: Pod, node: int) -> float:
        """Forget a pod that has left the node; returns when it began, for a move.

        Raises:
            InputError: it was not there.
        """
        pods = self._pods[node]
        try:
            began_seconds = pods.pop((pod.namespace, pod.name)).began_seconds
        except KeyError:
            raise InputError(f"pod {pod.namespace}/{pod.name} is not on node {node}") from None
        self._multiply(node)
        return began_seconds

    def refresh(self, nodes: NDArray[np.int64], now_seconds: float) -> None:
        """Ask again about those of the nodes that were asked about too long ago.

        Whatever reads the table does so for the nodes at hand; called between decisions, it keeps
        that work out of them.
        """
        stale = self._asked_seconds[nodes] < now_seconds - self._refresh_seconds
        for node in nodes[stale].tolist():
            self._ask(node, now_seconds)

    def emptied_ratios(self, nodes: NDArray[np.int64], now_seconds: float) -> NDArray[np.float64]:
        """Probability that each node has emptied by the times ahead, if no more pods come.

        Shape (nodes, ``AHEAD_CELLS``); 1 everywhere for a node without pods.
        """
        self.refresh(nodes, now_seconds)
        return self._emptied[nodes]

    def empties_at_seconds(
        self, nodes: NDArray[np.int64], now_seconds: float
    ) -> NDArray[np.float64]:
        """When each node is expected to be empty if no more pods come, at most the horizon away."""
        awake = 1.0 - self.emptied_ratios(nodes, now_seconds)
        return now_seconds + awake @ _CELL_SECONDS

    def extension_ratios(
        self, pod: Pod, nodes: NDArray[np.int64], now_seconds: float
    ) -> NDArray[np.float64]:
        """Share of the pod's expected stay during which it alone keeps each node awake, 0-1.

        It is 1 on a node without pods, whatever the pod, and 0 for a pod expected to leave at once.
        """
        emptied = self.emptied_ratios(nodes, now_seconds)
        stays = (1.0 - self.model.leaving_ratios(pod, 0.0)) * _CELL_SECONDS
        stay_seconds = float(stays.sum())
        return emptied @ (stays / stay_seconds) if stay_seconds > 0 else np.zeros(len(nodes))

    def _ask(self, node: int, now_seconds: float) -> None:
        """Ask the model again about every pod of a node, at the age it has now."""
        for running in self._pods[node].values():
            age_seconds = now_seconds - running.began_seconds
            running.leaving = self.model.leaving_ratios(running.pod, age_seconds)
        self._multiply(node)
        self._asked_seconds[node] = now_seconds

    def _multiply(self, node: int) -> None:
        rows = [running.leaving for running in self._pods[node].values()]
        self._emptied[node] = np.multiply.reduce(rows) if rows else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LifetimeChoice:
    """The node chosen among equals, and what speaks for each of the candidates.

    ``nodes``, ``fullness_ratios`` and ``extension_ratios`` have one entry per candidate.
    """

    nodes: NDArray[np.int64]
    fullness_ratios: NDArray[np.float64]
    extension_ratios: NDArray[np.float64]
    chosen: int

    @property
    def node(self) -> int:
        """Index of the chosen node."""
        return int(self.nodes[self.chosen])


def choose_by_lifetime(
    table: NodeTable,
    departures: DepartureTable,
    pod: Pod,
    nodes: NDArray[np.int64],
    now_seconds: float,
) -> LifetimeChoice:
    """Choose among feasible nodes of equal cost (at least one); a sleeping node only if all sleep.

    The fuller the node becomes the better, and the less the pod alone keeps it awake.
    """
    awake = table.pod_count[nodes] > 0
    candidates = nodes[awake] if awake.any() else nodes
    full = fullness(table, pod, candidates)
    extensions = departures.extension_ratios(pod, candidates, now_seconds)
    chosen = int((full - EXTENSION_WEIGHT * extensions).argmax())
    return LifetimeChoice(
        nodes=candidates, fullness_ratios=full, extension_ratios=extensions, chosen=chosen
    )


def reason_of(
    choice: LifetimeChoice, departures: DepartureTable, pod: Pod, now_seconds: float
) -> str:
    """Why the node was chosen among its equals, in a sentence."""
    full, extension = (
        float(ratios[choice.chosen]) for ratios in (choice.fullness_ratios, choice.extension_ratios)
    )
    stay = departures.model.remaining_seconds(pod, 0.0) / SECONDS_PER_HOUR
    empties_at = departures.empties_at_seconds(choice.nodes[[choice.chosen]], now_seconds)
    rest = float(empties_at[0] - now_seconds) / SECONDS_PER_HOUR
    if rest == 0.0:
        return f"all nodes of this cost are empty; the pod is expected to stay {stay:.1f} h"
    others = len(choice.nodes) - 1
    return (
        f"the pod is expected to stay {stay:.1f} h and the node's others {rest:.1f} h, so that for "
        f"{extension:.0%} of its stay it alone would keep the node awake, which becomes "
        f"{full:.0%} full; weighed together the best of {others + 1} awake nodes of this cost"
    )
