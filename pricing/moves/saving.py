"""What a set of moves saves, and what it must earn first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cluster.scheduling.table import NodeTable
from pricing.moves.move import Move
from pricing.rules import FleetPower

#: A pod that starts uses half of its CPU request for a minute before it serves: assumption of our
#: prototype study of autoscaling, for services.
START_SECONDS = 60.0
START_CPU_RATIO = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveTerms:
    """When a move is worth it.

    ``horizon_seconds`` is how long a saving is believed to last, ``saving_joules_min`` what each
    eviction must save within it, all costs paid: with less, evictions go to what hardly matters
    and are missing when a whole node could be emptied. ``ownerless_may_move`` is for simulations:
    in a cluster nobody starts a bare pod again.
    """

    horizon_seconds: float = 4 * 3600.0
    saving_joules_min: float = 50_000.0
    ownerless_may_move: bool = False


class Savings:
    """Watts of a fleet's nodes as they stand, and what it costs to change them."""

    def __init__(self, fleet: FleetPower) -> None:
        self._fleet = fleet
        profiles = [fleet.classes.classes[group].profile for group in fleet.classes.class_of_node]
        power = fleet.power
        self._per_millicore = fleet.usage_ratio / power.cpu_millicores
        self._empty_watts = power.sleep_watts if fleet.nodes_may_sleep else power.idle_watts
        self._wake_joules = np.array([profile.wake_joules for profile in profiles])
        self._shutdown_joules = np.array([profile.shutdown_joules for profile in profiles])
        peak_watts = np.array([profile.peak_watts for profile in profiles])
        starting = START_CPU_RATIO * START_SECONDS * peak_watts
        self._start_joules_per_millicore = starting / power.cpu_millicores

    def node_watts(
        self, table: NodeTable, node_bound_pods: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Watts of each node with what it carries now.

        A node left with its ``node_bound_pods`` (one entry per node) alone counts as empty: they
        leave with it.
        """
        load = table.requested_cpu_millicores * self._per_millicore
        awake = table.pod_count > node_bound_pods
        return np.where(awake, self._fleet.power.watts_at(load), self._empty_watts)

    def most_joules(
        self, watts: NDArray[np.float64], horizon_seconds: float
    ) -> NDArray[np.float64]:
        """What emptying each node could save at most: all that it draws above an empty one."""
        return (watts - self._empty_watts) * horizon_seconds

    def cost_joules(self, moves: Sequence[Move], emptied: int, woken: Sequence[int]) -> float:
        """Starting the pods anew, shutting one node down, waking others."""
        starts = sum(
            self._start_joules_per_millicore[move.target] * move.pod.requests.cpu_millicores
            for move in moves
        )
        if not self._fleet.nodes_may_sleep:
            return float(starts)
        return float(starts + self._shutdown_joules[emptied] + self._wake_joules[woken].sum())
