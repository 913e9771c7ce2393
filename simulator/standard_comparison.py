"""Policies on the standard burst: watts of the final placement, in four columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from pricing.program import Bound
from simulator.accounting import node_watts
from simulator.bounds import burst_bound
from simulator.comparison import SILENT, Progress
from simulator.engine import Run, run
from simulator.fleet import Fleet
from simulator.pod_file import PodRecord
from simulator.policies import BOUND, POLICIES
from simulator.policy import Setting
from simulator.standard import COLUMNS, Column, standard_burst
from simulator.stream import PodStream

# Watts, nodes used and pods pending, each by column.
Grades: TypeAlias = tuple[dict[str, float], dict[str, int], dict[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StandardResult:
    """One policy, one seed: four columns each. Simulated watts."""

    watts: Mapping[str, float]
    bound_ratio: Mapping[str, float | None]
    nodes_used: Mapping[str, int]
    pending_pods: Mapping[str, int]

    def to_json(self) -> dict[str, dict[str, float | int | None]]:
        """The result as plain values."""
        return {
            "watts": dict(self.watts),
            "bound_ratio": dict(self.bound_ratio),
            "nodes_used": dict(self.nodes_used),
            "pending_pods": dict(self.pending_pods),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class StandardSeed:
    """All policies on the pods of one seed."""

    policies: Mapping[str, StandardResult]
    bound_watts: Mapping[str, float | None]
    bound_gap_ratio: Mapping[str, float | None]


def compare_standard(
    records: Sequence[PodRecord],
    fleet: Fleet,
    policies: Sequence[str],
    seed: int,
    *,
    clock: Callable[[], float],
    progress: Progress = SILENT,
) -> StandardSeed:
    """Place one seed's pods with each policy and grade all four columns.

    A policy is told usage and sleep, so one that heeds them is run once per column; the others
    are run once and graded four times.
    """
    stream = standard_burst(records, fleet, seed)
    progress.begin(f"seed {seed}, bounds", len(COLUMNS))
    found = {}
    for column in COLUMNS:
        found[column.name] = burst_bound(stream, fleet, _setting(column))
        progress.advance(1)
    bounds = {key: bound.watts if bound else None for key, bound in found.items()}
    results: dict[str, StandardResult] = {}
    for name in policies:
        if name == BOUND:
            grades = _bound_grades(found)
        else:
            progress.begin(f"seed {seed}, {name}", len(COLUMNS))
            grades = _grade(stream, fleet, name, seed, clock, progress)
        watts, nodes_used, pending = grades
        ratios = {key: _ratio(watts.get(key), bounds[key]) for key in bounds}
        results[name] = StandardResult(
            watts=watts, bound_ratio=ratios, nodes_used=nodes_used, pending_pods=pending
        )
    gaps = {key: bound.relative_gap if bound else None for key, bound in found.items()}
    return StandardSeed(policies=results, bound_watts=bounds, bound_gap_ratio=gaps)


def _bound_grades(found: Mapping[str, Bound | None]) -> Grades:
    """The bound as if it were a policy."""
    solved = {key: bound for key, bound in found.items() if bound is not None}
    return (
        {key: bound.watts for key, bound in solved.items()},
        {key: round(bound.awake_nodes) for key, bound in solved.items()},
        dict.fromkeys(found, 0),
    )


def _grade(
    stream: PodStream,
    fleet: Fleet,
    policy: str,
    seed: int,
    clock: Callable[[], float],
    progress: Progress,
) -> Grades:
    watts: dict[str, float] = {}
    nodes_used: dict[str, int] = {}
    pending: dict[str, int] = {}
    runs: dict[object, Run] = {}
    for column in COLUMNS:
        setting = _setting(column)
        key = POLICIES[policy].setting_key(setting)
        if key not in runs:
            chooser = POLICIES[policy].build(fleet, setting, seed)
            nodes = POLICIES[policy].nodes(fleet, setting)
            runs[key] = run(nodes, stream, chooser, end_seconds=0.0, clock=clock)
        watts[column.name], nodes_used[column.name] = final_watts(runs[key], fleet, setting)
        pending[column.name] = runs[key].pending_pods
        progress.advance(1)
    return watts, nodes_used, pending


def final_watts(record: Run, fleet: Fleet, setting: Setting) -> tuple[float, int]:
    """Watts of the whole fleet after the last placement, and how many nodes carry a pod."""
    load = np.zeros(len(fleet.nodes), dtype=np.int64)
    load[record.change_node] = record.change_cpu_millicores
    used = np.zeros(len(fleet.nodes), dtype=np.bool_)
    used[record.change_node] = record.change_pods > 0
    every = np.arange(len(fleet.nodes))
    watts = node_watts(every, load, fleet.profiles, fleet.cpu_cores, setting.usage_ratio)
    if setting.nodes_may_sleep:
        watts = np.where(used, watts, [profile.sleep_watts for profile in fleet.profiles])
    return float(watts.sum()), int(used.sum())


def _setting(column: Column) -> Setting:
    return Setting(usage_ratio=column.usage_ratio, nodes_may_sleep=column.nodes_may_sleep)


def _ratio(watts: float | None, bound: float | None) -> float | None:
    return None if watts is None or bound is None else watts / bound
