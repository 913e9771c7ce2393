"""The demo: its scenario run, as a table, sentences, a document and a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.table import Table

from console.placement_page import stream_page
from console.placement_tables import Document, stream_table
from console.price_series import PriceSeries
from console.progress import live_steps
from console.provenance import commit
from energy.catalogue import Catalogue
from energy.units import SECONDS_PER_HOUR
from pricing.mix_pricing import SOLVE_EVERY_SECONDS
from simulator.comparison import compare
from simulator.demo import POLICIES, demo_scenario, sentence
from simulator.policies import BOUND

SOURCES = """\
A day of pods: sizes and lifetimes drawn from Alibaba's openb trace (2023), and the replicas of
four services that follow request rates of Microsoft services (2018) and NASA's web server (1995).
Watts come from published SPECpower results of the fleet's servers. Nothing here was measured on a
running cluster: all figures are simulated."""
ASSUMPTIONS = """\
A node sleeps the moment its last pod leaves and is awake the moment a pod is placed on it; waking
and shutting down cost energy but no time. Whether a cluster can do that is for a node autoscaler
to show."""
PRICES = f"""\
The last plot shows what negawatt goes by: what one more requested core and GiB of each kind of
server are worth for the pods that run, solved anew every {SOLVE_EVERY_SECONDS / 60:.0f}
minutes. Its rule charges the price of memory, smoothed over about an hour, and cores along each
server's own curve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """What the demo shows, in every form."""

    document: Document
    table: Table
    sentences: Sequence[str]
    page: str


def run_demo(seed: int, clock: Callable[[], float]) -> DemoResult:
    """Run all policies on the demo's scenario, with live progress."""
    scenario = demo_scenario(Catalogue.shipped(), seed)
    with live_steps() as progress:
        compared = compare(scenario, (*POLICIES, BOUND), clock=clock, progress=progress)
    results, priced = compared.results, PriceSeries.of(scenario, compared.runs)
    hours = (scenario.end_seconds - scenario.start_seconds) / SECONDS_PER_HOUR
    sentences = [sentence(name, results, len(scenario.fleet.nodes), hours) for name in POLICIES]
    document = {
        **scenario.facts(),
        "commit": commit(),
        "pods": len(scenario.stream),
        "policies": {name: result.to_json() for name, result in results.items()},
        "sentences": sentences,
        "prices": priced and priced.to_json(),
    }
    return DemoResult(
        document=document,
        table=stream_table(document),
        sentences=sentences,
        page=stream_page(
            document, scenario, compared.runs, [SOURCES, ASSUMPTIONS, *sentences, PRICES]
        ),
    )
