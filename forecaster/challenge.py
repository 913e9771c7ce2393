"""Whether a new model takes over: it has to beat the old one on the newest data, clearly.

Both forecast the same workloads at the same time, the challenger in the shadow. Workloads count
alike, however large: what is compared is the geometric mean over workloads of the challenger's
MAE through the champion's. Errors of neighbouring minutes are much alike, so that thousands of them
say little: it is decided at few looks, the first after a whole day. Who looked every minute would
sooner or later see whoever is as good ahead by chance (Armitage, McPherson & Rowe 1969).

After a promotion the version before goes on in the shadow for a while, and is judged likewise: if
it does better, it serves again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

Outcome = Literal["wait", "promote", "dismiss"]
DAY_SECONDS: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengePolicy:
    """When a challenger takes over.

    Attributes:
        scored_count_min: how many forecasts are compared at least.
        margin_ratio: by how much of the champion's relative MAE the challenger's must be lower.
        looks_seconds: after how much compared time it is looked, rising; who has not won at the
            last look goes.
        silent_ratio_max: of how many of its forecasts a challenger may have said nothing.
    """

    scored_count_min: int = 10_000
    margin_ratio: float = 0.02
    looks_seconds: tuple[float, ...] = (DAY_SECONDS, 3 * DAY_SECONDS, 7 * DAY_SECONDS)
    silent_ratio_max: float = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """How both did on the same forecasts.

    Attributes:
        scored_count: forecasts of which both said something.
        silent_count: those of which the challenger alone said nothing.
        seconds: how much time they were compared for, without pauses.
        workloads: how many of them have scored forecasts.
        champion_ratio: geometric mean over workloads of the champion's relative MAE; NaN without.
        challenger_ratio: the challenger's.
    """

    scored_count: int = 0
    silent_count: int = 0
    seconds: float = 0.0
    workloads: int = 0
    champion_ratio: float = math.nan
    challenger_ratio: float = math.nan


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a challenger, why in a line, and how many looks there were by then."""

    outcome: Outcome
    reason: str
    looks_taken: int = 0


def judge(contest: Contest, policy: ChallengePolicy, looks_taken: int = 0) -> Verdict:
    """Decide; never promotes without evidence, nor on figures that are none."""
    looks = sum(contest.seconds >= each for each in policy.looks_seconds)
    hours = f"{contest.seconds / 3600:.1f} h"
    if looks <= looks_taken and looks < len(policy.looks_seconds):
        ahead = policy.looks_seconds[looks] / 3600
        said = f"{contest.scored_count} forecasts compared in {hours}; looked at after {ahead:g} h"
        return Verdict("wait", said, looks_taken)
    outcome, reason = _look(contest, policy)
    if outcome == "wait" and looks == len(policy.looks_seconds):
        return Verdict("dismiss", f"{reason} after {hours}", looks)
    return Verdict(outcome, reason, looks)


def _look(contest: Contest, policy: ChallengePolicy) -> tuple[Outcome, str]:
    count, silent = contest.scored_count, contest.silent_count
    if silent > policy.silent_ratio_max * (count + silent):
        return "dismiss", f"it said nothing in {silent} of {count + silent} forecasts"
    if count < policy.scored_count_min:
        return "wait", f"{count} of {policy.scored_count_min} forecasts compared"
    old, new = contest.champion_ratio, contest.challenger_ratio
    if not (math.isfinite(old) and math.isfinite(new) and old > 0):
        return "dismiss", f"errors that cannot be compared after {count} forecasts"
    compared = (
        f"relative MAE {new:.4f} against {old:.4f} (geometric means over {contest.workloads}"
        f" workloads, {count} forecasts, {contest.seconds / 3600:.1f} h)"
    )
    if new < old * (1 - policy.margin_ratio):
        return "promote", f"{compared}: better by {policy.margin_ratio:.1%} or more"
    return "wait", f"{compared}: not better by {policy.margin_ratio:.1%}"
