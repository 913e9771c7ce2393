"""Which rule ships where: a decision that follows from the cells by a rule written down.

For bursts, failures and drains, and churn, each with nodes that sleep and nodes that never do: of
the rules without moves that were run in every cell, those that are worse than the label in the
fewest cells; of these the least mean ratio to the label; of those within `SAME_RATIO` of it the one
that comes first in the list, which goes from simple to elaborate. It is recorded in
docs/decisions/0007-which-rule-ships.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simulator.intervals import Verdict
from simulator.policy import MOVES
from simulator.rank_cells import RankCell
from simulator.repacking import REPACK
from simulator.scenarios.families import SITUATIONS

# Mean ratios closer than this do not pay for a more elaborate rule.
SAME_RATIO = 0.002


@dataclass(frozen=True, slots=True, kw_only=True)
class RankChoice:
    """The rule for a situation and a sleep mode (`never` or `empty`)."""

    situation: str
    sleep: str
    policy: str
    label_ratio_mean: float
    cells: int
    worse: int


def choices(cells: Sequence[RankCell], policies: Sequence[str]) -> list[RankChoice]:
    """One choice for each situation and sleep mode that has cells."""
    found = []
    for situation, families in SITUATIONS.items():
        for sleep in ("never", "empty"):
            members = [
                cell
                for cell in cells
                if cell.key.family in families and cell.setting.sleep == sleep
            ]
            if members:
                found.append(_choice(situation, sleep, members, policies))
    return found


def _choice(
    situation: str, sleep: str, cells: Sequence[RankCell], policies: Sequence[str]
) -> RankChoice:
    candidates = [
        _scored(name, situation, sleep, cells)
        for name in policies
        if MOVES not in name and name != REPACK and all(name in cell.policies for cell in cells)
    ]
    fewest = min(one.worse for one in candidates)
    harmless = [one for one in candidates if one.worse == fewest]
    least = min(one.label_ratio_mean for one in harmless)
    return next(one for one in harmless if one.label_ratio_mean <= least + SAME_RATIO)


def _scored(policy: str, situation: str, sleep: str, cells: Sequence[RankCell]) -> RankChoice:
    results = [cell.policies[policy] for cell in cells]
    return RankChoice(
        situation=situation,
        sleep=sleep,
        policy=policy,
        label_ratio_mean=sum(one.label_ratio.mean for one in results) / len(results),
        cells=len(results),
        worse=sum(one.verdict is Verdict.WORSE for one in results),
    )
