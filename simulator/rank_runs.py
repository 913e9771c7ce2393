"""One task of the rank suite: place a scenario with each policy and grade it at each setting."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from energy.units import SECONDS_PER_HOUR
from simulator.comparison import (
    StreamScenario,
    account_of,
    bound_joules,
    placement_key,
    run_policy,
)
from simulator.engine import Run
from simulator.pod_file import PodFile, read_pods
from simulator.policy import Setting
from simulator.rank_grid import RankTask
from simulator.scenarios.families import ScenarioKey, build_scenario
from simulator.scenarios.scenario import Scenario
from simulator.stream import realised


@dataclass(frozen=True, slots=True, kw_only=True)
class RankOutcome:
    """One policy in one scenario at one setting.

    ``bound_joules`` is the bound of the stream as it came, ``own_bound_joules`` of what the policy
    ran and when, which differs where it let pods wait. None where there is none.
    """

    key: ScenarioKey
    seed: int
    setting: Setting
    policy: str
    energy_joules: float
    bound_joules: float | None
    own_bound_joules: float | None
    evictions_per_pod_day: float
    pending_pods: int
    waited_pod_hours: float


def run_task(task: RankTask) -> list[RankOutcome]:
    """All policies at all settings of a task."""
    recorded = None if task.pods is None else _read(task.pods)
    scenario = build_scenario(task.key, task.seed, recorded)
    runs: dict[object, Run] = {}
    outcomes = []
    for setting in task.settings:
        graded = _graded(scenario, setting, task.seed)
        shared = bound_joules(graded, scenario.stream)
        for policy in task.policies_at(setting):
            key = placement_key(policy, setting)
            if key not in runs:
                runs[key] = run_policy(graded, policy, clock=_no_clock)
            outcomes.append(_outcome(task, graded, policy, runs[key], shared))
    return outcomes


def _graded(scenario: Scenario, setting: Setting, seed: int) -> StreamScenario:
    return StreamScenario(
        name=scenario.name,
        fleet=scenario.fleet,
        stream=scenario.stream,
        setting=setting,
        seed=seed,
        start_seconds=scenario.start_seconds,
        end_seconds=scenario.end_seconds,
        events=scenario.events,
    )


def _outcome(
    task: RankTask, graded: StreamScenario, policy: str, record: Run, shared: float | None
) -> RankOutcome:
    own = shared
    if shared is not None and record.waited_pod_seconds > 0:
        own = bound_joules(graded, realised(graded.stream, record.placed_seconds))
    energy = account_of(graded, record)
    return RankOutcome(
        key=task.key,
        seed=task.seed,
        setting=graded.setting,
        policy=policy,
        energy_joules=energy.energy_joules,
        bound_joules=shared,
        own_bound_joules=own,
        evictions_per_pod_day=energy.evictions_per_pod_day,
        pending_pods=record.pending_pods,
        waited_pod_hours=record.waited_pod_seconds / SECONDS_PER_HOUR,
    )


@cache
def _read(path: Path) -> PodFile:
    """The file's pods; a process reads it once for all its tasks."""
    return read_pods(path)


def _no_clock() -> float:
    return 0.0
