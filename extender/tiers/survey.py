"""One look at all nodes: what each should carry, what to change now, and the same as a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from extender.fleet import ProfileFinder
from extender.tiers.labels import (
    LabelLimits,
    LabelPlan,
    PresentLabel,
    WantedLabel,
    label_plan,
)
from extender.tiers.nodes import LabelledNode, present_label
from extender.tiers.wishes import TierOptions, wanted_labels


class LabelState(StrEnum):
    """What is to be done about a node's label."""

    RIGHT = "right"
    DUE = "due"
    WAITING = "waiting"
    FOREIGN = "foreign"
    FAILING = "failing"
    UNREADABLE = "unreadable"


class NodeTier(BaseModel):
    """A node's label, what it should be, and why.

    Attributes:
        present: the label's value; None without one.
        wanted: the tier that it should be; None for no label.
        watts_per_core: what ranks the node; None where nothing does.
        profile: whose watts those are.
        reason: why this tier, or none.
        waits: what keeps the label from being changed now; empty if nothing does.
        waiting_until_seconds: until when (Unix); None if nothing waits, or it is not known.
        owners: other field managers that set the label.
        doubts: what of the node could not be understood.
    """

    model_config = ConfigDict(frozen=True)

    node: str
    state: LabelState
    present: str | None
    wanted: int | None
    watts_per_core: float | None
    profile: str
    reason: str
    waits: str = ""
    waiting_until_seconds: float | None = None
    owners: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBack:
    """A change that failed, and is not tried again before `until_seconds`."""

    until_seconds: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyRules:
    """What tiers are worked out with, how often labels may change, and whose.

    Attributes:
        force: labels that others set are changed too.
    """

    options: TierOptions
    limits: LabelLimits
    force: bool = False


@dataclass(frozen=True, slots=True)
class _Stand:
    """How it stands with one node."""

    state: LabelState
    waits: str = ""
    until_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """All nodes at one moment, what they should carry, and the plan.

    Its times are of the clock that limits are counted in; the wall's is ahead of it by
    `wall_ahead_seconds`, and is what people are told.
    """

    nodes: tuple[LabelledNode, ...] = ()
    wanted: Mapping[str, WantedLabel]
    plan: LabelPlan
    held_back: Mapping[str, HeldBack]
    unwanted_since: Mapping[str, float] = field(default_factory=dict)
    wall_ahead_seconds: float = 0.0

    @property
    def due_seconds(self) -> float | None:
        """When the next thing is to be done; None where all is as it should be."""
        held = (each.until_seconds for each in self.held_back.values())
        due = [each for each in (self.plan.due_seconds, *held) if each is not None]
        return min(due, default=None)

    def tiers(self) -> tuple[NodeTier, ...]:
        """Every node, in the order of their names."""
        stands = self._stands()
        return tuple(
            self._tier(each, stands.get(each.name, _Stand(LabelState.RIGHT)))
            for each in sorted(self.nodes, key=lambda node: node.name)
        )

    def _stands(self) -> dict[str, _Stand]:
        """How it stands with each node whose label is not as it should be."""
        found = {each.node: _Stand(LabelState.DUE) for each in self.plan.changes}
        for each in self.plan.foreign:
            found[each.node] = _Stand(LabelState.FOREIGN, "somebody else set the label")
        for later in self.plan.waiting:
            found[later.change.node] = _Stand(LabelState.WAITING, later.reason, later.until_seconds)
        for name, held in self.held_back.items():
            found[name] = _Stand(LabelState.FAILING, held.reason, held.until_seconds)
        return found

    def _tier(self, each: LabelledNode, stand: _Stand) -> NodeTier:
        wish = self.wanted.get(each.name)
        if wish is None:
            wish = WantedLabel(tier=None, reason="it cannot be read")
            stand = _Stand(LabelState.UNREADABLE, "its label is left as it is")
        until = stand.until_seconds
        return NodeTier(
            node=each.name,
            state=stand.state,
            present=each.label.value,
            wanted=wish.tier,
            watts_per_core=wish.watts_per_core,
            profile=wish.profile,
            reason=wish.reason,
            waits=stand.waits,
            waiting_until_seconds=None if until is None else until + self.wall_ahead_seconds,
            owners=each.label.foreign_owners,
            doubts=each.doubts,
        )

    def counts(self) -> SurveyCounts:
        """How many nodes carry, or should carry, which tier; and in which state they are."""
        return SurveyCounts(
            present=Counter(each.label.value or NO_TIER for each in self.nodes),
            wanted=Counter(wish.value or NO_TIER for wish in self.wanted.values()),
            states=Counter(each.state for each in self.tiers()),
        )


#: Counts nodes without a label.
NO_TIER = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyCounts:
    """Nodes by what they carry, by what they should carry, and by state."""

    present: Mapping[str, int]
    wanted: Mapping[str, int]
    states: Mapping[LabelState, int]


def survey(  # noqa: PLR0913 - each is another memory
    nodes: Sequence[LabelledNode],
    finder: ProfileFinder,
    rules: SurveyRules,
    *,
    now_seconds: float,
    wall_ahead_seconds: float = 0.0,
    held_back: Mapping[str, HeldBack] | None = None,
    remembered_seconds: Mapping[str, float] | None = None,
    before: Survey | None = None,
) -> Survey:
    """Look at the nodes (pure).

    Args:
        nodes: all of them.
        finder: finds their power profiles.
        rules: see there.
        now_seconds: by the clock that all remembered times are of.
        wall_ahead_seconds: how far the wall clock is ahead of it: the API server's times are by
            the wall.
        held_back: nodes whose last change failed lately, by name.
        remembered_seconds: when we changed a label last, by the node's uid.
        before: the last look, which knows since when labels have not been wanted.
    """
    remembered = remembered_seconds or {}
    present: dict[str, PresentLabel] = {
        each.name: present_label(
            each.label,
            force=rules.force,
            changed_at_seconds=remembered.get(each.label.uid),
            wall_ahead_seconds=wall_ahead_seconds,
        )
        for each in nodes
    }
    known = [each.node for each in nodes if each.node is not None]
    wanted = wanted_labels(known, present, finder, rules.options)
    # What failed a moment ago must not take the place of what may succeed now.
    held = {
        name: each
        for name, each in (held_back or {}).items()
        if name in wanted and wanted[name].value != present[name].value
    }
    earlier = before.unwanted_since if before is not None else {}
    since = {
        name: earlier.get(name, now_seconds)
        for name, wish in wanted.items()
        if wish.tier is None and present[name].value is not None
    }
    plan = label_plan(
        present,
        {name: wish for name, wish in wanted.items() if name not in held},
        limits=rules.limits,
        changed_seconds=remembered.values(),
        now_seconds=now_seconds,
        unwanted_since=since,
    )
    return Survey(
        nodes=tuple(nodes),
        wanted=wanted,
        plan=plan,
        held_back=held,
        unwanted_since=since,
        wall_ahead_seconds=wall_ahead_seconds,
    )
