"""The placement suite: every fleet at every load, graded at every use and sleep, over seeds.

One task is a fleet, a load and a seed. A policy that heeds neither use nor sleep is run once per
task and graded in all six settings; the bound is solved for each.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from energy.catalogue import Catalogue
from energy.units import SECONDS_PER_HOUR, kilowatt_hours
from simulator.churn import Churn, ShapeTable, churn_stream
from simulator.comparison import (
    StreamScenario,
    account_of,
    bound_joules,
    placement_key,
    run_policy,
)
from simulator.engine import Run
from simulator.fleet import FLEETS, named_fleet
from simulator.intervals import Interval
from simulator.policies import BOUND
from simulator.policy import Setting
from simulator.process_pool import run_all
from simulator.stream import realised

LOAD_RATIOS = (0.3, 0.5, 0.7)
USAGE_RATIOS = (0.3, 0.6, 1.0)
WARM_UP_HOURS = 6.0
MEASURED_HOURS = 24.0
SETTINGS = tuple(
    Setting(usage_ratio=usage, nodes_may_sleep=sleep)
    for sleep, usage in itertools.product((False, True), USAGE_RATIOS)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One stream on one fleet, to be placed by every policy."""

    fleet: str
    load_ratio: float
    seed: int
    policies: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One policy in one task at one setting; ``bound_ratio`` is None where no bound exists."""

    fleet: str
    load_ratio: float
    seed: int
    setting: Setting
    policy: str
    energy_joules: float
    bound_ratio: float | None
    pending_pods: int
    waited_pod_hours: float


def tasks(
    policies: Sequence[str], seeds: Sequence[int], fleets: Sequence[str] = tuple(FLEETS)
) -> list[Task]:
    """Every fleet at every load with every seed."""
    return [
        Task(fleet=fleet, load_ratio=load, seed=seed, policies=tuple(policies))
        for fleet, load, seed in itertools.product(fleets, LOAD_RATIOS, seeds)
    ]


def outcomes(
    work: Sequence[Task], *, processes: int, advance: Callable[[int], None]
) -> list[Outcome]:
    """Run all tasks on so many processes; outcomes in the order of the tasks."""
    results = run_all(_run_listed, work, processes=processes, advance=advance)
    return [outcome for result in results for outcome in result]


def _run_listed(task: Task) -> list[Outcome]:
    return list(run_task(task))


def run_task(task: Task) -> Iterator[Outcome]:
    """Place one stream with each policy and grade it at each setting."""
    fleet = named_fleet(task.fleet, Catalogue.shipped())
    hours = WARM_UP_HOURS + MEASURED_HOURS
    churn = Churn(load_ratio=task.load_ratio, hours=hours)
    rng = np.random.default_rng([task.seed, 0])
    stream = churn_stream(ShapeTable.shipped(), fleet, churn, rng)
    runs: dict[object, Run] = {}
    for setting in SETTINGS:
        scenario = StreamScenario(
            name="suite",
            fleet=fleet,
            stream=stream,
            setting=setting,
            seed=task.seed,
            start_seconds=WARM_UP_HOURS * SECONDS_PER_HOUR,
            end_seconds=hours * SECONDS_PER_HOUR,
        )
        shared = bound_joules(scenario, stream) if BOUND in task.policies else None
        for policy in task.policies:
            if policy == BOUND:
                continue
            key = placement_key(policy, setting)
            if key not in runs:
                runs[key] = run_policy(scenario, policy, clock=_no_clock)
            yield _outcome(task, scenario, policy, runs[key], shared)


def _outcome(
    task: Task, scenario: StreamScenario, policy: str, record: Run, shared: float | None
) -> Outcome:
    """Grade one run; where pods waited, its bound is that of what it ran and when."""
    own = shared
    if shared is not None and record.waited_pod_seconds > 0:
        own = bound_joules(scenario, realised(scenario.stream, record.placed_seconds))
    energy_joules = account_of(scenario, record).energy_joules
    return Outcome(
        fleet=task.fleet,
        load_ratio=task.load_ratio,
        seed=task.seed,
        setting=scenario.setting,
        policy=policy,
        energy_joules=energy_joules,
        bound_ratio=None if own is None else energy_joules / own,
        pending_pods=record.pending_pods,
        waited_pod_hours=record.waited_pod_seconds / SECONDS_PER_HOUR,
    )


def _no_clock() -> float:
    return 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CellResult:
    """One policy in one cell."""

    energy_kilowatt_hours: Interval
    bound_ratio: Interval | None
    pending_pods_mean: float
    waited_pod_hours_mean: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A fleet, a load, a use and a sleep mode: every policy over the seeds."""

    fleet: str
    load_ratio: float
    setting: Setting
    policies: dict[str, CellResult]


def cells(results: Sequence[Outcome]) -> list[Cell]:
    """The outcomes by cell, in the order of the suite."""
    groups: dict[tuple[str, float, Setting], dict[str, list[Outcome]]] = {}
    for outcome in results:
        key = outcome.fleet, outcome.load_ratio, outcome.setting
        groups.setdefault(key, {}).setdefault(outcome.policy, []).append(outcome)
    return [
        Cell(
            fleet=fleet,
            load_ratio=load,
            setting=setting,
            policies={name: _cell_result(members) for name, members in policies.items()},
        )
        for (fleet, load, setting), policies in groups.items()
    ]


def _cell_result(members: Sequence[Outcome]) -> CellResult:
    ratios = [outcome.bound_ratio for outcome in members if outcome.bound_ratio is not None]
    return CellResult(
        energy_kilowatt_hours=Interval.of(
            [kilowatt_hours(outcome.energy_joules) for outcome in members]
        ),
        bound_ratio=Interval.of(ratios) if len(ratios) == len(members) else None,
        pending_pods_mean=float(np.mean([outcome.pending_pods for outcome in members])),
        waited_pod_hours_mean=float(np.mean([outcome.waited_pod_hours for outcome in members])),
    )


def cell_json(cell: Cell) -> dict[str, object]:
    """A cell as plain values."""
    return {
        "fleet": cell.fleet,
        "load_ratio": cell.load_ratio,
        "usage_ratio": cell.setting.usage_ratio,
        "sleep": cell.setting.sleep,
        "policies": {name: asdict(result) for name, result in cell.policies.items()},
    }
