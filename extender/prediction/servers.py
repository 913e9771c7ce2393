"""Servers as columns, and whether a task fits them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from extender.prediction.request import Given

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Rounding of a caller's sums may leave a full server so much too small, in cores.
ROUNDING_CORES: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Servers:
    """One entry a server in every column; ``idle_watts`` is NaN where nobody knows them.

    ``used_ratio`` is the share of the server's CPU that is busy before the task comes.
    """

    cpu_cores: Floats
    memory_gigabytes: Floats
    energy_rate_watts_per_core: Floats
    idle_watts: Floats
    used_ratio: Floats

    @classmethod
    def of(cls, given: Given) -> Self:
        """The columns of a request."""
        columns = np.array(given.rows, dtype=np.float64).reshape(-1, 5).T
        cpu_cores, memory_gigabytes, energy_rate, usage_percent, idle_watts = columns
        return cls(
            cpu_cores=cpu_cores,
            memory_gigabytes=memory_gigabytes,
            energy_rate_watts_per_core=energy_rate,
            idle_watts=idle_watts,
            used_ratio=usage_percent / 100.0,
        )

    def __len__(self) -> int:
        return len(self.cpu_cores)

    @property
    def peak_watts(self) -> Floats:
        """Watts at full load."""
        return self.cpu_cores * self.energy_rate_watts_per_core

    @property
    def free_cores(self) -> Floats:
        """Cores that nothing keeps busy."""
        return self.cpu_cores * np.maximum(0.0, 1.0 - self.used_ratio)

    def fits(self, task_cores: float) -> Bools:
        """Where the task finds that many free cores."""
        found: Bools = self.free_cores >= task_cores - ROUNDING_CORES
        return found
