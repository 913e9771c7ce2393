"""From outcomes to cells: means over seeds, ratios paired by seed, verdicts, shares of the gap.

A cell is a scenario without its seed, at one setting. Ratios are to the label with packing on the
same pods; *worse* and *better* mean that the whole 95 % interval lies above or below 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from energy.units import kilowatt_hours
from simulator.intervals import Interval, Verdict
from simulator.policies import LABEL
from simulator.policy import Setting
from simulator.rank_runs import RankOutcome
from simulator.repacking import REPACK
from simulator.scenarios.families import ScenarioKey

# Below this share of the label's energy there is no gain to take a share of, only noise.
GAIN_RATIO_MIN = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class RankResult:
    """One policy in one cell.

    ``gap_share`` is how much of the way from the label to the bound it went, ``repack_share`` how
    much of what re-packing every three hours saves; both None where there is nothing to go, and
    below zero where it costs more than the label.
    """

    energy_kilowatt_hours: Interval
    label_ratio: Interval
    verdict: Verdict | None
    bound_ratio: Interval | None
    gap_share: float | None
    repack_share: float | None
    evictions_per_pod_day: float
    pending_pods_mean: float
    waited_pod_hours_mean: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RankCell:
    """A scenario at a setting: every policy over the seeds."""

    key: ScenarioKey
    setting: Setting
    bound_kilowatt_hours: Interval | None
    policies: Mapping[str, RankResult]

    def facts(self) -> dict[str, object]:
        """All but the policies, as plain values."""
        bound = self.bound_kilowatt_hours
        return {
            "family": self.key.family,
            "fleet": self.key.fleet,
            "load_ratio": self.key.load_ratio,
            "usage_ratio": self.setting.usage_ratio,
            "sleep": self.setting.sleep,
            "constrained": self.key.constrained,
            "bound_kilowatt_hours": None if bound is None else asdict(bound),
        }

    def to_json(self) -> dict[str, object]:
        """The cell as plain values."""
        policies = {name: asdict(result) for name, result in self.policies.items()}
        return {**self.facts(), "policies": policies}


def rank_cells(
    outcomes: Sequence[RankOutcome], order: Sequence[tuple[ScenarioKey, Setting]]
) -> list[RankCell]:
    """The cells in the given order; each has outcomes of all its policies for the same seeds."""
    groups: dict[tuple[ScenarioKey, Setting], dict[str, list[RankOutcome]]] = {}
    for outcome in sorted(outcomes, key=lambda one: one.seed):
        cell = groups.setdefault((outcome.key, outcome.setting), {})
        cell.setdefault(outcome.policy, []).append(outcome)
    return [_cell(key, setting, groups[key, setting]) for key, setting in order]


def _cell(key: ScenarioKey, setting: Setting, runs: Mapping[str, list[RankOutcome]]) -> RankCell:
    bounds = [one.bound_joules for one in runs[LABEL] if one.bound_joules is not None]
    complete = bounds if len(bounds) == len(runs[LABEL]) else None
    label, repacked = _joules(runs[LABEL]), _joules(runs[REPACK])
    return RankCell(
        key=key,
        setting=setting,
        bound_kilowatt_hours=(
            None if complete is None else Interval.of([kilowatt_hours(one) for one in complete])
        ),
        policies={
            name: _result(members, label=label, repacked=repacked, bounds=complete)
            for name, members in runs.items()
        },
    )


def _result(
    members: Sequence[RankOutcome],
    *,
    label: Sequence[float],
    repacked: Sequence[float],
    bounds: Sequence[float] | None,
) -> RankResult:
    joules = _joules(members)
    own = [one.own_bound_joules for one in members if one.own_bound_joules is not None]
    label_ratio = Interval.of_ratios(joules, label)
    return RankResult(
        energy_kilowatt_hours=Interval.of([kilowatt_hours(one) for one in joules]),
        label_ratio=label_ratio,
        verdict=label_ratio.verdict(),
        bound_ratio=Interval.of_ratios(joules, own) if len(own) == len(joules) else None,
        gap_share=None if bounds is None else share(joules, label, bounds),
        repack_share=share(joules, label, repacked),
        evictions_per_pod_day=float(np.mean([one.evictions_per_pod_day for one in members])),
        pending_pods_mean=float(np.mean([one.pending_pods for one in members])),
        waited_pod_hours_mean=float(np.mean([one.waited_pod_hours for one in members])),
    )


def share(joules: Sequence[float], start: Sequence[float], goal: Sequence[float]) -> float | None:
    """How much of the way from ``start`` to ``goal`` was gone, over all seeds; None of no way."""
    way = sum(start) - sum(goal)
    if way < GAIN_RATIO_MIN * sum(start):
        return None
    return (sum(start) - sum(joules)) / way


def _joules(members: Sequence[RankOutcome]) -> list[float]:
    return [one.energy_joules for one in members]
