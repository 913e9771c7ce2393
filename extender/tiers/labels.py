"""Which labels to change now, which to leave for later, and why: pure, with the limits kept.

Changes that can be made are made in an order that keeps dear nodes out of good tiers: first those
that move to a worse tier, worst first, then those that move to a better one, then the nodes without
a label. Where a limit holds one of them back, the others do not wait for it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from cluster.scheduling.profile import ENERGY_TIERS

#: Kubernetes' event loop, schedulers and autoscalers all look at a changed node again.
RELABEL_SECONDS_MIN: Final = 600.0
#: A source of watts may be gone for a moment; an order by yesterday's figures is better than none.
UNWANTED_SECONDS_MIN: Final = 300.0
#: First labels count too: 5,000 new nodes take a quarter of an hour, best tier first.
CHANGES_PER_MINUTE_MAX: Final = 300


class LabelLimits(BaseModel):
    """How often labels may change."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    relabel_seconds_min: Annotated[float, Field(ge=0, allow_inf_nan=False)] = RELABEL_SECONDS_MIN
    """From one change of a node's label to the next; a node's first label does not wait."""

    changes_per_minute_max: Annotated[int, Field(ge=1)] = CHANGES_PER_MINUTE_MAX
    """Labels of all nodes together that are set, changed or removed within a minute."""

    unwanted_seconds_min: Annotated[float, Field(ge=0, allow_inf_nan=False)] = UNWANTED_SECONDS_MIN
    """How long a node must have been without known watts before its label is removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentLabel:
    """What a node's label says now.

    `value` is None where there is none. `ours`: our field manager set it; another's is left alone.
    `changed_at_seconds` (Unix) is when we last changed it, None where that is unknown.
    """

    value: str | None = None
    ours: bool = True
    changed_at_seconds: float | None = None

    @property
    def tier(self) -> int | None:
        """The tier, where the value is one."""
        value = self.value
        if value is None or not value.isascii() or not value.isdigit() or len(value) != 1:
            return None
        return int(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedLabel:
    """The tier that a node should have, None for no label, and why.

    `watts_per_core` is what ranks it, None where nothing does; `profile` says whose watts they are.
    `asked`: somebody wants no label there, so that its removal does not wait.
    """

    tier: int | None
    reason: str
    asked: bool = False
    watts_per_core: float | None = None
    profile: str = ""

    @property
    def value(self) -> str | None:
        """As the label's value."""
        return None if self.tier is None else str(self.tier)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelChange:
    """One label to set (`before` None), to change, or to remove (`after` None)."""

    node: str
    before: str | None
    after: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A change that a limit keeps from being made before `until_seconds` (Unix)."""

    change: LabelChange
    until_seconds: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelPlan:
    """What to do now, in this order; what waits; and whose labels are another's business."""

    changes: tuple[LabelChange, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    foreign: tuple[LabelChange, ...] = ()
    right: int = field(default=0)
    """Nodes that are labelled as they should be already."""

    @property
    def due_seconds(self) -> float | None:
        """When the first of those that wait may be made; None where none waits."""
        return min((each.until_seconds for each in self.waiting), default=None)


def label_plan(
    present: Mapping[str, PresentLabel],
    wanted: Mapping[str, WantedLabel],
    *,
    limits: LabelLimits,
    changed_seconds: Collection[float],
    now_seconds: float,
    unwanted_since: Mapping[str, float] | None = None,
) -> LabelPlan:
    """Compare what nodes carry with what they should; `changed_seconds` are our last changes.

    A node that `wanted` does not name is left as it is. `unwanted_since` tells since when a node
    has been wanted without its label; one that it does not name is so since now. Times are Unix
    seconds.
    """
    since = unwanted_since or {}
    changes: list[LabelChange] = []
    waiting: list[Waiting] = []
    foreign: list[LabelChange] = []
    right = 0
    for node, wish in sorted(wanted.items()):
        label = present.get(node, PresentLabel())
        change = LabelChange(node=node, before=label.value, after=wish.value, reason=wish.reason)
        if change.before == change.after:
            right += 1
        elif change.before is not None and not label.ours:
            foreign.append(change)
        elif (until := _rests_until(label, limits, now_seconds)) > now_seconds:
            waiting.append(Waiting(change=change, until_seconds=until, reason=_RESTS))
        elif (
            wish.tier is None
            and not wish.asked
            and (
                (until := since.get(node, now_seconds) + limits.unwanted_seconds_min) > now_seconds
            )
        ):
            waiting.append(Waiting(change=change, until_seconds=until, reason=_UNWANTED))
        else:
            changes.append(change)
    changes.sort(key=_turn)
    made, budgeted = _within_budget(changes, limits, changed_seconds, now_seconds)
    return LabelPlan(
        changes=tuple(made),
        waiting=(*waiting, *budgeted),
        foreign=tuple(foreign),
        right=right,
    )


_RESTS: Final = "its tier changed lately"
_UNWANTED: Final = "its watts may be known again in a moment"
_MANY: Final = "many labels changed within a minute"
_MINUTE_SECONDS: Final = 60.0


def _rests_until(label: PresentLabel, limits: LabelLimits, now_seconds: float) -> float:
    # A time to come is of another clock, an API server's that is ahead: it tells nothing.
    if label.changed_at_seconds is None or label.changed_at_seconds > now_seconds:
        return -math.inf
    return label.changed_at_seconds + limits.relabel_seconds_min


def _turn(change: LabelChange) -> tuple[int, int, str]:
    """Sort key: removals, worse tiers (worst first), better ones (best first), first labels."""
    before, after = PresentLabel(value=change.before).tier, PresentLabel(value=change.after).tier
    if after is None:
        return 0, 0, change.node
    if before is not None and after > before:
        return 1, ENERGY_TIERS - after, change.node
    if before is not None:
        return 2, after, change.node
    return 3, after, change.node


def _within_budget(
    changes: Sequence[LabelChange],
    limits: LabelLimits,
    changed_seconds: Collection[float],
    now_seconds: float,
) -> tuple[Sequence[LabelChange], list[Waiting]]:
    """The first changes, as many as the minute still allows, and until when the others wait."""
    lately = sorted(at for at in changed_seconds if now_seconds - at < _MINUTE_SECONDS)
    room = max(0, limits.changes_per_minute_max - len(lately))
    # All of the room's changes are made now, so whoever does not fit waits for the oldest to pass.
    oldest = lately[0] if lately else now_seconds
    until = min(oldest, now_seconds) + _MINUTE_SECONDS
    return changes[:room], [
        Waiting(change=change, until_seconds=until, reason=_MANY) for change in changes[room:]
    ]
