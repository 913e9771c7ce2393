"""What `negawatt energy prices` was asked, priced, and shown with its reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import typer
from rich.table import Table
from rich.text import Text

from console.output import json_text, stdout
from console.placement_requests import parse_ratio, parse_sleep
from energy.catalogue import Catalogue
from pricing.demand import ExpectedDemand, of_queue
from pricing.fleet_state import FleetState
from pricing.node_class import NodeClass
from pricing.price_program import PriceProgram
from pricing.price_reasons import PriceReasons, price_reasons
from pricing.prices import BidPrices, Pricer
from pricing.terms import BYTES_PER_GIBIBYTE
from simulator.fleet import Fleet, read_fleet
from simulator.pod_file import read_pods

# A command can wait longer for prices than a scheduler.
DEADLINE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRequest:
    """Nodes, and the pods that are to run on them."""

    fleet: Fleet
    demand: ExpectedDemand
    usage_ratio: float
    nodes_may_sleep: bool

    @classmethod
    def parse(
        cls, nodes: Path, pods: Path, *, sleep: str, usage_ratio: float, seed: int
    ) -> PriceRequest:
        """Check the options and read the files.

        Raises:
            InputError: an option, a file or one of its rows cannot be used.
        """
        ratio, nodes_may_sleep = parse_ratio(usage_ratio, "--usage-ratio"), parse_sleep(sleep)
        demand, _ = of_queue([record.pod() for record in read_pods(pods).records])
        rng = np.random.default_rng([seed, 2])
        return cls(
            fleet=read_fleet(nodes, Catalogue.shipped(), rng),
            demand=demand,
            usage_ratio=ratio,
            nodes_may_sleep=nodes_may_sleep,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceReport:
    """The prices of each class, and the reasons where a program was solved."""

    request: PriceRequest
    names: tuple[str, ...]
    prices: BidPrices
    reasons: tuple[PriceReasons | None, ...]

    @property
    def classes(self) -> tuple[NodeClass, ...]:
        """The classes of the nodes, in the order of the file."""
        return self.request.fleet.classes.classes


def priced(request: PriceRequest) -> PriceReport:
    """Solve, and ask for the reasons."""
    classes, demand = request.fleet.classes.classes, request.demand
    program = PriceProgram(
        classes,
        demand.shapes,
        usage_ratio=request.usage_ratio,
        nodes_may_sleep=request.nodes_may_sleep,
    )
    state, names = FleetState.empty(classes), names_of(classes)
    prices = Pricer(program, deadline_seconds=DEADLINE_SECONDS).update(state, demand.counts, 0.0)
    reasons: Sequence[PriceReasons | None] = [None] * len(classes)
    if prices.solution is not None:
        reasons = price_reasons(program, state, demand.counts, prices.solution, names)
    return PriceReport(request=request, names=names, prices=prices, reasons=tuple(reasons))


def names_of(classes: Sequence[NodeClass]) -> tuple[str, ...]:
    """What to call each class: its profile, and its size where another has the same profile."""
    seen = Counter(group.name for group in classes)
    return tuple(
        group.name if seen[group.name] == 1 else f"{group.name} ({_size(group)})"
        for group in classes
    )


def _size(group: NodeClass) -> str:
    return f"{group.cpu_cores:g} cores, {group.memory_bytes / BYTES_PER_GIBIBYTE:.4g} GiB"


def show_json(report: PriceReport) -> None:
    """Print everything as JSON."""
    prices, solution = report.prices, report.prices.solution
    typer.echo(
        json_text(
            {
                "source": prices.source.value,
                "reason": prices.reason,
                "nodes": len(report.request.fleet.nodes),
                "pods": float(report.request.demand.counts.sum()),
                "pods_without_place": solution and float(solution.unplaced_counts.sum()),
                "nodes_may_sleep": report.request.nodes_may_sleep,
                "usage_ratio": report.request.usage_ratio,
                "bound_watts": prices.watts,
                "classes": [_document(report, number) for number in range(len(report.names))],
            }
        )
    )


def _document(report: PriceReport, number: int) -> dict[str, Any]:
    group, prices, why = report.classes[number], report.prices, report.reasons[number]
    awake = prices.awake_nodes
    return {
        "class": report.names[number],
        "nodes": group.count,
        "cpu_cores": group.cpu_cores,
        "memory_bytes": group.memory_bytes,
        "awake_nodes": None if awake is None else float(awake[number]),
        "watts_per_core": float(prices.watts_per_core[number]),
        "watts_per_gibibyte": float(prices.watts_per_gibibyte[number]),
        "cpu_taken_ratio": why and why.cpu_taken_ratio,
        "memory_taken_ratio": why and why.memory_taken_ratio,
        "core_reason": why and why.core_reason,
        "memory_reason": why and why.memory_reason,
    }


def show_table(report: PriceReport) -> None:
    """Print a table, where it is from, and the reasons."""
    console = stdout()
    table = Table(title="What a requested core and GiB are worth", title_justify="left")
    table.add_column("class")
    for heading in ("nodes", "awake", "W per core", "W per GiB", "cores taken", "memory taken"):
        table.add_column(heading, justify="right")
    for number, name in enumerate(report.names):
        awake, why = report.prices.awake_nodes, report.reasons[number]
        table.add_row(
            Text(name),
            str(report.classes[number].count),
            "-" if awake is None else f"{awake[number]:.1f}",
            f"{report.prices.watts_per_core[number]:.2f}",
            f"{report.prices.watts_per_gibibyte[number]:.2f}",
            "-" if why is None else f"{why.cpu_taken_ratio:.0%}",
            "-" if why is None else f"{why.memory_taken_ratio:.0%}",
        )
    console.print(table)
    console.print(Text(_source(report)))
    for number, why in enumerate(report.reasons):
        if why is not None:
            console.print(Text("\n" + _sentences(report, number, why)))


def _source(report: PriceReport) -> str:
    pods = report.request.demand.counts.sum()
    line = f"{report.prices.source}: {report.prices.reason}"
    if report.prices.watts is None:
        return line
    solution = report.prices.solution
    if solution is not None and solution.unplaced_counts.any():
        placed = pods - float(solution.unplaced_counts.sum())
        return f"{line}; the {placed:.3g} that fit draw {report.prices.watts:.0f} W, simulated"
    noun = "pod costs" if pods == 1 else "pods cost"
    bound = f"{pods:.0f} {noun} {report.prices.watts:.0f} W at least, simulated"
    return f"{line}; {bound}"


def _sentences(report: PriceReport, number: int, why: PriceReasons) -> str:
    core = float(report.prices.watts_per_core[number])
    gibibyte = float(report.prices.watts_per_gibibyte[number])
    name = report.names[number]
    if not why.is_used:
        return (
            f"{name}: a core here is worth {core:.2f} W and a GiB {gibibyte:.2f} W because "
            f"{why.core_reason}."
        )
    return (
        f"{name}: a core here is worth {core:.2f} W because {why.core_reason}. "
        f"A GiB is worth {gibibyte:.2f} W because {why.memory_reason}."
    )
