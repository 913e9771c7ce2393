"""Throughput of a real kube-scheduler: with tiers, with our extender, and without either.

    .venv/bin/python bench/scheduler_throughput.py [--arms none,tiers,default,ours]
        [--pairs 10] [--pods 1500] [--nodes 500] [--no-ledger] [--commit HASH]
        [--runs out/scheduler-throughput.jsonl] [--report] [--output table|json|markdown]

- `default`: kube-scheduler as it comes; `default-all`: the same, every node scored as by tiers.
- `tiers`: the profile that `negawatt extender tiers profile` writes, on nodes with tiers.
- `none`: the same profile without its terms, so that NodeAffinity is skipped.
- `no-extender`, `go`, `ours`: the extender's profile without an extender, with one that answers 0
  for every node (Go, `bench/null_extender`), and with ours as it ships, its ledger in SQLite.

All see the same pods on the same nodes, as large as those of the standard benchmark are: ten a
node request 40 % of the cores. The scheduler is stopped (SIGSTOP), the pods are created,
it goes on, and binds are followed by a watch: pods/s between the tenth and the ninetieth of a
hundred. KWOK stands still meanwhile. A run varies by 15-20 %, so the arms alternate (A, B, C, C,
B, A, A, ...) and ratios are geometric means over rounds with their 95 % interval (Student's t).
Run it on an idle machine: everything shares its cores. Each run is a line of the file of runs, and
one that was cut off goes on where it stopped, by commit, nodes, pods and arms; `--commit` goes on
with the runs of an earlier one. What is published of tiers:

    C=$(git rev-parse --short=12 HEAD)
    .venv/bin/python bench/scheduler_throughput.py --commit $C --nodes 500 --pairs 10
        --arms none,tiers,default,default-all
    .venv/bin/python bench/scheduler_throughput.py --commit $C --nodes 500 --pairs 10
        --arms none,tiers,default,default-all --report --output markdown

(each on one line; with the same $C again it goes on after a cut.) The bar is `tiers` to `none`;
`default` and `default-all` stand beside it. The figures are published in
docs/reference/placement-on-kube-scheduler.md.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import yaml
from null_extender_process import built, null_extender
from scheduler_throughput_report import printed

from console.provenance import commit
from energy.catalogue import Catalogue
from energy.errors import InputError, UnavailableError
from simulator.fleet import FLEETS, Fleet, fleet_of_servers
from simulator.policy import Setting
from simulator.sandbox.toolchain import Toolchain
from simulator.sandbox.trial import TrialCluster
from simulator.sandbox.trial_arms import (
    SchedulerConfiguration,
    energy_tiers,
    plain_configuration,
    with_extender,
    without_extender,
    without_tiers,
)
from simulator.sandbox.trial_extender import (
    RunningExtender,
    negawatt_environment,
    negawatt_extender,
)
from simulator.sandbox.trial_objects import write_power_profiles
from simulator.sandbox.trial_pods import shipped_pods
from simulator.standard import CPU_LOAD_RATIO, PODS
from simulator.tier_labels import labelled

SHIPPED = Path(__file__).parents[1] / "deploy" / "scheduler" / "second-scheduler.yaml"
NO_EXTENDER, GO, OURS = "no-extender", "go", "ours"
PLAIN = {
    "default": plain_configuration,
    "default-all": lambda: plain_configuration() | {"percentageOfNodesToScore": 100},
    "none": lambda: without_tiers(energy_tiers()),
    "tiers": energy_tiers,
}
EXTENDERS = (NO_EXTENDER, GO, OURS)
ARMS = (*PLAIN, *EXTENDERS)
# What lines of earlier commits call them; those do not say with which arms they were made.
EARLIER_NAMES = {"none": NO_EXTENDER, "empty (Go)": GO}
STANDARD = "20/30/10"
SETTING = Setting(usage_ratio=0.5, nodes_may_sleep=False)
SEED = 1
Line = dict[str, Any]


def fleet_of(nodes: int) -> Fleet:
    """So many nodes in the proportions of the standard fleet, with the labels of their tiers."""
    whole = sum(FLEETS[STANDARD].values())
    counts = {slug: nodes * count // whole for slug, count in FLEETS[STANDARD].items()}
    first = next(iter(counts))
    counts[first] += nodes - sum(counts.values())
    return labelled(fleet_of_servers(STANDARD, counts, Catalogue.shipped()), SETTING)


class Bench:
    """Runs on one control plane."""

    def __init__(self, cluster: TrialCluster, pods: int, *, with_ledger: bool, commit: str) -> None:
        self._cluster, self._with_ledger = cluster, with_ledger
        full = PODS * len(cluster.fleet.nodes) / sum(FLEETS[STANDARD].values())
        load_ratio = CPU_LOAD_RATIO * min(1.0, pods / full)
        self._pods = shipped_pods(cluster.fleet, pods, SEED, load_ratio)
        self._shipped = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
        self._folder = cluster.plane.kubeconfig.parent
        self._profiles = self._folder / "power-profiles.yaml"
        self._commit = commit
        write_power_profiles(self._profiles, cluster.fleet)

    def run(self, arm: str) -> Line:
        """Put the pods through one arm."""
        self._cluster.clear()
        with self._extender(arm) as extender:
            trial = self._cluster.run(
                self._pods,
                SchedulerConfiguration.of(self._document(arm, extender)),
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

    def _document(self, arm: str, extender: RunningExtender | None) -> dict[str, Any]:
        if arm in PLAIN:
            return PLAIN[arm]()
        if extender is None:
            return without_extender(self._shipped)
        return with_extender(self._shipped, extender.url)

    def _extender(self, arm: str) -> AbstractContextManager[RunningExtender | None]:
        if arm in PLAIN or arm == NO_EXTENDER:
            return nullcontext()
        log = self._folder / "extender.log"
        if arm == GO:
            return null_extender(log)
        environ = negawatt_environment(
            kubeconfig=self._cluster.plane.kubeconfig,
            power_profiles=self._profiles,
            setting=SETTING,
            scheduler_name=self._shipped["profiles"][0]["schedulerName"],
            ledger=self._folder / "ledger.sqlite" if self._with_ledger else None,
        )
        return negawatt_extender(environ, log)


def read_runs(file: Path) -> list[Line]:
    """What was measured so far."""
    if not file.exists():
        return []
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line]
    for line in lines:
        if "arms" not in line:
            line["arm"] = EARLIER_NAMES.get(line["arm"], line["arm"])
            line["arms"] = list(EXTENDERS)
    return lines


def own_runs(options: argparse.Namespace) -> list[Line]:
    """Those of the same commit, nodes, pods and arms; one line for each arm of a round."""
    wanted = (options.commit, options.nodes, options.pods, options.arms)
    names = ("commit", "nodes", "pods", "arms")
    own = [
        line for line in read_runs(options.runs) if tuple(line[name] for name in names) == wanted
    ]
    return list({(line["round"], line["arm"]): line for line in own}.values())


def whole_rounds(lines: list[Line], arms: list[str]) -> list[Line]:
    """The lines of rounds that have every arm, which ratios can be taken of."""
    seen = {(line["round"], line["arm"]) for line in lines}
    return [line for line in lines if all((line["round"], arm) in seen for arm in arms)]


def measure(options: argparse.Namespace) -> None:
    """Make the rounds that are missing; one round is each arm once."""
    whole = whole_rounds(own_runs(options), options.arms)
    rounds = [number for number in range(options.pairs) if all(number != e["round"] for e in whole)]
    if not rounds:
        return
    if GO in options.arms:
        built()
    options.runs.parent.mkdir(parents=True, exist_ok=True)
    with TrialCluster(Toolchain.found(os.environ), fleet_of(options.nodes)) as cluster:
        ledger = not options.no_ledger
        bench = Bench(cluster, options.pods, with_ledger=ledger, commit=options.commit)
        for number in rounds:
            # A round that was cut off is made anew: its arms would not have met the same moment.
            for arm in options.arms if number % 2 == 0 else options.arms[::-1]:
                begin = time.monotonic()
                line = {"round": number, "arms": options.arms, **bench.run(arm)}
                with options.runs.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
                said = f"{line['pods_per_second']:.0f} pods/s, {time.monotonic() - begin:.0f} s"
                print(f"round {number + 1}/{options.pairs} {arm}: {said}", file=sys.stderr)


def arms(text: str) -> list[str]:
    """A comma list of arms."""
    found = text.split(",")
    if unknown := set(found) - set(ARMS):
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: use {', '.join(ARMS)}")
    return found


def main() -> None:
    """Measure, then print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--arms", type=arms, default=list(EXTENDERS))
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--pods", type=int, default=1500)
    parser.add_argument("--nodes", type=int, default=500)
    parser.add_argument("--no-ledger", action="store_true", help="ours keeps no decisions")
    parser.add_argument("--commit", default=commit(), help="whose runs to go on with, or to report")
    parser.add_argument("--runs", type=Path, default=Path("out/scheduler-throughput.jsonl"))
    parser.add_argument("--report", action="store_true", help="print what the file holds")
    parser.add_argument("--output", choices=("table", "json", "markdown"), default="table")
    options = parser.parse_args()
    if not options.report:
        measure(options)
    lines = whole_rounds(own_runs(options), options.arms)
    if not lines:
        held = sorted({(e["commit"], e["nodes"], e["pods"]) for e in read_runs(options.runs)})
        sys.exit(f"{options.runs}: no whole round of these; it has {held}")
    printed(lines, options.output)


if __name__ == "__main__":
    try:
        main()
    except (InputError, UnavailableError) as error:
        sys.exit(str(error))
