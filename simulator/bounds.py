"""What a placement could cost at least: the program of `pricing.program` over a simulated fleet."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pricing.program import Bound, PlacementProgram
from simulator.fleet import Fleet
from simulator.policy import Setting
from simulator.stream import Demand, PodStream, mean_demand, shapes_of

# Five-minute means keep the bound valid, because the program's value is convex in the demand, and
# a day at 288 solves.
STEP_SECONDS = 300.0
# Longer windows get longer steps: the bound stays valid and becomes looser.
STEPS_MAX = 10_000
BURST_DEADLINE_SECONDS = 60.0


def burst_bound(stream: PodStream, fleet: Fleet, setting: Setting) -> Bound | None:
    """Watts of placing all pods at once, by the program with whole pods and nodes.

    Solved to a gap of 0.1 %, or as far as a minute goes (the gap says how far). Pods that fit no
    node are left out. None where the pods do not fit the fleet together.
    """
    shapes, shape_of_pod = shapes_of(stream)
    counts = np.bincount(shape_of_pod, minlength=len(shapes)).astype(np.float64)
    counts[~fleet.fits(shapes.cpu_cores, shapes.memory_bytes)] = 0.0
    program = PlacementProgram(
        fleet.classes.classes,
        shapes,
        usage_ratio=setting.usage_ratio,
        nodes_may_sleep=setting.nodes_may_sleep,
        integer=True,
    )
    return program.solve(counts, deadline_seconds=BURST_DEADLINE_SECONDS)


def stream_demand(
    stream: PodStream, fleet: Fleet, start_seconds: float, end_seconds: float
) -> Demand:
    """Mean pods per shape in steps of five minutes (longer ones beyond five weeks).

    Shapes that fit no node are left out.
    """
    demand = mean_demand(
        stream,
        start_seconds=start_seconds,
        end_seconds=end_seconds,
        step_seconds=max(STEP_SECONDS, (end_seconds - start_seconds) / STEPS_MAX),
    )
    demand.counts[:, ~fleet.fits(demand.shapes.cpu_cores, demand.shapes.memory_bytes)] = 0.0
    return demand


def stream_bound_joules(
    demand: Demand,
    fleet: Fleet,
    setting: Setting,
    advance: Callable[[int], None] = lambda _: None,
) -> float | None:
    """Energy that the stream costs at least, with free moves and free waking; None if infeasible.

    The relaxation moves fractions of pods and nodes at will, so no policy can reach it.
    """
    program = PlacementProgram(
        fleet.classes.classes,
        demand.shapes,
        usage_ratio=setting.usage_ratio,
        nodes_may_sleep=setting.nodes_may_sleep,
        integer=False,
    )
    joules = 0.0
    for counts in demand.counts:
        bound = program.solve(counts)
        if bound is None:
            return None
        joules += bound.watts * demand.step_seconds
        advance(1)
    return joules
