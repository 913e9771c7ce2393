"""What a task costs on each server, in watts, by the two models. Pure but for loading them.

Both answer for all servers at once; servers alike are asked about once.

* `regressor`: our curve regressor predicts the server's power curve; the cost is what the task adds
  on it at the present load, in marginal watts.
* `paper-random-forest`: the forest predicts the server's watts at the load that the task brings it
  to; the cost is the share of those watts that belongs to the task's part of the server's cores. A
  difference of two predictions would not do: a forest is flat in steps, and most differences are 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from energy.power_curve import LOAD_LEVELS
from energy.regressor.artefact import Regressor
from energy.regressor.facts import ServerFacts
from energy.regressor.forest import Forest
from energy.servers import CatalogueServer
from extender.prediction.request import FOREST, REGRESSOR
from extender.prediction.servers import Bools, Floats, Servers

#: Servers in one call of a graph: the process's matrices take some 12 kB a row.
CHUNK_ROWS: Final = 2048


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Costs:
    """Watts of the task on each server, and by request field where it was out of range.

    Out of the range that the model was trained on, its end is taken.
    """

    watts: Floats
    clamped: Mapping[str, Bools]


class CostModel(Protocol):
    """Prices a task on servers."""

    @property
    def name(self) -> str:
        """As requests call it."""
        ...

    def costs(self, servers: Servers, task_cores: float) -> Costs:
        """Cost of the task on each server; above 0. Whether it fits there is not asked."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainedRange:
    """What sizes of servers a model was trained on."""

    cpu_cores: tuple[float, float]
    memory_gigabytes: tuple[float, float]
    peak_watts: tuple[float, float]

    @classmethod
    def of(cls, table: Sequence[CatalogueServer]) -> Self:
        """The sizes of measured servers."""
        memory = [each.memory_gigabytes for each in table if each.memory_gigabytes]
        return cls(
            cpu_cores=_span([each.cores for each in table]),
            memory_gigabytes=_span(memory),
            peak_watts=_span([each.curve.peak_watts for each in table]),
        )

    def outside(self, servers: Servers) -> dict[str, Bools]:
        """Which servers are outside, by the field of the request that says so."""
        return {
            "cpus": _outside(servers.cpu_cores, self.cpu_cores),
            "memory": _outside(servers.memory_gigabytes, self.memory_gigabytes),
            "energy_rate": _outside(servers.peak_watts, self.peak_watts),
        }


class RegressorCosts:
    """Marginal watts on predicted curves."""

    name = REGRESSOR

    def __init__(self, regressor: Regressor, trained: TrainedRange) -> None:
        self._regressor, self._trained = regressor, trained

    def costs(self, servers: Servers, task_cores: float) -> Costs:
        """See `CostModel`."""
        return Costs(
            watts=added_watts(curves(self._regressor, servers), servers, task_cores),
            clamped=self._trained.outside(servers),
        )


class ForestCosts:
    """The task's share of the watts that the paper's forest predicts."""

    name = FOREST

    def __init__(self, forest: Forest) -> None:
        self._forest = forest

    def costs(self, servers: Servers, task_cores: float) -> Costs:
        """See `CostModel`."""
        part = task_cores / servers.cpu_cores
        columns = (
            servers.cpu_cores,
            servers.memory_gigabytes,
            servers.peak_watts,
            np.minimum(1.0, servers.used_ratio + part),
        )
        kinds, kind_of = _kinds(columns)
        pieces = [
            self._forest.watts(kinds[start : start + CHUNK_ROWS])
            for start in range(0, len(kinds), CHUNK_ROWS)
        ]
        watts = np.concatenate(pieces)[kind_of] if pieces else np.empty(0)
        outside = self._forest.outside(kinds)[kind_of]
        return Costs(
            watts=watts * part,
            clamped={
                "cpus": outside[:, 0],
                "memory": outside[:, 1],
                "energy_rate": outside[:, 2],
            },
        )


def curves(regressor: Regressor, servers: Servers) -> Floats:
    """Watts of each server at the eleven load levels: (servers, 11)."""
    columns = (
        servers.cpu_cores,
        servers.memory_gigabytes,
        servers.peak_watts,
        np.nan_to_num(servers.idle_watts),  # NaN is never alike; nobody is known to idle at 0 W
    )
    kinds, kind_of = _kinds(columns)
    facts = [
        ServerFacts(
            cores=cores,
            memory_gigabytes=memory,
            peak_watts=peak,
            idle_watts=idle or None,
        )
        for cores, memory, peak, idle in kinds.tolist()
    ]
    pieces = [
        regressor.predict(facts[start : start + CHUNK_ROWS])
        for start in range(0, len(facts), CHUNK_ROWS)
    ]
    found: Floats = np.concatenate(pieces)[kind_of] if pieces else np.empty((0, 11))
    return found


def added_watts(curves: Floats, servers: Servers, task_cores: float) -> Floats:
    """What the task adds on curves of eleven levels at the servers' present load: (servers,)."""
    after = servers.used_ratio + task_cores / servers.cpu_cores
    added: Floats = _watts_at(curves, after) - _watts_at(curves, servers.used_ratio)
    return added


def _watts_at(curves: Floats, load_ratio: Floats) -> Floats:
    """Each curve at its own load: linear between the levels, steady beyond full load."""
    steps = len(LOAD_LEVELS) - 1
    place = np.clip(load_ratio, 0.0, 1.0) * steps
    low = np.minimum(place.astype(np.int64), steps - 1)
    rows = np.arange(len(curves))
    start = curves[rows, low]
    found: Floats = start + (curves[rows, low + 1] - start) * (place - low)
    return found


def _kinds(columns: tuple[Floats, ...]) -> tuple[Floats, NDArray[np.int64]]:
    """Rows that differ, and which of them each server is."""
    rows = np.column_stack(columns)
    kinds, kind_of = np.unique(rows, axis=0, return_inverse=True)
    return kinds, kind_of.reshape(-1)


def _span(values: Sequence[float]) -> tuple[float, float]:
    return float(min(values)), float(max(values))


def _outside(values: Floats, span: tuple[float, float]) -> Bools:
    # A sum of floats may miss the end of a range by its last bit.
    found: Bools = (values < span[0] * (1 - 1e-9)) | (values > span[1] * (1 + 1e-9))
    return found
