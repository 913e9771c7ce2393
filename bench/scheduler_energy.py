"""The standard benchmark through a real kube-scheduler: simulated watts against the bound.

    .venv/bin/python bench/scheduler_energy.py --pods openb_pod_list_default.csv
        [--arms default,…] [--fleet 20/30/10,20/20/20] [--fill 0.4] [--seeds 1,2,3]
        [--pace burst,paced] [--parallel N] [--trials out/scheduler-energy.jsonl] [--again|--report]
        [--output table|json|markdown]

The scheduler, the API server and etcd are real; the nodes are KWOK's, and what pods draw is
computed from measured curves (docs/reference/placement-on-kube-scheduler.md). Each trial is a line
of the file of trials, so a run that was cut off goes on where it stopped; `--again` makes the
chosen ones anew, and `--report` prints what the file holds. `--fill` is the part of the fleet's
cores that pods request. Our extender and the profile that we write for tiers are told the column
that they are graded by, so they run once per column; every other scheduler runs once and is graded
by all four.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from null_extender_process import built, null_extender
from rich.console import Console
from rich.progress import Progress
from scheduler_energy_report import printed

from console.provenance import commit
from energy.catalogue import Catalogue
from energy.errors import InputError, UnavailableError
from simulator.bounds import burst_bound
from simulator.fleet import Fleet, named_fleet
from simulator.pod_file import PodRecord, read_pods
from simulator.sandbox.toolchain import Toolchain
from simulator.sandbox.trial import BURST, PACED, Trial, TrialCluster
from simulator.sandbox.trial_arms import (
    SchedulerConfiguration,
    energy_tiers,
    hand_made_tiers,
    most_allocated,
    plain_configuration,
    with_extender,
    without_extender,
)
from simulator.sandbox.trial_extender import negawatt_environment, negawatt_extender
from simulator.sandbox.trial_grades import (
    column_watts,
    nodes_used,
    placement_watts,
    setting_of,
)
from simulator.sandbox.trial_objects import write_expected_demand, write_power_profiles
from simulator.standard import COLUMNS, CPU_LOAD_RATIO, Column, standard_burst
from simulator.tier_labels import labelled

SHIPPED = Path(__file__).parents[1] / "deploy" / "scheduler" / "second-scheduler.yaml"
PLAIN = {
    "default": plain_configuration,
    "most-allocated": most_allocated,
    "hand-made": hand_made_tiers,
}
# What lines of earlier commits call it.
EARLIER_NAMES = {"tiers+most-allocated": "hand-made"}
PROFILE_ALONE, NULL = "profile-alone", "null-extender"
OURS, OURS_EXPECTING = "negawatt", "negawatt+demand"
TIERS = "tiers"
TOLD = {TIERS, OURS, OURS_EXPECTING}
ARMS = (*PLAIN, TIERS, PROFILE_ALONE, NULL, OURS, OURS_EXPECTING)
PACES = {pace.name: pace for pace in (BURST, PACED)}
FLEETS = ("20/30/10", "20/20/20")
SEEDS = (1, 2, 3)
# The demand that is expected was recorded on another day: with this much another seed.
OTHER_SEED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One trial to make; `column` is set where the scheduler is told it."""

    fleet: str
    fill: float
    pace: str
    arm: str
    seed: int
    column: Column | None

    @property
    def key(self) -> tuple[object, ...]:
        """What a line of the file of trials is recognised by."""
        column = self.column and self.column.name
        return (self.fleet, self.fill, self.pace, self.arm, self.seed, column)


def key_of(line: dict[str, Any]) -> tuple[object, ...]:
    """The job that a line of the file reports."""
    return tuple(line[name] for name in ("fleet", "fill", "pace", "arm", "seed", "column"))


def jobs(options: argparse.Namespace) -> Iterator[Job]:
    """What was asked for, one fleet after the other."""
    chosen = (options.fleet, options.fill, options.pace, options.seeds, options.arms)
    for fleet, fill, pace, seed, arm in itertools.product(*chosen):
        for column in COLUMNS if arm in TOLD else (None,):
            if column is None or column.name in options.columns:
                yield Job(fleet=fleet, fill=fill, pace=pace, arm=arm, seed=seed, column=column)


class Bench:
    """Makes trials on control planes of its own, several side by side."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._file: Path = options.trials
        self._catalogue = Catalogue.shipped()
        self._records: tuple[PodRecord, ...] = read_pods(options.pods).records
        self._shipped = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
        self._commit = commit()
        self._lock = threading.Lock()

    def fleet(self, name: str) -> Fleet:
        """A fleet whose nodes carry the labels of tiers; only arms that go by tiers read them.

        Raises:
            InputError: our controller would label it in another way than an operator does, so that
                both cannot be tried on one cluster.
        """
        fleet = named_fleet(name, self._catalogue).with_tiers()
        if any(labelled(fleet, setting_of(column)).nodes != fleet.nodes for column in COLUMNS):
            raise InputError(f"fleet {name} has other tiers by fill cost than by watts per core")
        return fleet

    def bounds(self, job: Job) -> dict[str, float | None]:
        """Watts that no placement of these pods can beat, by column."""
        fleet = self.fleet(job.fleet)
        stream = standard_burst(self._records, fleet, job.seed, job.fill)
        found = {column.name: burst_bound(stream, fleet, setting_of(column)) for column in COLUMNS}
        return {column: bound.watts if bound else None for column, bound in found.items()}

    def work(self, waiting: queue.SimpleQueue[Job], progress: Progress, task: Any) -> None:  # noqa: ANN401 - rich's id
        """Make trials until none is waiting; a control plane lasts as long as the fleet does."""
        job: Job | None = None
        with ExitStack() as stack:
            cluster: TrialCluster | None = None
            while True:
                try:
                    job = waiting.get_nowait()
                except queue.Empty:
                    return
                if cluster is None or cluster.fleet.name != job.fleet:
                    stack.close()
                    fleet = self.fleet(job.fleet)
                    cluster = stack.enter_context(TrialCluster(Toolchain.found(os.environ), fleet))
                said = f"{job.fleet} {job.fill:g} {job.pace} {job.arm} {job.seed}"
                progress.update(task, description=said)
                try:
                    self._record(job, cluster)
                except UnavailableError as error:
                    print(f"{job}: {error}", file=sys.stderr)
                progress.advance(task)

    def _record(self, job: Job, cluster: TrialCluster) -> None:
        fleet = cluster.fleet
        pods = standard_burst(self._records, fleet, job.seed, job.fill).pods
        trial, answers = self._trial(job, cluster)
        if job.column is None:
            watts = column_watts(fleet, pods, trial.node_of_pod)
        else:
            setting = setting_of(job.column)
            placed = placement_watts(fleet, pods, trial.node_of_pod, setting)
            watts = {job.column.name: placed}
        bounds = self.bounds(job)
        line = {
            "fleet": job.fleet,
            "fill": job.fill,
            "pace": job.pace,
            "arm": job.arm,
            "seed": job.seed,
            "column": job.column and job.column.name,
            "watts": dict(watts),
            "bound_watts": {name: bounds[name] for name in watts},
            "nodes_used": nodes_used(trial.node_of_pod),
            "unscheduled_pods": trial.unscheduled_pods,
            "pods_per_second": trial.pods_per_second,
            "algorithm_seconds": trial.algorithm_seconds,
            "decisions": trial.decisions,
            "slow_decisions": trial.slow_decisions,
            "scheduler_cpu_seconds": trial.scheduler_cpu_seconds,
            "extender_cpu_seconds": trial.extender_cpu_seconds,
            "extender_answers": answers,
            "commit": self._commit,
            "at": time.strftime("%Y-%m-%dT%H:%M:%S"),
        }
        with self._lock, self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def _trial(self, job: Job, cluster: TrialCluster) -> tuple[Trial, dict[str, int]]:
        """The trial, and how often our extender answered, by HTTP code."""
        pods = standard_burst(self._records, cluster.fleet, job.seed, job.fill).pods
        pace, folder = PACES[job.pace], cluster.plane.kubeconfig.parent
        if job.arm in PLAIN:
            return cluster.run(pods, SchedulerConfiguration.of(PLAIN[job.arm]()), pace), {}
        if job.arm == TIERS:
            told = energy_tiers(job.column.usage_ratio if job.column else None)
            return cluster.run(pods, SchedulerConfiguration.of(told), pace), {}
        if job.arm == PROFILE_ALONE:
            document = without_extender(self._shipped)
            return cluster.run(pods, SchedulerConfiguration.of(document), pace), {}
        log = folder / "extender.log"
        if job.arm == NULL:
            running = null_extender(log)
        else:
            running = negawatt_extender(self._told(job, cluster), log)
        # The informers of an extender must not meet the pods of the trial before.
        cluster.clear()
        with running as extender:
            document = with_extender(self._shipped, extender.url)
            configuration = SchedulerConfiguration.of(document)
            trial = cluster.run(pods, configuration, pace, extender_process_id=extender.process_id)
            return trial, extender.prioritize_answers()

    def _told(self, job: Job, cluster: TrialCluster) -> dict[str, str]:
        if job.column is None:
            raise InputError(f"arm {job.arm} is told a column")
        folder = cluster.plane.kubeconfig.parent
        profiles, demand = folder / "power-profiles.yaml", None
        write_power_profiles(profiles, cluster.fleet)
        if job.arm == OURS_EXPECTING:
            demand = folder / "expected-demand.csv"
            seed = job.seed + OTHER_SEED
            other = standard_burst(self._records, cluster.fleet, seed, job.fill)
            write_expected_demand(demand, other.pods)
        return negawatt_environment(
            kubeconfig=cluster.plane.kubeconfig,
            power_profiles=profiles,
            setting=setting_of(job.column),
            scheduler_name=self._shipped["profiles"][0]["schedulerName"],
            expected_demand=demand,
        )


def read_trials(file: Path) -> list[dict[str, Any]]:
    """The last line of each job."""
    if not file.exists():
        return []
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line]
    for line in lines:
        line["arm"] = EARLIER_NAMES.get(line["arm"], line["arm"])
        line.setdefault("fill", CPU_LOAD_RATIO)
    return list({key_of(line): line for line in lines}.values())


def make_trials(options: argparse.Namespace) -> None:
    """Make what is wanted and not there yet."""
    done = set() if options.again else {key_of(line) for line in read_trials(options.trials)}
    wanted = [job for job in jobs(options) if job.key not in done]
    if not wanted:
        return
    if any(job.arm == NULL for job in wanted):
        built()
    options.trials.parent.mkdir(parents=True, exist_ok=True)
    bench, waiting = Bench(options), queue.SimpleQueue[Job]()
    for job in wanted:
        waiting.put(job)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("trials", total=len(wanted))
        workers = [
            threading.Thread(target=bench.work, args=(waiting, progress, task))
            for _ in range(min(options.parallel, len(wanted)) - 1)
        ]
        for worker in workers:
            worker.start()
        bench.work(waiting, progress, task)
        for worker in workers:
            worker.join()


def names(allowed: tuple[str, ...]) -> Any:  # noqa: ANN401 - what argparse calls a type
    """A comma list of some of these names."""

    def parsed(text: str) -> list[str]:
        found = text.split(",")
        if unknown := set(found) - set(allowed):
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: use {', '.join(allowed)}")
        return found

    return parsed


def fills(text: str) -> list[float]:
    """A comma list of parts of the fleet's cores."""
    found = [float(each) for each in text.split(",")]
    if not all(0.0 < each <= 1.0 for each in found):
        raise argparse.ArgumentTypeError(f"{text}: use numbers above 0, to 1")
    return found


def main() -> None:
    """Make the trials, then print the table, JSON or Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pods", type=Path, help="openb's pod list, openb_pod_list_default.csv")
    parser.add_argument("--arms", type=names(ARMS), default=list(ARMS))
    parser.add_argument("--fleet", type=names(FLEETS), default=list(FLEETS))
    parser.add_argument("--fill", type=fills, default=[CPU_LOAD_RATIO])
    columns = tuple(column.name for column in COLUMNS)
    parser.add_argument("--columns", type=names(columns), default=list(columns))
    parser.add_argument(
        "--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=list(SEEDS)
    )
    parser.add_argument("--pace", type=names(tuple(PACES)), default=[BURST.name])
    parser.add_argument("--parallel", type=int, default=1, help="control planes side by side")
    parser.add_argument("--trials", type=Path, default=Path("out/scheduler-energy.jsonl"))
    parser.add_argument("--again", action="store_true", help="make the chosen trials anew")
    parser.add_argument("--report", action="store_true", help="print what the file holds")
    parser.add_argument("--output", choices=("table", "json", "markdown"), default="table")
    options = parser.parse_args()
    if not options.report:
        if options.pods is None:
            parser.error("--pods is needed, unless with --report")
        make_trials(options)
    printed(read_trials(options.trials), ARMS, options.output)


if __name__ == "__main__":
    try:
        main()
    except (InputError, UnavailableError) as error:
        sys.exit(str(error))
