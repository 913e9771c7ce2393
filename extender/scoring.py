"""Ranks as the scores that kube-scheduler takes: whole numbers from 0 to 10, 10 for the cheapest.

Only eleven levels travel, so the extender ranks classes of nodes and leaves the packing within a
rank to MostAllocated in the scheduler.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cluster.model import Pod
from cluster.scheduling.table import NodeTable
from extender.scorer import SCORE_MAX
from pricing.ranks import ranks
from pricing.rules import Rule

WORST_RANK = SCORE_MAX


def score_of_rank(rank: NDArray[np.int64]) -> NDArray[np.int64]:
    """10 for rank 0, one less per rank, never below 0."""
    return np.maximum(SCORE_MAX - rank, 0)


def candidate_ranks(
    rule: Rule,
    table: NodeTable,
    pod: Pod,
    rows: NDArray[np.int64],
    *,
    asleep: NDArray[np.bool_] | None = None,
    closed: NDArray[np.bool_] | None = None,
) -> NDArray[np.int64]:
    """Rank of each candidate row, one entry per row; ``closed`` candidates have the worst rank.

    ``asleep`` marks candidates that would have to wake, ``closed`` those that a utilisation ceiling
    keeps for others; one entry per row.
    """
    if closed is None or not closed.any():
        return ranks(rule, table, pod, rows, WORST_RANK, asleep)
    found = np.full(len(rows), WORST_RANK, dtype=np.int64)
    left = ~closed
    if left.any():
        sleepers = None if asleep is None else asleep[left]
        found[left] = ranks(rule, table, pod, rows[left], WORST_RANK - 1, sleepers)
    return found


def packed_best(
    table: NodeTable, pod: Pod, rows: NDArray[np.int64], rank: NDArray[np.int64]
) -> int:
    """Position of the best rank's fullest row, by MostAllocated's whole points; -1 for no rows.

    What kube-scheduler will choose with our configuration, as far as nothing else speaks: it adds
    up whole points, and takes any of several equals.
    """
    if not len(rows):
        return -1
    best = np.flatnonzero(rank == rank.min())
    if len(best) == 1:
        return int(best[0])
    return int(best[most_allocated(table, pod, rows[best]).argmax()])


def most_allocated(table: NodeTable, pod: Pod, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """NodeResourcesFit's MostAllocated points, 0 to 100, of CPU and memory alike."""
    cpu = table.nonzero_requested_cpu_millicores[rows] + pod.nonzero_cpu_millicores
    memory = table.nonzero_requested_memory_bytes[rows] + pod.nonzero_memory_bytes
    cores, bytes_ = table.allocatable_cpu_millicores[rows], table.allocatable_memory_bytes[rows]
    points = np.minimum(cpu, cores) * 100 // np.maximum(cores, 1)
    points += np.minimum(memory, bytes_) * 100 // np.maximum(bytes_, 1)
    mean: NDArray[np.int64] = points // 2
    return mean
