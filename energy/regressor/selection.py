"""Which model ships: the lowest placement regret, and among near-equals the lowest MAPE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from energy.errors import InputError
from energy.regressor.scores import Score

TIE_RATIO: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The model that ships, and why."""

    name: str
    reason: str


def choose(scores: Mapping[str, Score]) -> Choice:
    """Return the model with the lowest regret; ties within 5 % of it go to the lowest MAPE."""
    regrets = {
        name: each.placement_regret_ratio
        for name, each in scores.items()
        if each.placement_regret_ratio is not None
    }
    if not regrets:
        raise InputError("no model has a placement regret", mend="give more servers")
    lowest = min(regrets.values())
    tied = [name for name, regret in regrets.items() if regret <= lowest * (1 + TIE_RATIO)]
    name = min(tied, key=lambda name: (scores[name].mape_ratio_median or 0.0, name))
    reason = f"placement regret {regrets[name]:.4f}, the lowest is {lowest:.4f}"
    if len(tied) > 1:
        reason += f"; of {', '.join(sorted(tied))}, all within 5 % of it, it has the lowest MAPE"
    return Choice(name=name, reason=reason)
