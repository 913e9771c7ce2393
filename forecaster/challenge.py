"""Whether a new model takes over: it has to beat the old one on the newest data, clearly.

Both forecast the same workloads at the same time, the challenger in the shadow. The relative MAE
is that of what each would serve, through the MAE of the last value over the same forecasts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["wait", "promote", "dismiss"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengePolicy:
    """When a challenger takes over.

    Attributes:
        scored_count_min: how many forecasts are compared at least.
        scored_count_max: by when it is decided; who has not won then goes.
        margin_ratio: by how much of the champion's relative MAE the challenger's must be lower.
    """

    scored_count_min: int = 10_000
    scored_count_max: int = 100_000
    margin_ratio: float = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """The same forecasts scored for both; absolute errors summed over them (requests/s)."""

    scored_count: int = 0
    champion: float = 0.0
    challenger: float = 0.0
    last_value: float = 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a challenger, and why in a line."""

    outcome: Outcome
    reason: str


def judge(contest: Contest, policy: ChallengePolicy) -> Verdict:
    """Decide; never promotes without evidence, nor on figures that are none."""
    count, last = contest.scored_count, contest.last_value
    if count < policy.scored_count_min:
        return Verdict("wait", f"{count} of {policy.scored_count_min} forecasts compared")
    sums = (contest.champion, contest.challenger, last)
    if not all(math.isfinite(each) and each >= 0 for each in sums) or last == 0:
        return Verdict("dismiss", f"errors that cannot be compared after {count} forecasts")
    old, new = contest.champion / last, contest.challenger / last
    compared = f"relative MAE {new:.4f} against {old:.4f} over {count} forecasts"
    # Sums, not ratios: those of a last value that is hardly off at all may overflow.
    if contest.challenger < contest.champion * (1 - policy.margin_ratio):
        return Verdict("promote", f"{compared}: better by {policy.margin_ratio:.1%} or more")
    if count >= policy.scored_count_max:
        return Verdict("dismiss", f"{compared}: not better by {policy.margin_ratio:.1%}")
    return Verdict("wait", f"{compared}: not better by {policy.margin_ratio:.1%} yet")
