"""A changed label as the ledger keeps it."""

from __future__ import annotations

from cluster.scheduling.profile import ENERGY_TIER_LABEL
from extender.tiers.labels import LabelChange, PresentLabel
from ledger.action import ActionDecision


def action_of(change: LabelChange, *, rule: str, at_seconds: float) -> ActionDecision:
    """The record of a change that was made at this moment (Unix); tiers are its values."""
    before = PresentLabel(value=change.before).tier
    after = PresentLabel(value=change.after).tier
    return ActionDecision(
        decided_at_seconds=at_seconds,
        mode="act",
        kind="node",
        namespace="",
        subject_kind="Node",
        subject_name=change.node,
        action="label",
        rule=rule,
        reason=change.reason,
        before_value=None if before is None else float(before),
        after_value=None if after is None else float(after),
        detail={"label": ENERGY_TIER_LABEL, "before": change.before, "after": change.after},
    )
