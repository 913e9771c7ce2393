"""What a policy in the loop is told, and what it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from cluster.model import Pod
from cluster.scheduling.table import NodeTable
from pricing.linear_model import Floats
from pricing.moves.move import Move
from pricing.prices import PriceSource
from pricing.rules import Rule
from simulator.stream import PodStream

NOWHERE = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceMoment:
    """Prices of the running mix from a moment on, one entry per class of the policy's fleet."""

    seconds: float
    watts_per_core: Floats
    watts_per_gibibyte: Floats
    source: PriceSource


class Chooser:
    """A policy in the loop: which node takes the pod now. It may follow what happens besides."""

    @property
    def rule(self) -> Rule | None:
        """Where a pod goes that is moved; None if the policy says nothing of moves."""
        return None

    @property
    def price_moments(self) -> Sequence[PriceMoment]:
        """The prices that it has gone by so far, in order of time; none if it has none."""
        return ()

    def foresee(self, stream: PodStream) -> None:
        """What is to come, before it does: for controls that know more than any policy could."""

    def choose(self, table: NodeTable, pod: Pod, now_seconds: float) -> int:
        """Index of the chosen node, or ``NOWHERE`` when the pod fits no node."""
        raise NotImplementedError

    def queued(self, table: NodeTable, pods: Sequence[Pod], now_seconds: float) -> None:
        """These pods are about to be placed, in this order."""

    def placed(self, pod: Pod, node: int, now_seconds: float) -> None:
        """A pod now runs on a node."""

    def left(self, pod: Pod, node: int, now_seconds: float) -> None:
        """A pod has left a node: finished, moved, or lost with it."""


class Mover(Protocol):
    """A policy that moves running pods, asked at regular intervals."""

    @property
    def interval_seconds(self) -> float:
        """How often it is asked."""
        ...

    @property
    def at_once(self) -> bool:
        """Whether all pods of its moves are evicted before the first lands, as no cluster could.

        Otherwise each move must find room while the later ones have not been made.
        """
        ...

    def moves(
        self, table: NodeTable, pods_of_node: Sequence[Sequence[Pod]], now_seconds: float
    ) -> Sequence[Move]:
        """Moves to make now, in this order; the table must be left as it was."""
        ...


class NodeEventKind(StrEnum):
    """What can happen to a node besides pods."""

    FAIL = "fail"
    DRAIN = "drain"
    RETURN = "return"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeEvent:
    """A node fails or is drained, and its pods are placed anew elsewhere; or it returns.

    Either way the node takes no pod until it returns. A pod keeps the rest of its lifetime.
    """

    seconds: float
    node: int
    kind: NodeEventKind
