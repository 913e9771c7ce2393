"""Which of several equally good nodes kube-scheduler takes, and which nodes it looks at.

Source: k8s.io/kubernetes v1.36 pkg/scheduler/schedule_one.go. Nodes get a random number only
when an extender answered for them. Without one, the nodes are put in a binary heap and the root
is taken, so equal nodes are decided by their place in the list of feasible nodes: the same one
each time, as long as it stays feasible and best.

kube-scheduler filters nodes in parallel, so the order of that list is that of the snapshot only
up to the timing of its workers. This model takes the sequential order.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from cluster.scheduling.table import Bools
from energy.errors import InputError

# schedule_one.go: minFeasibleNodesToFind, minFeasibleNodesPercentageToFind.
_FEASIBLE_NODES_MIN = 100
_PERCENTAGE_MIN = 5

Indices = NDArray[np.intp]


class TieRule(Enum):
    """How equal total scores are decided."""

    IN_TREE = "as kube-scheduler 1.36 without an extender: always the same"
    RANDOM = "as kube-scheduler 1.36 with an extender: at random"


@dataclass(slots=True)
class TieState:
    """What a scheduler carries from one decision to the next.

    Attributes:
        rule: how ties are decided.
        rng: needed for `RANDOM`.
        next_start_row: where the search for feasible nodes begins (nextStartNodeIndex).
    """

    rule: TieRule = TieRule.IN_TREE
    rng: np.random.Generator | None = None
    next_start_row: int = 0

    def __post_init__(self) -> None:
        if self.rule is TieRule.RANDOM and self.rng is None:
            raise InputError("the random tie rule needs a random number generator")

    def choose(self, ties: Indices) -> int:
        """One of `ties`: positions in the list of candidates, ascending, at least one."""
        if len(ties) == 1:
            return int(ties[0])
        if self.rng is not None and self.rule is TieRule.RANDOM:
            return int(ties[self.rng.integers(len(ties))])
        return int(ties[np.argmin(_heap_ranks(int(ties[-1]) + 1)[ties])])

    def sample(self, feasible: Bools, percentage: int) -> Indices:
        """The feasible rows that are scored, in the order in which they were found.

        Large clusters are searched from where the last search ended until enough nodes are
        found. Remembers where to begin next time.
        """
        found = np.flatnonzero(feasible)
        start, count = self.next_start_row, len(feasible)
        if start:
            split = int(np.searchsorted(found, start))
            found = np.concatenate((found[split:], found[:split]))
        wanted = feasible_nodes_to_find(count, percentage)
        if len(found) > wanted:
            # The search ends when it meets one more than it needs, and resumes there.
            self.next_start_row = int(found[wanted])
            return found[:wanted]
        return found


def feasible_nodes_to_find(node_count: int, percentage: int = 0) -> int:
    """How many feasible nodes end the search (numFeasibleNodesToFind).

    Args:
        node_count: nodes in the cluster.
        percentage: percentageOfNodesToScore; 0 for the adaptive default.
    """
    if node_count < _FEASIBLE_NODES_MIN:
        return node_count
    if percentage == 0:
        percentage = max(50 - node_count // 125, _PERCENTAGE_MIN)
    return max(node_count * percentage // 100, _FEASIBLE_NODES_MIN)


_ranks = np.zeros(0, np.int64)


def _heap_ranks(count: int) -> NDArray[np.int64]:
    """Ranks by which the first of equal entries of a Go `container/heap` comes to the root.

    Sifting down moves an entry only for a strictly better child and prefers the left one, so
    the winner is the first in the pre-order of the tree. Position p is the path of the bits of
    p + 1 after its leading one; paths compare like words, a prefix before its extensions.
    """
    global _ranks  # noqa: PLW0603 - a table of constants that grows to the largest cluster seen
    if len(_ranks) < count:
        size = max(1 << (count - 1).bit_length(), 1024)
        numbers = np.arange(1, size + 1, dtype=np.int64)
        lengths = np.frexp(numbers.astype(np.float64))[1].astype(np.int64)
        depth = int(lengths[-1])
        _ranks = (numbers << (depth - lengths)) * (depth + 1) + lengths
    return _ranks[:count]
