"""Which cells the rank suite has: families x fleets x loads x settings, written down in one place.

Under churn 20/30/10 and mixed get every use and sleep mode at half load; the rest of the grid asks
in two settings how far what is found there holds elsewhere. Slow policies and ablations run in
fewer cells (`sparse_settings`). With five seeds the grid takes about half an hour on two cores.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from simulator.policy import Setting
from simulator.rank_policies import ABLATIONS, ONLY_IN, SLOW_POLICIES, runs_in
from simulator.scenarios.families import RECORDED_FAMILIES, ScenarioKey
from simulator.standard import COLUMNS, CPU_LOAD_RATIO


@dataclass(frozen=True, slots=True, kw_only=True)
class GridPart:
    """Families on fleets at loads, each graded in each of the settings."""

    families: tuple[str, ...]
    fleets: tuple[str, ...]
    load_ratios: tuple[float, ...]
    settings: tuple[Setting, ...]
    constrained: bool = False

    def scenarios(self) -> Iterator[ScenarioKey]:
        """The scenarios of the part."""
        for family, fleet, load in itertools.product(self.families, self.fleets, self.load_ratios):
            yield ScenarioKey(
                family=family, fleet=fleet, load_ratio=load, constrained=self.constrained
            )

    def sentence(self) -> str:
        """The part in words, for reports."""
        settings = ", ".join(
            f"{'sleep' if one.nodes_may_sleep else 'on'} at use {one.usage_ratio:.0%}"
            for one in self.settings
        )
        loads = "/".join(f"{load:.0%}" for load in self.load_ratios)
        third = " with constraints on a third of the pods" if self.constrained else ""
        what = f"{', '.join(self.families)}{third}"
        return f"{what} on {', '.join(self.fleets)}, load {loads}: {settings}"


ALL_SETTINGS = tuple(
    Setting(usage_ratio=usage, nodes_may_sleep=sleep)
    for sleep, usage in itertools.product((False, True), (0.3, 0.6, 1.0))
)
TWO_SETTINGS = (
    Setting(usage_ratio=1.0, nodes_may_sleep=False),
    Setting(usage_ratio=0.6, nodes_may_sleep=True),
)
MAIN_FLEETS = ("20/30/10", "mixed")
MAIN_LOAD_RATIO = 0.5
GRID = (
    GridPart(
        families=("standard",),
        fleets=("20/30/10", "20/20/20"),
        load_ratios=(CPU_LOAD_RATIO,),
        settings=tuple(
            Setting(usage_ratio=column.usage_ratio, nodes_may_sleep=column.nodes_may_sleep)
            for column in COLUMNS
        ),
    ),
    GridPart(
        families=("burst-200",),
        fleets=("20/30/10",),
        load_ratios=(0.5,),
        settings=ALL_SETTINGS,
    ),
    GridPart(
        families=("burst-50", "burst-600"),
        fleets=("20/30/10",),
        load_ratios=(0.5,),
        settings=TWO_SETTINGS,
    ),
    GridPart(
        families=("burst-50", "burst-200", "burst-600"),
        fleets=("homogeneous", "mixed"),
        load_ratios=(0.5,),
        settings=TWO_SETTINGS,
    ),
    GridPart(
        families=("rack", "best-rack", "drain", "best-drain"),
        fleets=MAIN_FLEETS,
        load_ratios=(0.5,),
        settings=TWO_SETTINGS,
    ),
    GridPart(
        families=("churn",),
        fleets=MAIN_FLEETS,
        load_ratios=(0.5,),
        settings=ALL_SETTINGS,
    ),
    GridPart(
        families=("churn",),
        fleets=MAIN_FLEETS,
        load_ratios=(0.3, 0.7),
        settings=TWO_SETTINGS,
    ),
    GridPart(
        families=("churn",),
        fleets=("homogeneous",),
        load_ratios=(0.3, 0.5, 0.7),
        settings=TWO_SETTINGS,
    ),
    GridPart(
        families=("churn",),
        fleets=("two-generations", "20/20/20"),
        load_ratios=(0.5,),
        settings=TWO_SETTINGS,
    ),
    GridPart(
        families=("churn",),
        fleets=MAIN_FLEETS,
        load_ratios=(0.5,),
        settings=TWO_SETTINGS,
        constrained=True,
    ),
    GridPart(
        families=("churn-openb", "churn-recorded"),
        fleets=MAIN_FLEETS,
        load_ratios=(0.5,),
        settings=TWO_SETTINGS,
    ),
    GridPart(
        families=("replicas",),
        fleets=MAIN_FLEETS,
        load_ratios=(0.3, 0.5),
        settings=TWO_SETTINGS,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RankTask:
    """One scenario, to be placed by policies at settings; by the sparse ones at some of them."""

    key: ScenarioKey
    seed: int
    settings: tuple[Setting, ...]
    policies: tuple[str, ...]
    sparse_settings: tuple[Setting, ...] = ()
    sparse_policies: tuple[str, ...] = ()
    pods: Path | None = None

    def policies_at(self, setting: Setting) -> tuple[str, ...]:
        """All policies to be run at a setting, each once."""
        sparse = self.sparse_policies if setting in self.sparse_settings else ()
        return tuple(dict.fromkeys([*self.policies, *sparse]))

    @property
    def weight(self) -> float:
        """About how long the task takes, in no unit."""
        pods = self.key.load_ratio * _PODS_OF_FAMILY.get(self.key.family, 1.0)
        slow = SLOW_FACTOR * len(self.sparse_policies) * len(self.sparse_settings)
        return pods * (len(self.settings) * len(self.policies) + slow)


SLOW_FACTOR = 10
_PODS_OF_FAMILY: Mapping[str, float] = {"standard": 0.1, "churn-openb": 4.0, "replicas": 0.5}


def parts(*, recorded: bool) -> list[GridPart]:
    """The grid; without a file of pods the families that need one are left out."""
    found = []
    for part in GRID:
        families = tuple(one for one in part.families if recorded or one not in RECORDED_FAMILIES)
        if families:
            found.append(replace(part, families=families))
    return found


def tasks(
    policies: Sequence[str], seeds: Sequence[int], pods: Path | None, *, ablated: bool
) -> list[RankTask]:
    """Every scenario of the grid with every seed, those that take longest first."""
    found = []
    for part in parts(recorded=pods is not None):
        for key, seed in itertools.product(part.scenarios(), seeds):
            names = [name for name in policies if runs_in(name, key.family)]
            sparse = [name for name in names if name in SLOW_POLICIES]
            sparse += ablation_policies(key) if ablated else ()
            found.append(
                RankTask(
                    key=key,
                    seed=seed,
                    settings=part.settings,
                    policies=tuple(name for name in names if name not in SLOW_POLICIES),
                    sparse_settings=sparse_settings(key, part.settings),
                    sparse_policies=tuple(dict.fromkeys(sparse)),
                    pods=pods if key.family in RECORDED_FAMILIES else None,
                )
            )
    # So that no long one is left for the end, when the other processes have nothing to do.
    return sorted(found, key=lambda task: task.weight, reverse=True)


def ablation_policies(key: ScenarioKey) -> tuple[str, ...]:
    """Policies of the ablations that ask about a scenario."""
    if key.fleet != MAIN_FLEETS[0]:
        return ()
    return tuple(dict.fromkeys(one.policy for one in ABLATIONS if key.family in one.families))


def sparse_settings(key: ScenarioKey, settings: Sequence[Setting]) -> tuple[Setting, ...]:
    """Where slow policies and ablations run: the standard burst, and 20/30/10 at half load."""
    if key.family == "standard":
        return tuple(settings)
    if key.fleet != MAIN_FLEETS[0] or key.load_ratio != MAIN_LOAD_RATIO or key.constrained:
        return ()
    return tuple(one for one in settings if one in TWO_SETTINGS)


def sparse_sentences() -> list[str]:
    """Where the slow policies and the ablations run, in words for reports."""
    slow = (
        f"{', '.join(SLOW_POLICIES)} and the ablations, which take long, run on the standard burst "
        f"and, without constraints, on {MAIN_FLEETS[0]} at load {MAIN_LOAD_RATIO:.0%} at two "
        "settings of each family (ablations of the families that they ask about)"
    )
    return [slow, *(f"{name} in {', '.join(ONLY_IN[name])} alone" for name in ONLY_IN)]
