"""The nodes of the core as servers: their present load, and what their power profiles say.

Read on the thread that owns the core; everything is copied, so that another thread can go on.
"""

from __future__ import annotations

import math

import numpy as np

from cluster.model import Pod, Resources
from cluster.scheduling.feasibility import feasible
from energy.servers import BYTES_PER_GIGABYTE
from extender.judgement import Scene
from extender.prediction.cluster import ClusterServers
from extender.prediction.servers import ROUNDING_CORES, Floats, Servers
from pricing.node_class import CPU_MILLICORES_PER_CORE


def cluster_servers(scene: Scene, task_cores: float) -> ClusterServers:
    """Nodes of a scene for a task that requests what it keeps busy, and nothing else."""
    table, power = scene.table, scene.fleet.power
    millicores = max(1, math.ceil(task_cores * CPU_MILLICORES_PER_CORE))
    pod = Pod(
        name="prediction",
        namespace="negawatt",
        requests=Resources(cpu_millicores=millicores, memory_bytes=0),
    )
    cores = table.allocatable_cpu_millicores / CPU_MILLICORES_PER_CORE
    free_cores = np.maximum(0, table.free_cpu_millicores) / CPU_MILLICORES_PER_CORE
    peak_watts = power.watts_of(power.rows, np.ones(len(cores)))
    return ClusterServers(
        names=tuple(node.name for node in table.nodes),
        servers=Servers(
            cpu_cores=cores,
            memory_gigabytes=table.allocatable_memory_bytes / BYTES_PER_GIGABYTE,
            energy_rate_watts_per_core=peak_watts / cores,
            idle_watts=power.idle_watts.copy(),
            used_ratio=scene.load_ratio.copy(),
        ),
        added_watts=_added_watts(scene, task_cores / cores),
        free_cores=free_cores,
        fits=free_cores >= task_cores - ROUNDING_CORES,
        takes=feasible(table, pod),
    )


def _added_watts(scene: Scene, added_ratio: Floats) -> Floats:
    """Marginal watts of a task whose use is known, unlike a pod's (`judgement.added_watts`)."""
    power, fleet, before = scene.fleet.power, scene.fleet, scene.load_ratio
    watts = power.watts_of(power.rows, before + added_ratio) - power.watts_of(power.rows, before)
    if fleet.nodes_may_sleep:
        waking = power.idle_watts - power.sleep_watts
        watts = watts + np.where(scene.busy == 0, waking, 0.0)
    added: Floats = watts
    return added
