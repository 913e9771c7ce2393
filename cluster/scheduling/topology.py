"""Topology domains: the nodes that share the value of a label such as the zone or hostname."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cluster.scheduling.table import Bools, Int64s, NodeTable


@dataclass(frozen=True, slots=True)
class Domains:
    """The domains of one topology key.

    Attributes:
        codes: shape (nodes,): the number of each node's domain; nodes without the label have
            the number `count`, a domain apart that stands for "none".
        count: how many domains there are, that one not counted.
        labelled: shape (nodes,): True where the node has the label.
    """

    codes: Int64s
    count: int
    labelled: Bools

    def total_of(self, per_node: Int64s) -> Int64s:
        """Sums of `per_node` by domain, shape (count + 1,); the last is of nodes without."""
        sums = np.bincount(self.codes, weights=per_node, minlength=self.count + 1)
        # Counts of pods stay far below 2^53, so the float64 sums of bincount are exact.
        return sums.astype(np.int64)

    def spread(self, per_node: Int64s) -> Int64s:
        """For each node the sum of `per_node` over its domain; 0 for nodes without the label."""
        totals = self.total_of(per_node)
        totals[self.count] = 0
        return totals[self.codes]


def domains(table: NodeTable, key: str) -> Domains:
    """The domains of `key` over the table's nodes, kept until a node is replaced."""
    cached = table.static_cache.get(("domains", key))
    if isinstance(cached, Domains):
        return cached
    numbers: dict[str, int] = {}
    values = [node.labels.get(key) for node in table.nodes]
    for value in values:
        if value is not None:
            numbers.setdefault(value, len(numbers))
    count = len(numbers)
    codes = np.array([count if v is None else numbers[v] for v in values], np.int64)
    found = Domains(codes, count, codes < count)
    table.remember(("domains", key), found)
    return found
