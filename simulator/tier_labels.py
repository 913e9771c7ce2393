"""The labels of energy tiers that our controller would give a simulated fleet."""

from __future__ import annotations

from dataclasses import replace

from cluster.scheduling.profile import ENERGY_TIER_LABEL
from energy.cost import fill_cost_watts_per_core
from extender.tiers.order import RankedNode, tiers_of
from simulator.fleet import Fleet
from simulator.policy import Setting


def labelled(fleet: Fleet, setting: Setting) -> Fleet:
    """The same fleet with tiers by fill cost, on a cluster that had none."""
    ranked = [
        RankedNode(
            name=node.name,
            cpu_cores=cores,
            watts_per_core=fill_cost_watts_per_core(
                profile, cores, setting.usage_ratio, node_may_sleep=setting.nodes_may_sleep
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
