"""A scenario: pods that come and go and nodes that fail and return, on a fleet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from energy.units import SECONDS_PER_HOUR
from simulator.chooser import NodeEvent
from simulator.fleet import Fleet
from simulator.stream import PodStream

# By the end of the warm-up three quarters of the pods found at the start have left, where lifetimes
# are six hours in the mean.
WARM_UP_SECONDS = 8 * SECONDS_PER_HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What a policy is run on. Nothing in it depends on how the placement is graded.

    ``load_ratio`` is the stated mean share of the fleet's scarcer resource that is requested.
    What comes before ``start_seconds`` is warm-up; energy counts from there to ``end_seconds``.
    """

    name: str
    family: str
    fleet: Fleet
    stream: PodStream
    load_ratio: float
    start_seconds: float
    end_seconds: float
    events: tuple[NodeEvent, ...] = ()
    constrained: bool = False


def standing_load_ratio(scenario: Scenario) -> float:
    """Mean share of the scarcer resource requested from start to end, each pod from its arrival."""
    stream = scenario.stream
    begin = np.maximum(stream.arrival_seconds, scenario.start_seconds)
    end = np.minimum(stream.departure_seconds, scenario.end_seconds)
    presence = np.maximum(end - begin, 0.0) / (scenario.end_seconds - scenario.start_seconds)
    return float(shares_of(stream, scenario.fleet, presence).max())


def shares_of(
    stream: PodStream, fleet: Fleet, presence: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Shares of the fleet's cores and memory that pods request, each weighted by its presence."""
    return np.array(
        [
            float((stream.cpu_cores() * presence).sum() / fleet.cpu_cores.sum()),
            float((stream.memory_bytes() * presence).sum() / fleet.memory_bytes.sum()),
        ]
    )
