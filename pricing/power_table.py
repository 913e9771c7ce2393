"""The watts of every node of a fleet as arrays, so that one decision prices all nodes at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from energy.errors import InputError
from energy.profile import NodePowerProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerTable:
    """Power curves of nodes on one common grid of load points.

    ``grid`` is the union of all curves' load points, shape (points,); piecewise linear curves
    keep their exact shape on it. ``watts`` and ``slope`` have shape (nodes, points - 1): watts at
    the start of each piece, and watts per unit of utilisation along it. ``steepest`` (the largest
    slope), ``cpu_millicores``, ``idle_watts`` and ``sleep_watts`` have one entry per node.
    """

    grid: NDArray[np.float64]
    watts: NDArray[np.float64]
    slope: NDArray[np.float64]
    steepest: NDArray[np.float64]
    cpu_millicores: NDArray[np.float64]
    idle_watts: NDArray[np.float64]
    sleep_watts: NDArray[np.float64]
    rows: NDArray[np.int64]

    @classmethod
    def of(
        cls, profiles: Sequence[NodePowerProfile], cpu_millicores: NDArray[np.int64]
    ) -> PowerTable:
        """Tabulate one profile per node.

        Raises:
            InputError: the numbers of profiles and nodes differ.
        """
        if len(profiles) != len(cpu_millicores):
            raise InputError(f"{len(cpu_millicores)} nodes but {len(profiles)} power profiles")
        points = {ratio for profile in profiles for ratio in profile.curve.utilisation_ratios}
        grid = np.array(sorted(points))
        of_curve = {profile.curve: profile.curve.watts_at_each(grid) for profile in profiles}
        watts = np.array([of_curve[profile.curve] for profile in profiles])
        slope = np.diff(watts, axis=1) / np.diff(grid)
        return cls(
            grid=grid,
            watts=np.ascontiguousarray(watts[:, :-1]),
            slope=slope,
            steepest=slope.max(axis=1),
            cpu_millicores=cpu_millicores.astype(np.float64),
            idle_watts=np.array([profile.curve.idle_watts for profile in profiles]),
            sleep_watts=np.array([profile.sleep_watts for profile in profiles]),
            rows=np.arange(len(profiles)),
        )

    def watts_at(self, utilisation_ratio: NDArray[np.float64]) -> NDArray[np.float64]:
        """Watts of each awake node at its own utilisation, one entry per node.

        Past full load each node's steepest slope goes on, as in `energy.cost.marginal_watts`: an
        overloaded node never looks free.
        """
        within = np.minimum(utilisation_ratio, 1.0)
        piece = np.searchsorted(self.grid[1:-1], within, side="right")
        watts = self.watts[self.rows, piece]
        watts += self.slope[self.rows, piece] * (within - self.grid[piece])
        if (utilisation_ratio > 1.0).any():
            watts += self.steepest * (utilisation_ratio - within)
        return watts

    def watts_of(
        self, rows: NDArray[np.int64], utilisation_ratio: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Watts of some nodes, awake, each at its own utilisation, one entry per row."""
        within = np.minimum(utilisation_ratio, 1.0)
        piece = np.searchsorted(self.grid[1:-1], within, side="right")
        watts = self.watts[rows, piece] + self.slope[rows, piece] * (within - self.grid[piece])
        return watts + self.steepest[rows] * (utilisation_ratio - within)

    def marginal_watts(
        self,
        requested_cpu_millicores: NDArray[np.int64],
        added_cpu_millicores: int,
        usage_ratio: float,
    ) -> NDArray[np.float64]:
        """Watts that a pod's use adds to each node at its present requests, one entry per node."""
        per_millicore = usage_ratio / self.cpu_millicores
        before = requested_cpu_millicores * per_millicore
        return self.watts_at(before + added_cpu_millicores * per_millicore) - self.watts_at(before)
