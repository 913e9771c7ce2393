"""What `negawatt simulate place` asks of the simulator, and how it shows the answer."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from console import placement_page, placement_tables
from console.output import HTML, JSON, MARKDOWN, emit, json_text, stderr, stdout
from console.progress import live_steps
from console.provenance import commit
from energy.catalogue import Catalogue
from energy.errors import InputError
from simulator.comparison import PolicyResult, StreamScenario, compare, oversized_pods
from simulator.fleet import Fleet, named_fleet, read_fleet
from simulator.pod_file import PodRecord, read_pods
from simulator.policies import POLICIES, Setting, policy_names
from simulator.recorded import recorded_stream
from simulator.standard import standard_burst
from simulator.standard_comparison import StandardSeed, compare_standard, mean_over_seeds
from simulator.suite import cell_json, cells, outcomes, tasks

SUITE_POLICIES = (*POLICIES, "bound")


def parse_seeds(text: str) -> tuple[int, ...]:
    """Seeds of a comma-separated list of whole numbers from zero up.

    Raises:
        InputError: the list is empty or holds anything else.
    """
    try:
        seeds = tuple(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        seeds = ()
    if not seeds or any(seed < 0 for seed in seeds):
        raise InputError(
            f"{text!r} is no list of seeds", where="--seed", mend="give whole numbers such as 1,2,3"
        )
    return seeds


def parse_ratio(value: float, where: str) -> float:
    """A ratio above 0 and up to 1.

    Raises:
        InputError: it is outside, or NaN.
    """
    if not (math.isfinite(value) and 0.0 < value <= 1.0):
        raise InputError(f"{value} is no ratio", where=where, mend="give a number above 0, up to 1")
    return value


def parse_sleep(text: str) -> bool:
    """Whether empty nodes sleep.

    Raises:
        InputError: it is neither `never` nor `empty`.
    """
    if text not in ("never", "empty"):
        raise InputError(f"{text!r} is no sleep mode", where="--sleep", mend="use never or empty")
    return text == "empty"


@dataclass(frozen=True, slots=True, kw_only=True)
class StandardRequest:
    """The standard burst: pods, a fleet, policies, seeds."""

    records: Sequence[PodRecord]
    fleet: Fleet
    policies: tuple[str, ...]
    seeds: tuple[int, ...]

    @classmethod
    def parse(cls, pods: Path | None, fleet: str | None, policy: str, seed: str) -> StandardRequest:
        """Check the options and read the files."""
        if pods is None:
            raise InputError("no pods are given", where="--pods", mend="give openb's pod list")
        return cls(
            policies=policy_names(policy),
            seeds=parse_seeds(seed),
            fleet=named_fleet(fleet or "20/30/10", Catalogue.shipped()),
            records=read_pods(pods).records,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRequest:
    """A stream from files: what to place, on what, how graded."""

    scenarios: tuple[StreamScenario, ...]
    policies: tuple[str, ...]
    facts: dict[str, object]

    @classmethod
    def parse(  # noqa: PLR0913 - one parameter per option
        cls,
        *,
        pods: Path | None,
        nodes: Path | None,
        fleet: str | None,
        policy: str,
        seed: str,
        sleep: str,
        usage_ratio: float,
        load: float | None,
    ) -> StreamRequest:
        """Check the options and read the files."""
        if pods is None:
            raise InputError("no pods are given", where="--pods", mend="give a CSV file of pods")
        if (nodes is None) == (fleet is None):
            raise InputError(
                "give either --nodes or --fleet", mend="one names the file, one a fleet"
            )
        policies, seeds = policy_names(policy), parse_seeds(seed)
        setting = Setting(
            usage_ratio=parse_ratio(usage_ratio, "--usage-ratio"),
            nodes_may_sleep=parse_sleep(sleep),
        )
        load_ratio = None if load is None else parse_ratio(load, "--load")
        pod_file, catalogue = read_pods(pods), Catalogue.shipped()
        scenarios = []
        facts: dict[str, object] = {}
        for number in seeds:
            if nodes is None:
                place = named_fleet(fleet or "", catalogue)
            else:
                place = read_fleet(nodes, catalogue, np.random.default_rng(number))
            recorded = recorded_stream(pod_file, place, load_ratio)
            facts = recorded.facts()
            scenarios.append(
                StreamScenario(
                    name=f"{pods.name} on {place.name}",
                    fleet=place,
                    stream=recorded.stream,
                    setting=setting,
                    seed=number,
                    start_seconds=0.0,
                    end_seconds=recorded.end_seconds,
                )
            )
        return cls(scenarios=tuple(scenarios), policies=policies, facts=facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteRequest:
    """The placement suite: which policies, which seeds."""

    policies: tuple[str, ...]
    seeds: tuple[int, ...]

    @classmethod
    def parse(cls, policy: str, seed: str) -> SuiteRequest:
        """Check the options."""
        names = SUITE_POLICIES if policy == "all" else policy_names(policy)
        return cls(policies=names, seeds=parse_seeds(seed))


def show_standard(request: StandardRequest, form: str, file: Path | None) -> None:
    """Run the standard burst and show it."""
    seeds: dict[int, StandardSeed] = {}
    with live_steps() as progress:
        for seed in request.seeds:
            _warn_oversized(request, seed)
            seeds[seed] = compare_standard(
                request.records,
                request.fleet,
                request.policies,
                seed,
                clock=time.perf_counter,
                progress=progress,
            )
    document = standard_document(request.fleet.name, seeds)
    if form == JSON:
        emit(json_text(document), file)
    elif form == HTML:
        emit(placement_page.standard_page(document), file)
    elif form == MARKDOWN:
        emit(placement_tables.standard_markdown(document), file)
    else:
        _print_or_write(placement_tables.standard_table(document), file)


def standard_document(fleet: str, seeds: dict[int, StandardSeed]) -> dict[str, object]:
    """The standard scenario's JSON."""
    return {
        "scenario": "standard",
        "fleet": fleet,
        "commit": commit(),
        "simulated": True,
        "seeds": {
            str(seed): {
                "policies": {name: result.to_json() for name, result in one.policies.items()},
                "bound_watts": dict(one.bound_watts),
            }
            for seed, one in seeds.items()
        },
        "mean": {"policies": mean_over_seeds(seeds)},
    }


def show_stream(request: StreamRequest, form: str, file: Path | None) -> None:
    """Run a stream and show it."""
    results: dict[int, dict[str, PolicyResult]] = {}
    with live_steps() as progress:
        for scenario in request.scenarios:
            _warn(oversized_pods(scenario.stream, scenario.fleet))
            results[scenario.seed] = compare(
                scenario, request.policies, clock=time.perf_counter, progress=progress
            )
    document = stream_document(request, results)
    if form == JSON:
        emit(json_text(document), file)
    elif form == HTML:
        emit(placement_page.stream_page(document, request.scenarios[0]), file)
    else:
        _print_or_write(placement_tables.stream_table(document), file)


def stream_document(
    request: StreamRequest, results: dict[int, dict[str, PolicyResult]]
) -> dict[str, object]:
    """A stream's JSON: of one seed flat, of several by seed and with their mean."""
    scenario = request.scenarios[0]
    head: dict[str, object] = {
        "scenario": scenario.name,
        "seed": scenario.seed if len(results) == 1 else list(results),
        "commit": commit(),
        "simulated": True,
        "sleep": "empty" if scenario.setting.nodes_may_sleep else "never",
        "usage_ratio": scenario.setting.usage_ratio,
        "nodes": len(scenario.fleet.nodes),
        "hours": scenario.end_seconds / 3600.0,
        **request.facts,
    }
    by_seed = {
        str(seed): {"policies": {name: result.to_json() for name, result in one.items()}}
        for seed, one in results.items()
    }
    if len(by_seed) == 1:
        return {**head, **next(iter(by_seed.values()))}
    mean = placement_tables.mean_policies([one["policies"] for one in by_seed.values()])
    return {**head, "seeds": by_seed, "mean": {"policies": mean}}


def show_suite(request: SuiteRequest, form: str, file: Path | None) -> None:
    """Run the suite on all cores and show it."""
    work = tasks(request.policies, request.seeds)
    with live_steps() as progress:
        progress.begin("fleet × load × seed", len(work))
        results = outcomes(work, processes=os.cpu_count() or 1, advance=progress.advance)
    document = {
        "scenario": "suite ground",
        "seeds": list(request.seeds),
        "commit": commit(),
        "simulated": True,
        "cells": [cell_json(cell) for cell in cells(results)],
    }
    if form == JSON:
        emit(json_text(document), file)
    elif form == HTML:
        emit(placement_page.suite_page(document), file)
    elif form == MARKDOWN:
        emit(placement_tables.suite_markdown(document), file)
    else:
        for table in placement_tables.suite_tables(document):
            _print_or_write(table, file)


def _warn_oversized(request: StandardRequest, seed: int) -> None:
    stream = standard_burst(request.records, request.fleet, seed)
    _warn(oversized_pods(stream, request.fleet))


def _warn(oversized: Sequence[str]) -> None:
    if oversized:
        shown = ", ".join(oversized[:5]) + (", …" if len(oversized) > 5 else "")  # noqa: PLR2004
        stderr().print(
            f"warning: {len(oversized)} pods are larger than every node and stay pending: {shown}",
            highlight=False,
        )


def _print_or_write(table: object, file: Path | None) -> None:
    console = stdout()
    if file is None:
        console.print(table)
        return
    with console.capture() as captured:
        console.print(table)
    emit(captured.get(), file)
