"""The rank suite: every policy in every cell of the grid, over seeds, beside label and bounds.

One task is a scenario with a seed. A policy that heeds neither use nor sleep runs once per task and
is graded in all its settings. The result is one document of plain values, whose keys are described
in docs/reference/placement-rank.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from simulator.policies import LABEL
from simulator.policy import Setting
from simulator.process_pool import run_all
from simulator.rank_cells import RankCell, rank_cells
from simulator.rank_choice import choices
from simulator.rank_grid import (
    RankTask,
    ablation_policies,
    parts,
    sparse_sentences,
    sparse_settings,
    tasks,
)
from simulator.rank_policies import ABLATIONS
from simulator.rank_runs import RankOutcome, run_task
from simulator.rank_summary import summaries
from simulator.repacking import REPACK
from simulator.scenarios.families import ScenarioKey


@dataclass(frozen=True, slots=True, kw_only=True)
class RankSuite:
    """What is compared: policies, over seeds, on the grid, and whether the ablations run too.

    The label, the bound and the re-packing reference are in it whether named or not. ``pods`` is
    openb's pod list, for the families that need it; without it they are left out.
    """

    policies: tuple[str, ...]
    seeds: tuple[int, ...]
    pods: Path | None = None
    ablated: bool = True

    @property
    def ranked(self) -> tuple[str, ...]:
        """The label first, since all are compared to it, and the re-packing reference last."""
        named = [name for name in self.policies if name not in (LABEL, REPACK)]
        return LABEL, *dict.fromkeys(named), REPACK

    def tasks(self) -> list[RankTask]:
        """All work of the suite."""
        return tasks(self.ranked, self.seeds, self.pods, ablated=self.ablated)

    def run(self, *, processes: int, advance: Callable[[int], None]) -> list[RankOutcome]:
        """Everything, on so many processes; ``advance`` is told of every task that is done."""
        results = run_all(run_task, self.tasks(), processes=processes, advance=advance)
        return [outcome for result in results for outcome in result]

    def document(self, outcomes: Sequence[RankOutcome], commit: str) -> dict[str, Any]:
        """The result as plain values."""
        grid = parts(recorded=self.pods is not None)
        order = [
            (key, setting) for part in grid for key in part.scenarios() for setting in part.settings
        ]
        cells = rank_cells([one for one in outcomes if one.policy in self.ranked], order)
        return {
            "scenario": "suite rank",
            "commit": commit,
            "simulated": True,
            "seeds": list(self.seeds),
            "reference": LABEL,
            "grid": [*(part.sentence() for part in grid), *sparse_sentences()],
            "policies": list(self.ranked),
            "summary": summaries(cells, self.ranked),
            "choices": [asdict(one) for one in choices(cells, self.ranked)],
            "cells": [cell.to_json() for cell in cells],
            "ablations": _ablations(outcomes, order) if self.ablated else [],
        }


def _ablations(
    outcomes: Sequence[RankOutcome], order: Sequence[tuple[ScenarioKey, Setting]]
) -> list[dict[str, Any]]:
    """Each variant with the cells of its families, in the order in which they are named."""
    asked = [
        (key, setting)
        for key, setting in order
        if ablation_policies(key) and setting in sparse_settings(key, [setting])
    ]
    keys = {key for key, _ in asked}
    cells: Sequence[RankCell] = rank_cells([one for one in outcomes if one.key in keys], asked)
    return [
        {
            "question": one.question,
            "label": one.label,
            "policy": one.policy,
            "cells": [
                {**cell.facts(), **asdict(cell.policies[one.policy])}
                for cell in cells
                if cell.key.family in one.families
            ],
        }
        for one in ABLATIONS
    ]
