"""The present load of every node, as an array: what was measured, and what came since.

A measurement lags: a pod that was bound since, or within the window of its rate, is added by its
expected use. Where nothing usable was measured, requests times a stated ratio stand in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cluster.scheduling.table import NodeTable
from pricing.node_class import CPU_MILLICORES_PER_CORE

# Rates are taken over about a minute, so a pod counts in full only after that.
LAG_SECONDS = 60.0
REQUESTS_SOURCE = "requests"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredLoad:
    """Cores in use on a node, by a source, as of a time (Unix seconds)."""

    cpu_cores: float
    source: str
    measured_at_seconds: float


class Loads:
    """Loads of the nodes of one table, in its order. One thread owns it.

    ``notes`` say by node which sources were passed over when it was last read, and why.
    """

    def __init__(self, usage_ratio: float) -> None:
        self.usage_ratio = usage_ratio
        self._measured: dict[str, MeasuredLoad] = {}
        self.notes: Mapping[str, tuple[str, ...]] = {}
        self._bound: deque[tuple[float, str, float]] = deque()
        self._cores = np.zeros(0)
        self._index_of: Mapping[str, int] = {}

    def take_over(self, table: NodeTable) -> None:
        """Follow another set of nodes."""
        self._index_of = table.index_of
        self._recount()

    def measured(self, found: Mapping[str, MeasuredLoad]) -> None:
        """Replace all measurements; one that no node can have is none."""
        self._measured = {name: one for name, one in found.items() if 0.0 <= one.cpu_cores < np.inf}
        horizon = min((one.measured_at_seconds for one in found.values()), default=0.0)
        while self._bound and self._bound[0][0] < horizon - LAG_SECONDS:
            self._bound.popleft()
        self._recount()

    def came(self, node_name: str, cpu_cores: float, now_seconds: float) -> None:
        """A pod was bound; ``cpu_cores`` is its expected use."""
        if not self._measured:
            return
        self._bound.append((now_seconds, node_name, cpu_cores))
        row = self._index_of.get(node_name)
        if row is not None:
            self._cores[row] += cpu_cores

    def ratios(
        self,
        table: NodeTable,
        rows: NDArray[np.int64] | None = None,
        assumed_cpu_millicores: NDArray[np.int64] | None = None,
    ) -> NDArray[np.float64]:
        """Utilisation of each row (all by default), not capped at 1.

        ``assumed_cpu_millicores``, one entry per row of the table, is requested there already and
        cannot be measured yet.
        """
        every = slice(None) if rows is None else rows
        allocatable = np.maximum(table.allocatable_cpu_millicores[every], 1)
        requested = table.requested_cpu_millicores[every] * (self.usage_ratio / allocatable)
        if not self._measured:
            return requested
        cores = self._cores[every] * CPU_MILLICORES_PER_CORE / allocatable
        if assumed_cpu_millicores is not None:
            cores = cores + assumed_cpu_millicores[every] * (self.usage_ratio / allocatable)
        return np.where(np.isnan(cores), requested, cores)

    def source_of(self, node_name: str, now_seconds: float) -> tuple[str, float | None]:
        """Where a node's load is from, and how old that is."""
        found = self._measured.get(node_name)
        if found is None:
            return REQUESTS_SOURCE, None
        return found.source, max(0.0, now_seconds - found.measured_at_seconds)

    def drop_stale(self, now_seconds: float, stale_seconds: float) -> Sequence[str]:
        """Forget measurements that are too old; gives the names of their nodes."""
        stale = [
            name
            for name, one in self._measured.items()
            if now_seconds - one.measured_at_seconds > stale_seconds
        ]
        if stale:
            self.measured({n: one for n, one in self._measured.items() if n not in set(stale)})
        return stale

    def _recount(self) -> None:
        self._cores = np.full(len(self._index_of), np.nan)
        since: dict[str, float] = {}
        for name, one in self._measured.items():
            row = self._index_of.get(name)
            if row is not None:
                self._cores[row] = one.cpu_cores
                since[name] = one.measured_at_seconds - LAG_SECONDS
        for seconds, name, cores in self._bound:
            if seconds > since.get(name, np.inf):
                self._cores[self._index_of[name]] += cores
