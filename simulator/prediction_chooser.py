"""The paper's service in the loop: each pod goes where `POST /predict` says that it costs least.

The service is told what its users know: cores, memory, watts per core at full load, and the CPU in
use. It prices with its own code (`extender.prediction.models`); the curves that grade the placement
are measured, and it does not see them. Ties are its own, too: of nodes that cost the same it names
the first.
"""

from __future__ import annotations

import numpy as np
from typing_extensions import override

from cluster.model import Pod
from cluster.scheduling.feasibility import feasible
from cluster.scheduling.table import NodeTable
from energy.regressor.artefact import Regressor
from energy.regressor.forest import Forest
from energy.servers import BYTES_PER_GIGABYTE
from extender.prediction.answer import cheapest_first
from extender.prediction.models import CostModel, ForestCosts, added_watts, curves
from extender.prediction.servers import Floats, Servers
from pricing.node_class import CPU_MILLICORES_PER_CORE
from simulator.chooser import NOWHERE, Chooser
from simulator.fleet import Fleet
from simulator.policy import Setting

# Whoever requests nothing keeps something busy all the same; the service takes no task of 0.
TASK_CORES_MIN = 0.001


class PredictionChooser(Chooser):
    """Nodes as the service's servers, empty at first, and what one of its models says of them."""

    def __init__(self, fleet: Fleet, setting: Setting) -> None:
        self._usage_ratio = setting.usage_ratio
        peak_watts = np.array([profile.peak_watts for profile in fleet.profiles])
        self.empty = Servers(
            cpu_cores=fleet.cpu_cores,
            memory_gigabytes=fleet.memory_bytes / BYTES_PER_GIGABYTE,
            energy_rate_watts_per_core=peak_watts / fleet.cpu_cores,
            idle_watts=np.full(len(fleet.nodes), np.nan),
            used_ratio=np.zeros(len(fleet.nodes)),
        )

    @override
    def choose(self, table: NodeTable, pod: Pod, now_seconds: float) -> int:
        """Index of the chosen node, or `NOWHERE`."""
        use = self._usage_ratio / CPU_MILLICORES_PER_CORE
        task_cores = max(TASK_CORES_MIN, pod.requests.cpu_millicores * use)
        servers = Servers(
            cpu_cores=self.empty.cpu_cores,
            memory_gigabytes=self.empty.memory_gigabytes,
            energy_rate_watts_per_core=self.empty.energy_rate_watts_per_core,
            idle_watts=self.empty.idle_watts,
            used_ratio=table.requested_cpu_millicores * use / self.empty.cpu_cores,
        )
        costs = self.costs(servers, task_cores)
        order = cheapest_first(costs, feasible(table, pod))
        return int(order[0]) if len(order) else NOWHERE

    def costs(self, servers: Servers, task_cores: float) -> Floats:
        """Watts of the task on each server."""
        raise NotImplementedError


class ForestChooser(PredictionChooser):
    """By the paper's forest."""

    def __init__(self, fleet: Fleet, setting: Setting, model: CostModel | None = None) -> None:
        super().__init__(fleet, setting)
        self._model = model or ForestCosts(Forest.shipped())

    @override
    def costs(self, servers: Servers, task_cores: float) -> Floats:
        """See `PredictionChooser`."""
        return self._model.costs(servers, task_cores).watts


class RegressorChooser(PredictionChooser):
    """By our regressor; its curves do not depend on the load, so they are predicted once."""

    def __init__(self, fleet: Fleet, setting: Setting) -> None:
        super().__init__(fleet, setting)
        self._curves = curves(Regressor.shipped(), self.empty)

    @override
    def costs(self, servers: Servers, task_cores: float) -> Floats:
        """See `PredictionChooser`."""
        return added_watts(self._curves, servers, task_cores)
