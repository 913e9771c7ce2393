"""The standard benchmark through a real kube-scheduler: simulated watts against the bound.

    .venv/bin/python bench/scheduler_energy.py --pods openb_pod_list_default.csv
        [--arms default,…] [--fleet 20/30/10,20/20/20] [--seeds 1,2,3] [--pace burst,paced]
        [--parallel N] [--trials out/scheduler-energy.jsonl] [--again|--report]
        [--output table|json|markdown]

The scheduler, the API server and etcd are real; the nodes are KWOK's, and what pods draw is
computed from measured curves (docs/reference/placement-on-kube-scheduler.md). Each trial is a line
of the file of trials, so a run that was cut off goes on where it stopped; `--again` makes the
chosen ones anew, and `--report` prints what the file holds. Our extender is told the column that it
is graded by, so it runs once per column; every other scheduler runs once and is graded by all four.
"""

from __future__ import annotations

import argparse
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
    most_allocated,
    plain_configuration,
    tiers_and_most_allocated,
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
from simulator.standard import COLUMNS, Column, standard_burst

SHIPPED = Path(__file__).parents[1] / "deploy" / "scheduler" / "second-scheduler.yaml"
PLAIN = {
    "default": plain_configuration,
    "most-allocated": most_allocated,
    "tiers+most-allocated": tiers_and_most_allocated,
}
PROFILE_ALONE, NULL = "profile-alone", "null-extender"
OURS, OURS_EXPECTING = "negawatt", "negawatt+demand"
ARMS = (*PLAIN, PROFILE_ALONE, NULL, OURS, OURS_EXPECTING)
PACES = {pace.name: pace for pace in (BURST, PACED)}
FLEETS = ("20/30/10", "20/20/20")
SEEDS = (1, 2, 3)
# The demand that is expected was recorded on another day: with this much another seed.
OTHER_SEED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One trial to make; `column` is set where the scheduler is told it."""

    fleet: str
    pace: str
    arm: str
    seed: int
    column: Column | None

    @property
    def key(self) -> tuple[object, ...]:
        """What a line of the file of trials is recognised by."""
        return (self.fleet, self.pace, self.arm, self.seed, self.column and self.column.name)


def key_of(line: dict[str, Any]) -> tuple[object, ...]:
    """The job that a line of the file reports."""
    return tuple(line[name] for name in ("fleet", "pace", "arm", "seed", "column"))


def jobs(options: argparse.Namespace) -> Iterator[Job]:
    """What was asked for, one fleet after the other."""
    for fleet in options.fleet:
        for pace in options.pace:
            for seed in options.seeds:
                for arm in options.arms:
                    columns = COLUMNS if arm in {OURS, OURS_EXPECTING} else (None,)
                    for column in columns:
                        if column is None or column.name in options.columns:
                            yield Job(fleet=fleet, pace=pace, arm=arm, seed=seed, column=column)


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
        """A fleet whose nodes carry the labels of tiers; only the arm of that name reads them."""
        return named_fleet(name, self._catalogue).with_tiers()

    def bounds(self, name: str, seed: int) -> dict[str, float | None]:
        """Watts that no placement of these pods can beat, by column."""
        fleet = self.fleet(name)
        stream = standard_burst(self._records, fleet, seed)
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
                progress.update(task, description=f"{job.pace} {job.arm} {job.seed}")
                try:
                    self._record(job, cluster)
                except UnavailableError as error:
                    print(f"{job}: {error}", file=sys.stderr)
                progress.advance(task)

    def _record(self, job: Job, cluster: TrialCluster) -> None:
        fleet = cluster.fleet
        pods = standard_burst(self._records, fleet, job.seed).pods
        trial, answers = self._trial(job, cluster)
        if job.column is None:
            watts = column_watts(fleet, pods, trial.node_of_pod)
        else:
            setting = setting_of(job.column)
            placed = placement_watts(fleet, pods, trial.node_of_pod, setting)
            watts = {job.column.name: placed}
        bounds = self.bounds(job.fleet, job.seed)
        line = {
            "fleet": job.fleet,
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
        pods = standard_burst(self._records, cluster.fleet, job.seed).pods
        pace, folder = PACES[job.pace], cluster.plane.kubeconfig.parent
        if job.arm in PLAIN:
            return cluster.run(pods, SchedulerConfiguration.of(PLAIN[job.arm]()), pace), {}
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
            other = standard_burst(self._records, cluster.fleet, job.seed + OTHER_SEED)
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


def main() -> None:
    """Make the trials, then print the table, JSON or Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pods", type=Path, help="openb's pod list, openb_pod_list_default.csv")
    parser.add_argument("--arms", type=names(ARMS), default=list(ARMS))
    parser.add_argument("--fleet", type=names(FLEETS), default=list(FLEETS))
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
