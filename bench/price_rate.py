"""How long prices take on one core: solved cold, and again from the last basis.

    .venv/bin/python bench/price_rate.py [--json]

Classes and shapes are drawn: sizes and curves as servers have them, a state that fills a fifth of
the cores, a demand for two fifths more. *Cold* builds the program and solves it first; *again*
changes every shape's demand by up to 5 % and every class's state by up to 1 %, then solves from the
last basis. Both end with prices, so they include the second solve that settles which duals are
meant. Medians, and in brackets the longest. The project's bars: again 10 ms at 20 classes x 200
shapes and 100 ms at 100 x 500, cold 100 ms and 2 s.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from dataclasses import dataclass, replace

import numpy as np
from rich.console import Console
from rich.table import Table

from energy.power_curve import LOAD_LEVELS, PowerCurve
from energy.profile import NodePowerProfile
from pricing.fleet_state import FleetState
from pricing.linear_model import Floats
from pricing.node_class import NodeClass
from pricing.price_program import PriceProgram, Unsolved
from pricing.terms import BYTES_PER_GIBIBYTE, Shapes

SIZES = ((3, 100), (20, 200), (100, 500))
BARS_SECONDS = {(20, 200): (0.1, 0.01), (100, 500): (2.0, 0.1)}
ROUNDS = {(3, 100): 5, (20, 200): 5, (100, 500): 3}
AGAIN = 20
USAGE_RATIO = 0.6


@dataclass(frozen=True)
class Instance:
    """A fleet in a state, and what is expected of it."""

    classes: list[NodeClass]
    shapes: Shapes
    state: FleetState
    counts: Floats


def drawn(classes: int, shapes: int, seed: int) -> Instance:
    """Classes of 16 to 128 cores, shapes of a quarter of a core to 16."""
    rng = np.random.default_rng(seed)
    cores = rng.choice([16.0, 32, 48, 64, 96, 128], classes)
    gibibytes = cores * rng.choice([2.0, 4, 8], classes)
    nodes = rng.integers(5, 50, classes)
    groups = [
        NodeClass(
            name=f"class-{number}",
            cpu_cores=cores[number],
            memory_bytes=int(gibibytes[number] * BYTES_PER_GIBIBYTE),
            profile=NodePowerProfile(name=f"class-{number}", curve=drawn_curve(rng, cores[number])),
            count=int(nodes[number]),
        )
        for number in range(classes)
    ]
    cpu = rng.choice([0.25, 0.5, 1, 2, 4, 8, 16], shapes) * rng.uniform(0.5, 1.0, shapes)
    memory = cpu * rng.choice([1.0, 2, 4, 8], shapes) * rng.uniform(0.5, 1.0, shapes)
    counts = rng.integers(1, 100, shapes).astype(float)
    state = FleetState(
        nodes=nodes.astype(float),
        awake_nodes=np.ceil(0.3 * nodes),
        placed_cpu_cores=0.2 * nodes * cores,
        placed_memory_bytes=0.1 * nodes * gibibytes * BYTES_PER_GIBIBYTE,
    )
    return Instance(
        classes=groups,
        shapes=Shapes(cpu_cores=cpu, memory_bytes=memory * BYTES_PER_GIBIBYTE),
        state=state,
        counts=counts * 0.4 * (nodes @ cores) / (counts @ cpu),
    )


def drawn_curve(rng: np.random.Generator, cores: float) -> PowerCurve:
    """A curve that bends as measured ones do: steep at first, steep again at the end."""
    levels = np.array(LOAD_LEVELS)
    idle_watts, swing_watts = cores * rng.uniform(0.5, 3.0), cores * rng.uniform(1.5, 6.0)
    bend = rng.uniform(0.0, 0.3) * levels * (1 - levels) * (1 - 2 * levels)
    return PowerCurve.from_load_levels((idle_watts + swing_watts * (levels + bend)).tolist())


def changed(instance: Instance, rng: np.random.Generator) -> tuple[FleetState, Floats]:
    """State and demand a moment later."""
    state, classes = instance.state, len(instance.classes)
    cores = state.placed_cpu_cores * rng.uniform(0.99, 1.01, classes)
    memory = state.placed_memory_bytes * rng.uniform(0.99, 1.01, classes)
    later = replace(state, placed_cpu_cores=cores, placed_memory_bytes=memory)
    return later, instance.counts * rng.uniform(0.95, 1.05, len(instance.counts))


def timed(classes: int, shapes: int) -> tuple[list[float], list[float]]:
    """Seconds of each cold solve and of each one after it."""
    cold, again = [], []
    for seed in range(ROUNDS[classes, shapes]):
        instance, rng = drawn(classes, shapes, seed), np.random.default_rng(seed + 1000)
        started = time.perf_counter()
        program = PriceProgram(instance.classes, instance.shapes, usage_ratio=USAGE_RATIO)
        solved = program.solve(instance.state, instance.counts)
        cold.append(time.perf_counter() - started)
        for _ in range(AGAIN):
            state, counts = changed(instance, rng)
            started = time.perf_counter()
            solved = program.solve(state, counts)
            again.append(time.perf_counter() - started)
            if isinstance(solved, Unsolved) or solved.penalty_watts:
                raise SystemExit("an instance was not solved: its figures would mean nothing")
    return cold, again


def main() -> None:
    """Print the table, or JSON."""
    found = {size: timed(*size) for size in SIZES}
    if "--json" in sys.argv:
        document = {
            f"{classes}x{shapes}": {
                "cold_seconds_median": statistics.median(cold),
                "cold_seconds_max": max(cold),
                "again_seconds_median": statistics.median(again),
                "again_seconds_max": max(again),
            }
            for (classes, shapes), (cold, again) in found.items()
        }
        print(json.dumps(document, indent=2))
        return
    table = Table(title="milliseconds to prices, one core: median (longest)")
    for heading in ("classes x shapes", "cold", "bar", "again", "bar"):
        table.add_column(heading, justify="right")
    for size, (cold, again) in found.items():
        bars = [f"{1000 * bar:.0f}" for bar in BARS_SECONDS.get(size, ())] or ["-", "-"]
        cells = [
            f"{1000 * statistics.median(times):.1f} ({1000 * max(times):.1f})"
            for times in (cold, again)
        ]
        table.add_row(f"{size[0]} x {size[1]}", cells[0], bars[0], cells[1], bars[1])
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
