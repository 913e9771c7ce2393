"""Servers as columns, and whether a task fits them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from extender.prediction.request import GivenServer

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
    def of(cls, given: Sequence[GivenServer]) -> Self:
        """The columns of a request."""
        return cls(
            cpu_cores=np.array([each.cpus for each in given], dtype=np.float64),
            memory_gigabytes=np.array([each.memory for each in given], dtype=np.float64),
            energy_rate_watts_per_core=np.array(
                [each.energy_rate for each in given], dtype=np.float64
            ),
            idle_watts=np.array(
                [np.nan if each.idle_watts is None else each.idle_watts for each in given],
                dtype=np.float64,
            ),
            used_ratio=np.array([each.cpu_usage for each in given], dtype=np.float64) / 100.0,
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
