"""The labels of energy tiers that our controller would give a simulated fleet."""

from __future__ import annotations

from dataclasses import replace

from cluster.scheduling.profile import ENERGY_TIER_LABEL
from extender.tiers.order import RankedNode, tiers_of
from extender.tiers.target import filled_watts_per_core
from pricing.node_class import CPU_MILLICORES_PER_CORE
from pricing.terms import BYTES_PER_GIBIBYTE
from simulator.churn import ShapeTable
from simulator.fleet import Fleet
from simulator.pod_file import BYTES_PER_MEBIBYTE
from simulator.policy import Setting


def labelled(
    fleet: Fleet, setting: Setting, requested_gibibytes_per_core: float | None = None
) -> Fleet:
    """The same fleet with tiers by fill cost, on a cluster that had none.

    `requested_gibibytes_per_core` is what the controller is told of the pods' memory, if anything.
    """
    ranked = [
        RankedNode(
            name=node.name,
            cpu_cores=cores,
            watts_per_core=filled_watts_per_core(
                profile,
                node.allocatable,
                usage_ratio=setting.usage_ratio,
                nodes_may_sleep=setting.nodes_may_sleep,
                requested_gibibytes_per_core=requested_gibibytes_per_core,
            ),
        )
        for node, profile, cores in zip(
            fleet.nodes, fleet.profiles, fleet.cpu_cores.tolist(), strict=True
        )
    ]
    tier_of = tiers_of(ranked)
    nodes = [
        replace(node, labels={**node.labels, ENERGY_TIER_LABEL: str(tier_of[node.name])})
        for node in fleet.nodes
    ]
    return Fleet(fleet.name, tuple(nodes), fleet.profiles)


def labelled_with_memory(fleet: Fleet, setting: Setting) -> Fleet:
    """The same, told how much memory openb's pods request for a core."""
    return labelled(fleet, setting, recorded_gibibytes_per_core())


def recorded_gibibytes_per_core() -> float:
    """Memory that openb's pods request for each core they request, GiB, over all pods."""
    table = ShapeTable.shipped()
    cores = table.weights @ table.cpu_millicores / CPU_MILLICORES_PER_CORE
    gibibytes = table.weights @ table.memory_mebibytes * BYTES_PER_MEBIBYTE / BYTES_PER_GIBIBYTE
    return float(gibibytes / cores)
