"""Run what `negawatt simulate place` was asked for, and show it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import RenderableType

from console import placement_page, placement_tables
from console.output import HTML, JSON, MARKDOWN, TABLE, emit, json_text, say, stdout
from console.placement_requests import StandardRequest, StreamRequest, SuiteRequest
from console.price_series import PriceSeries
from console.progress import live_steps
from console.provenance import commit
from pricing.program import RELATIVE_GAP
from simulator.comparison import Comparison, StreamScenario, compare, oversized_pods
from simulator.paper_scenario import agreement
from simulator.seeds import mean_over_seeds
from simulator.standard import standard_burst
from simulator.standard_comparison import StandardSeed, compare_standard
from simulator.suite import cell_json, cells, outcomes, tasks

NAMES_SHOWN = 5


def show_standard(request: StandardRequest, form: str, file: Path | None) -> None:
    """Run the standard burst and show it."""
    made_by = commit()
    seeds: dict[int, StandardSeed] = {}
    for seed in request.seeds:
        stream = standard_burst(request.records, request.fleet, seed)
        _warn_oversized(oversized_pods(stream, request.fleet))
    with live_steps() as progress:
        for seed in request.seeds:
            seeds[seed] = compare_standard(
                request.records,
                request.fleet,
                request.policies,
                seed,
                clock=time.perf_counter,
                progress=progress,
            )
    document = standard_document(request.fleet.name, seeds, made_by)
    if request.is_paper:
        document |= {"scenario": "paper", "agreement": _agreement(request)}
    _warn_gaps(seeds)
    show(
        form,
        file,
        {
            JSON: lambda: json_text(document),
            HTML: lambda: placement_page.standard_page(document),
            MARKDOWN: lambda: placement_tables.standard_markdown(document),
            TABLE: lambda: rendered([placement_tables.standard_table(document)], file),
        },
    )


def _agreement(request: StandardRequest) -> dict[str, object]:
    """How often the models of the prediction service choose alike, by seed and in the mean."""
    by_seed = {
        str(seed): agreement(
            standard_burst(request.records, request.fleet, seed),
            request.fleet,
            clock=time.perf_counter,
        ).to_json()
        for seed in request.seeds
    }
    return {"seeds": by_seed, "mean": mean_over_seeds(list(by_seed.values()))}


def standard_document(
    fleet: str, seeds: Mapping[int, StandardSeed], made_by: str
) -> dict[str, object]:
    """The standard scenario's JSON."""
    by_seed: dict[str, dict[str, Any]] = {
        str(seed): {
            "policies": {name: result.to_json() for name, result in one.policies.items()},
            "bound_watts": dict(one.bound_watts),
            "bound_gap_ratio": dict(one.bound_gap_ratio),
        }
        for seed, one in seeds.items()
    }
    return {
        "scenario": "standard",
        "fleet": fleet,
        "commit": made_by,
        "simulated": True,
        "seeds": by_seed,
        "mean": {"policies": mean_over_seeds([one["policies"] for one in by_seed.values()])},
    }


def show_stream(request: StreamRequest, form: str, file: Path | None) -> None:
    """Run a stream and show it."""
    made_by = commit()
    compared: dict[int, Comparison] = {}
    for scenario, recorded in zip(request.scenarios, request.recorded, strict=True):
        _warn_oversized(oversized_pods(scenario.stream, scenario.fleet))
        if warning := recorded.warning():
            say(f"warning: {warning}")
    with live_steps() as progress:
        for scenario in request.scenarios:
            compared[scenario.seed] = compare(
                scenario, request.policies, clock=time.perf_counter, progress=progress
            )
    document = stream_document(request, compared, made_by)
    first = request.scenarios[0]
    show(
        form,
        file,
        {
            JSON: lambda: json_text(document),
            HTML: lambda: placement_page.stream_page(document, first, compared[first.seed].runs),
            TABLE: lambda: rendered([placement_tables.stream_table(document)], file),
        },
    )


def stream_document(
    request: StreamRequest, compared: Mapping[int, Comparison], made_by: str
) -> dict[str, object]:
    """A stream's JSON: of one seed flat, of several by seed and with their mean."""
    scenario = request.scenarios[0]
    head: dict[str, object] = {
        **scenario.facts(),
        "seed": scenario.seed if len(compared) == 1 else list(compared),
        "commit": made_by,
        **request.recorded[0].facts(),
    }
    by_seed: dict[str, dict[str, Any]] = {
        str(scenario.seed): _seed_document(scenario, compared[scenario.seed])
        for scenario in request.scenarios
    }
    if len(by_seed) == 1:
        return {**head, **next(iter(by_seed.values()))}
    mean = mean_over_seeds([one["policies"] for one in by_seed.values()])
    return {**head, "seeds": by_seed, "mean": {"policies": mean}}


def _seed_document(scenario: StreamScenario, compared: Comparison) -> dict[str, Any]:
    """Results by policy, and the prices of the running mix where a policy goes by them."""
    policies = {name: result.to_json() for name, result in compared.results.items()}
    priced = PriceSeries.of(scenario, compared.runs)
    return {"policies": policies, **({} if priced is None else {"prices": priced.to_json()})}


def show_suite(request: SuiteRequest, form: str, file: Path | None) -> None:
    """Run the suite on all cores and show it."""
    made_by = commit()
    work = tasks(request.policies, request.seeds)
    with live_steps() as progress:
        progress.begin("fleet × load × seed", len(work))
        results = outcomes(work, processes=os.cpu_count() or 1, advance=progress.advance)
    document = {
        "scenario": "suite ground",
        "seeds": list(request.seeds),
        "commit": made_by,
        "simulated": True,
        "cells": [cell_json(cell) for cell in cells(results)],
    }
    show(
        form,
        file,
        {
            JSON: lambda: json_text(document),
            HTML: lambda: placement_page.suite_page(document),
            MARKDOWN: lambda: placement_tables.suite_markdown(document),
            TABLE: lambda: rendered(placement_tables.suite_tables(document), file),
        },
    )


def show(form: str, file: Path | None, forms: Mapping[str, Callable[[], str]]) -> None:
    """Print a result in the form that was asked for, or write it to a file."""
    text = forms[form]()
    if text:
        emit(text, file)


def rendered(tables: Iterable[RenderableType], file: Path | None) -> str:
    """Tables as text for a file; on a terminal they are printed at once, in colour."""
    console = stdout()
    if file is None:
        for table in tables:
            console.print(table)
        return ""
    with console.capture() as captured:
        for table in tables:
            console.print(table)
    return captured.get()


def _warn_oversized(names: Sequence[str]) -> None:
    if not names:
        return
    shown = ", ".join(names[:NAMES_SHOWN]) + (", …" if len(names) > NAMES_SHOWN else "")
    say(f"warning: {len(names)} pods are larger than every node and stay pending: {shown}")


def _warn_gaps(seeds: Mapping[int, StandardSeed]) -> None:
    for seed, one in seeds.items():
        for column, gap in one.bound_gap_ratio.items():
            if gap is not None and gap > RELATIVE_GAP * 1.001:
                say(
                    f"warning: the bound of seed {seed}, {column} was solved to {gap:.2%} only; "
                    "ratios to it are too high by up to that"
                )
