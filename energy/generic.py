"""The last link of the chain: a power curve from nothing but the number of CPUs.

Kubernetes counts hardware threads as CPUs, so that is the unit here too. The curve is drawn from
the catalogue's own servers of similar size, at the upper quartile of their watts per
thread: a node that nobody described must never look better than most that were measured.
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
#: So many servers of the nearest size are asked at least, and all that are as near as the last.
NEIGHBOURS: Final = 8
WATTS_QUANTILE: Final = 0.75
GENERIC_TRUST: Final = 0.1


def generic_profile(
    servers: Iterable[CatalogueServer], cpu_cores: float, *, notes: tuple[str, ...] = ()
) -> NodePowerProfile:
    """Return the profile of an unknown node; `cpu_cores` are CPUs as Kubernetes counts them."""
    if not (math.isfinite(cpu_cores) and cpu_cores > 0):
        raise InputError(f"cpu_cores is {cpu_cores}", mend="give the node's number of cores")
    recent = [server for server in servers if server.hardware_year >= SINCE_HARDWARE_YEAR]
    nearest = _nearest(recent, cpu_cores)
    watts_per_thread = np.quantile(_watts_per_thread(nearest), WATTS_QUANTILE, axis=0)
    return NodePowerProfile(
        name=f"generic-{cpu_cores:g}-cores",
        curve=PowerCurve.from_load_levels([float(watts) for watts in watts_per_thread * cpu_cores]),
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


def _nearest(servers: Sequence[CatalogueServer], cpu_cores: float) -> list[CatalogueServer]:
    distances = [abs(math.log(server.cpu_threads / cpu_cores)) for server in servers]
    farthest = sorted(distances)[:NEIGHBOURS][-1]
    pairs = zip(servers, distances, strict=True)
    return [server for server, distance in pairs if distance <= farthest]


def _watts_per_thread(servers: Sequence[CatalogueServer]) -> NDArray[np.float64]:
    return np.array(
        [server.curve.watts_at_each(LOAD_LEVELS) / server.cpu_threads for server in servers]
    )
