"""Placement results as one HTML file that needs no network: table, plots, what they depend on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
import numpy as np

from console import placement_tables as tables
from console.plots import grouped_ratios, over_time, prices_over_time, stacked_energy
from console.price_series import PriceSeries
from simulator.accounting import Series, series
from simulator.comparison import StreamScenario
from simulator.engine import Run
from simulator.fleet import composition
from simulator.policies import BOUND

POINTS_OVER_TIME = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A further table of a page, below its plots."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What the template shows. ``plots`` are SVG elements; ``rows`` start with their heading."""

    title: str
    lines: Sequence[str]
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    plots: Sequence[tuple[str, str]]
    sections: Sequence[Section] = ()


def render(page: Page) -> str:
    """The page as HTML. Text is escaped; plots are our own SVG."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("console"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("placement.html").render(page=page)


def stream_page(
    document: tables.Document,
    scenario: StreamScenario,
    runs: Mapping[str, Run],
    lines: Sequence[str] = (),
) -> str:
    """The page of a stream: energy by policy, and the fleet over time (of the seed of the runs)."""
    policies = tables.policies_of(document)
    placing = {name: row for name, row in policies.items() if name != BOUND}
    bound = policies.get(BOUND, {}).get("energy_kilowatt_hours")
    idle = {name: row["idle_kilowatt_hours"] or 0.0 for name, row in placing.items()}
    dynamic = {name: row["dynamic_kilowatt_hours"] or 0.0 for name, row in placing.items()}
    headings, rows = tables.stream_rows(document)
    lived = {name: _over_time(scenario, record) for name, record in runs.items()}
    return render(
        Page(
            title=tables.stream_title(document),
            lines=[
                *lines,
                tables.stream_caption(document),
                f"Fleet of seed {scenario.seed}: {composition(scenario.fleet)}.",
                f"Commit {document['commit']}.",
            ],
            headings=headings,
            rows=rows,
            plots=[
                ("Energy by policy", stacked_energy(idle, dynamic, bound)),
                ("The fleet over time", over_time(lived, scenario.start_seconds)),
                *_prices_over_time(scenario, runs),
            ],
        )
    )


def standard_page(document: tables.Document) -> str:
    """The page of the standard burst."""
    policies: Mapping[str, Any] = document["mean"]["policies"]
    keys = list(tables.STANDARD_COLUMNS)
    labels = list(tables.STANDARD_COLUMNS.values())
    ratios = {
        name: [row["bound_ratio"][key] for key in keys]
        for name, row in policies.items()
        if name != BOUND
    }
    return render(
        Page(
            title=f"{tables.standard_title(document)} (simulated)",
            lines=[
                f"Seeds {', '.join(document['seeds'])}, commit {document['commit']}.",
                "Watts of the final placement, and in brackets their ratio to the bound.",
                *(f"{line[0].upper()}{line[1:]}." for line in tables.agreement(document)),
            ],
            headings=["policy", *labels, "nodes used", "pending"],
            rows=list(tables.standard_rows(document)),
            plots=[
                (
                    "Ratio to the bound",
                    grouped_ratios(ratios, list(tables.STANDARD_COLUMNS.values())),
                )
            ],
        )
    )


def suite_page(document: tables.Document) -> str:
    """The page of the suite: one row per cell."""
    rows = [[fleet, setting, *cells] for fleet, setting, cells in tables.suite_rows(document)]
    return render(
        Page(
            title="Placement suite (simulated)",
            lines=[
                f"Seeds {document['seeds']}, commit {document['commit']}.",
                "Energy of 24 hours divided by the bound, mean ± half of the 95 % interval.",
            ],
            headings=["fleet", "setting", *tables.suite_policies(document)],
            rows=rows,
            plots=[],
        )
    )


def _prices_over_time(
    scenario: StreamScenario, runs: Mapping[str, Run]
) -> Iterator[tuple[str, str]]:
    """The plot of the prices, where a policy has any."""
    priced = PriceSeries.of(scenario, runs)
    if priced is not None:
        yield (
            f"What a requested core and GiB of each class are worth, under {priced.policy}",
            prices_over_time(priced, scenario.start_seconds),
        )


def _over_time(scenario: StreamScenario, record: Run) -> Series:
    return series(
        record,
        scenario.fleet.profiles,
        scenario.fleet.cpu_cores,
        np.linspace(0.0, scenario.end_seconds, POINTS_OVER_TIME),
        usage_ratio=scenario.setting.usage_ratio,
        nodes_may_sleep=scenario.setting.nodes_may_sleep,
    )
