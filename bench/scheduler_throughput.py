"""Throughput of a real kube-scheduler at 500 nodes: our extender against an empty one in Go.

    .venv/bin/python bench/scheduler_throughput.py [--pairs 10] [--pods 1500] [--nodes 500]
        [--no-ledger] [--runs out/scheduler-throughput.jsonl] [--report]
        [--output table|json|markdown]

Three arms with the same profile: no extender, an extender that answers 0 for every node (Go,
`bench/null_extender`), and ours as it ships, its ledger in a SQLite file. All see the same pods.
The scheduler is stopped (SIGSTOP), the pods are created, it goes on, and binds are followed by a
watch: pods/s between the tenth and the ninetieth of a hundred. KWOK stands still meanwhile. A run
varies by 15-20 %, so the arms alternate (none, Go, ours, ours, Go, none, ...) and the ratio is a
geometric mean over pairs with its 95 % interval (Student's t). Run it on an idle machine:
everything shares its cores. A run that was cut off goes on where it stopped. The figures are
published in docs/reference/placement-on-kube-scheduler.md.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections import defaultdict
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from statistics import median
from typing import Any

import yaml
from null_extender_process import built, null_extender
from rich.console import Console
from rich.progress import track
from rich.table import Table

from console.provenance import commit
from energy.catalogue import Catalogue
from energy.errors import InputError, UnavailableError
from simulator.fleet import FLEETS, Fleet, fleet_of_servers
from simulator.intervals import Interval
from simulator.policy import Setting
from simulator.sandbox.toolchain import Toolchain
from simulator.sandbox.trial import TrialCluster
from simulator.sandbox.trial_arms import SchedulerConfiguration, with_extender, without_extender
from simulator.sandbox.trial_extender import (
    RunningExtender,
    negawatt_environment,
    negawatt_extender,
)
from simulator.sandbox.trial_objects import write_power_profiles
from simulator.sandbox.trial_pods import shipped_pods

SHIPPED = Path(__file__).parents[1] / "deploy" / "scheduler" / "second-scheduler.yaml"
NONE, GO, OURS = "none", "empty (Go)", "ours"
ARMS = (NONE, GO, OURS)
STANDARD = "20/30/10"
BAR_RATIO, AIM_RATIO = 0.90, 0.95
SEED = 1
Line = dict[str, Any]


def fleet_of(nodes: int) -> Fleet:
    """So many nodes in the proportions of the standard fleet."""
    whole = sum(FLEETS[STANDARD].values())
    counts = {slug: nodes * count // whole for slug, count in FLEETS[STANDARD].items()}
    first = next(iter(counts))
    counts[first] += nodes - sum(counts.values())
    return fleet_of_servers(STANDARD, counts, Catalogue.shipped())


class Bench:
    """Runs on one control plane."""

    def __init__(self, cluster: TrialCluster, pods: int, *, with_ledger: bool) -> None:
        self._cluster, self._with_ledger = cluster, with_ledger
        self._pods = shipped_pods(cluster.fleet, pods, SEED)
        self._shipped = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
        self._folder = cluster.plane.kubeconfig.parent
        self._profiles = self._folder / "power-profiles.yaml"
        self._commit = commit()
        write_power_profiles(self._profiles, cluster.fleet)

    def run(self, arm: str) -> Line:
        """Put the pods through one arm."""
        self._cluster.clear()
        with self._extender(arm) as extender:
            document = without_extender(self._shipped)
            if extender is not None:
                document = with_extender(self._shipped, extender.url)
            trial = self._cluster.run(
                self._pods,
                SchedulerConfiguration.of(document),
                extender_process_id=extender.process_id if extender else None,
            )
        count = len(self._pods)
        return {
            "arm": arm,
            "nodes": len(self._cluster.fleet.nodes),
            "pods": count,
            "unscheduled_pods": trial.unscheduled_pods,
            "pods_per_second": trial.pods_per_second,
            "algorithm_milliseconds": 1000 * trial.algorithm_seconds / max(1, trial.decisions),
            "slow_decisions": trial.slow_decisions,
            "scheduler_cpu_milliseconds": 1000 * trial.scheduler_cpu_seconds / count,
            "extender_cpu_milliseconds": 1000 * trial.extender_cpu_seconds / count,
            "commit": self._commit,
        }

    def _extender(self, arm: str) -> AbstractContextManager[RunningExtender | None]:
        if arm == NONE:
            return nullcontext()
        log = self._folder / "extender.log"
        if arm == GO:
            return null_extender(log)
        environ = negawatt_environment(
            kubeconfig=self._cluster.plane.kubeconfig,
            power_profiles=self._profiles,
            setting=Setting(usage_ratio=0.5, nodes_may_sleep=False),
            scheduler_name=self._shipped["profiles"][0]["schedulerName"],
            ledger=self._folder / "ledger.sqlite" if self._with_ledger else None,
        )
        return negawatt_extender(environ, log)


def read_runs(file: Path) -> list[Line]:
    """What was measured so far."""
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line]


def measure(options: argparse.Namespace) -> None:
    """Make the rounds that are missing; one round is each arm once."""
    done = len(read_runs(options.runs)) // len(ARMS)
    if done >= options.pairs:
        return
    built()
    options.runs.parent.mkdir(parents=True, exist_ok=True)
    with TrialCluster(Toolchain.found(os.environ), fleet_of(options.nodes)) as cluster:
        bench = Bench(cluster, options.pods, with_ledger=not options.no_ledger)
        rounds = range(done, options.pairs)
        for number in track(rounds, "rounds", console=Console(stderr=True), transient=True):
            order = ARMS if number % 2 == 0 else ARMS[::-1]
            lines = [{"round": number, **bench.run(arm)} for arm in order]
            # A round that was cut off is made anew.
            with options.runs.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(line) + "\n" for line in lines)


def summary(lines: list[Line]) -> dict[str, Any]:
    """Medians by arm, and the ratio of ours to the empty one."""
    by_arm: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        by_arm[line["arm"]].append(line)
    figures = [name for name in lines[0] if name.endswith(("_second", "_milliseconds"))]
    medians = {
        arm: {name: median(line[name] for line in by_arm[arm]) for name in figures} for arm in ARMS
    }

    def ratio(arm: str, other: str) -> dict[str, float | None]:
        rates = [[line["pods_per_second"] for line in by_arm[each]] for each in (arm, other)]
        pairs = zip(rates[0], rates[1], strict=True)
        found = Interval.of([math.log(one / two) for one, two in pairs])
        ends = {"mean": found.mean, "low": found.low, "high": found.high}
        return {name: None if end is None else math.exp(end) for name, end in ends.items()}

    return {
        "runs": len(lines),
        "nodes": lines[0]["nodes"],
        "pods": lines[0]["pods"],
        "slow_decisions": sum(line["slow_decisions"] for line in lines),
        "unscheduled_pods": sum(line["unscheduled_pods"] for line in lines),
        "medians": medians,
        "ours_to_empty": ratio(OURS, GO),
        "empty_to_none": ratio(GO, NONE),
        "bar": BAR_RATIO,
        "aim": AIM_RATIO,
        "commits": sorted({line["commit"] for line in lines}),
    }


def printed(found: dict[str, Any], output: str) -> None:
    """Print it."""
    if output == "json":
        print(json.dumps(found, indent=2))
        return
    headings = ("extender", "pods/s", "algorithm ms/pod", "scheduler CPU ms/pod", "its CPU ms/pod")
    rows = [
        (
            arm,
            f"{own['pods_per_second']:.0f}",
            f"{own['algorithm_milliseconds']:.2f}",
            f"{own['scheduler_cpu_milliseconds']:.2f}",
            f"{own['extender_cpu_milliseconds']:.2f}",
        )
        for arm, own in found["medians"].items()
    ]
    ratio = found["ours_to_empty"]
    interval = "" if ratio["low"] is None else f" ({ratio['low']:.3f} to {ratio['high']:.3f})"
    said = f"ours to empty: {ratio['mean']:.3f}{interval}; bar {BAR_RATIO}, aim {AIM_RATIO}"
    if output == "markdown":
        print("| " + " | ".join(headings) + " |")
        print("| --- |" + " --: |" * (len(headings) - 1))
        for row in rows:
            print("| " + " | ".join(row) + " |")
        print(f"\nPods/s, {said}.")
        return
    table = Table(title=f"{found['nodes']} nodes, {found['pods']} pods, medians; {said}")
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "extender" else "right")
    for row in rows:
        table.add_row(*row)
    Console(width=100).print(table)


def main() -> None:
    """Measure, then print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--pods", type=int, default=1500)
    parser.add_argument("--nodes", type=int, default=500)
    parser.add_argument("--no-ledger", action="store_true", help="ours keeps no decisions")
    parser.add_argument("--runs", type=Path, default=Path("out/scheduler-throughput.jsonl"))
    parser.add_argument("--report", action="store_true", help="print what the file holds")
    parser.add_argument("--output", choices=("table", "json", "markdown"), default="table")
    options = parser.parse_args()
    if not options.report:
        measure(options)
    lines = read_runs(options.runs)
    if not lines:
        sys.exit(f"{options.runs}: no runs")
    printed(summary(lines), options.output)


if __name__ == "__main__":
    try:
        main()
    except (InputError, UnavailableError) as error:
        sys.exit(str(error))
