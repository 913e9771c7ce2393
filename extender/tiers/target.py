"""How full a node gets, and what a core costs on it then."""

from __future__ import annotations

from cluster.model import Resources
from energy.cost import fill_cost_watts_per_core
from energy.profile import NodePowerProfile
from extender.tiers.profile import efficient_fill_percent
from pricing.node_class import CPU_MILLICORES_PER_CORE
from pricing.terms import BYTES_PER_GIBIBYTE


def target_utilisation_ratio(
    size: Resources, *, usage_ratio: float, requested_gibibytes_per_core: float | None = None
) -> float:
    """CPU load of a node that is filled as far as the profile for tiers fills it.

    Where it is known how much memory pods request for a core they request, a node with less memory
    than that is full before its cores are: they go on costing idle watts that nobody uses.
    """
    filled_ratio = efficient_fill_percent(usage_ratio) / 100
    if requested_gibibytes_per_core is not None:
        cores = size.cpu_millicores / CPU_MILLICORES_PER_CORE
        has = size.memory_bytes / BYTES_PER_GIBIBYTE / cores
        filled_ratio = min(filled_ratio, has / requested_gibibytes_per_core)
    return usage_ratio * filled_ratio


def filled_watts_per_core(
    profile: NodePowerProfile,
    size: Resources,
    *,
    usage_ratio: float,
    nodes_may_sleep: bool,
    requested_gibibytes_per_core: float | None = None,
) -> float:
    """Watts that a used core costs on a node of this size that is filled so far."""
    target = target_utilisation_ratio(
        size,
        usage_ratio=usage_ratio,
        requested_gibibytes_per_core=requested_gibibytes_per_core,
    )
    cores = size.cpu_millicores / CPU_MILLICORES_PER_CORE
    return fill_cost_watts_per_core(profile, cores, target, node_may_sleep=nodes_may_sleep)
