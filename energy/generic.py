"""The last link of the chain: a power curve from nothing but the number of cores.

It is drawn from the catalogue's own servers of similar size, at the upper quartile of their watts
per core: a node that nobody described must never look better than most that were measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from energy.errors import InputError
from energy.power_curve import LOAD_LEVELS, PowerCurve
from energy.profile import NodePowerProfile, ProfileSource, Scope
from energy.servers import CatalogueServer

#: Servers bought before this year are rarely in service, and idle at half of their peak.
SINCE_HARDWARE_YEAR: Final = 2012
#: So many servers of the nearest size are asked.
NEIGHBOURS: Final = 25
WATTS_QUANTILE: Final = 0.75
GENERIC_TRUST: Final = 0.1


def generic_profile(
    servers: Iterable[CatalogueServer], cpu_cores: float, *, notes: tuple[str, ...] = ()
) -> NodePowerProfile:
    """Return the profile of an unknown node with `cpu_cores` cores."""
    if not (math.isfinite(cpu_cores) and cpu_cores > 0):
        raise InputError(f"cpu_cores is {cpu_cores}", mend="give the node's number of cores")
    recent = [server for server in servers if server.hardware_year >= SINCE_HARDWARE_YEAR]
    nearest = sorted(recent, key=lambda server: abs(math.log(server.cores / cpu_cores)))
    watts_per_core = np.quantile(_watts_per_core(nearest[:NEIGHBOURS]), WATTS_QUANTILE, axis=0)
    return NodePowerProfile(
        name=f"generic-{cpu_cores:g}-cores",
        curve=PowerCurve.from_load_levels([float(watts) for watts in watts_per_core * cpu_cores]),
        scope=Scope.WALL,
        source=ProfileSource.GENERIC_CORES,
        trust=GENERIC_TRUST,
        notes=notes,
    )


def typical_shape(servers: Iterable[CatalogueServer]) -> NDArray[np.float64]:
    """Median of (watts - idle) / (peak - idle) at the eleven load levels, over recent servers."""
    shapes = [
        (server.curve.watts_at_each(LOAD_LEVELS) - server.curve.idle_watts)
        / (server.curve.peak_watts - server.curve.idle_watts)
        for server in servers
        if server.hardware_year >= SINCE_HARDWARE_YEAR
    ]
    return np.median(np.array(shapes), axis=0)


def _watts_per_core(servers: Sequence[CatalogueServer]) -> NDArray[np.float64]:
    return np.array([server.curve.watts_at_each(LOAD_LEVELS) / server.cores for server in servers])
