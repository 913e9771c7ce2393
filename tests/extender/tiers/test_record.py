"""A changed label can be read after the fact."""

from __future__ import annotations

from pathlib import Path

import pytest

from extender.tiers.labels import LabelChange
from extender.tiers.record import action_of
from ledger.filters import ActionFilter
from ledger.store import Ledger


@pytest.mark.parametrize(
    ("before", "after", "values"),
    [(None, "3", (None, 3.0)), ("3", None, (3.0, None)), ("mine", "0", (None, 0.0))],
)
def test_each_change_is_an_action_of_the_ledger(
    tmp_path: Path, before: str | None, after: str | None, values: tuple[float | None, float | None]
) -> None:
    """With tiers as values and the texts in its detail."""
    change = LabelChange(node="rack-1.example", before=before, after=after, reason="it is cheap")
    with Ledger.open(f"sqlite:///{tmp_path / 'ledger.sqlite'}") as ledger:
        ledger.record([action_of(change, rule="fill-cost", at_seconds=1000.0)])
        (found,) = ledger.actions(ActionFilter(subject="Node/rack-1.example")).actions

    assert (found.action, found.mode, found.rule) == ("label", "act", "fill-cost")
    assert (found.before_value, found.after_value) == values
    assert (found.detail["before"], found.detail["after"]) == (before, after)
    assert found.reason == "it is cheap"
