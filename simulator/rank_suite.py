"""The rank suite: every policy in every cell of the grid, over seeds, beside label and bounds.

One task is a scenario with a seed. A policy that heeds neither use nor sleep runs once per task and
is graded in all its settings. The result is one document of plain values, whose keys are described
in docs/reference/placement-rank.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from simulator.policies import LABEL
from simulator.policy import Setting
from simulator.process_pool import run_all
from simulator.rank_cells import RankCell, rank_cells
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


def rank_tasks(policies: Sequence[str], seeds: Sequence[int], pods: Path | None) -> list[RankTask]:
    """All work of the suite. The label is always among the policies, since all is compared to it.

    Args:
        policies: names of policies; the re-packing reference and the bound come by themselves.
        seeds: one scenario each.
        pods: openb's pod list, for the families that need it; without it they are left out.
    """
    return tasks([LABEL, *policies], seeds, pods)


def run_tasks(
    work: Sequence[RankTask], *, processes: int, advance: Callable[[int], None]
) -> list[RankOutcome]:
    """Run everything on so many processes."""
    results = run_all(run_task, work, processes=processes, advance=advance)
    return [outcome for result in results for outcome in result]


def document(
    outcomes: Sequence[RankOutcome],
    policies: Sequence[str],
    *,
    recorded: bool,
    commit: str,
) -> dict[str, Any]:
    """The suite's result as plain values."""
    order = [
        (key, setting)
        for part in parts(recorded=recorded)
        for key in part.keys()  # noqa: SIM118 - a method of the part, not a mapping's keys
        for setting in part.settings
    ]
    ranked = tuple(dict.fromkeys([LABEL, *policies, REPACK]))
    cells = rank_cells([one for one in outcomes if one.policy in ranked], order)
    return {
        "scenario": "suite rank",
        "commit": commit,
        "simulated": True,
        "seeds": sorted({one.seed for one in outcomes}),
        "reference": LABEL,
        "grid": [
            *(part.sentence() for part in parts(recorded=recorded)),
            *sparse_sentences(),
        ],
        "policies": list(ranked),
        "summary": summaries(cells),
        "cells": [cell.to_json() for cell in cells],
        "ablations": ablations(outcomes, order),
    }


def ablations(
    outcomes: Sequence[RankOutcome], order: Sequence[tuple[ScenarioKey, Setting]]
) -> list[dict[str, Any]]:
    """Each variant with its cells, in the order in which they are named."""
    asked = [
        (key, setting)
        for key, setting in order
        if ablation_policies(key) and sparse_settings(key, [setting])
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
                if one.policy in cell.policies
            ],
        }
        for one in ABLATIONS
    ]
