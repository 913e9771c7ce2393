"""What is changed now, what waits, and what is nobody's business but its owner's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cluster.scheduling.profile import ENERGY_TIERS
from extender.tiers.labels import (
    LabelLimits,
    LabelPlan,
    PresentLabel,
    WantedLabel,
    label_plan,
)

NOW = 1_000_000.0
VALUES = st.none() | st.integers(0, ENERGY_TIERS - 1).map(str)
LABELS = st.builds(
    PresentLabel,
    value=VALUES | st.sampled_from(["", "10", "best", "٣"]),
    ours=st.booleans(),
    changed_at_seconds=st.none() | st.floats(NOW - 2000, NOW + 2000),
)
WISHES = st.builds(
    WantedLabel, tier=st.none() | st.integers(0, ENERGY_TIERS - 1), reason=st.just("why")
)
NAMES = st.sampled_from([f"n{number}" for number in range(20)])


def plan(
    present: dict[str, PresentLabel],
    wanted: dict[str, int | None],
    limits: LabelLimits | None = None,
    changed_seconds: tuple[float, ...] = (),
    unwanted_since: dict[str, float] | None = None,
) -> LabelPlan:
    """Plan with the shipped limits; who wants no label has asked for none unless it says since."""
    wishes = {
        name: WantedLabel(tier=tier, reason="why", asked=unwanted_since is None)
        for name, tier in wanted.items()
    }
    return label_plan(
        present,
        wishes,
        limits=limits or LabelLimits(),
        changed_seconds=changed_seconds,
        now_seconds=NOW,
        unwanted_since=unwanted_since,
    )


@given(
    st.dictionaries(NAMES, LABELS),
    st.dictionaries(NAMES, WISHES),
    st.integers(1, 30),
    st.lists(st.floats(NOW - 120, NOW), max_size=30),
)
def test_each_node_is_dealt_with_once_and_the_limits_are_kept(
    present: dict[str, PresentLabel],
    wanted: dict[str, WantedLabel],
    changes_per_minute_max: int,
    changed: list[float],
) -> None:
    """Conservation: right + now + waiting + foreign = all that was asked for."""
    limits = LabelLimits(changes_per_minute_max=changes_per_minute_max)
    made = label_plan(present, wanted, limits=limits, changed_seconds=changed, now_seconds=NOW)
    told = [*made.changes, *(each.change for each in made.waiting), *made.foreign]
    assert made.right + len(told) == len(wanted)
    assert len({each.node for each in told}) == len(told)
    lately = sum(NOW - at < 60 for at in changed)
    assert len(made.changes) <= max(0, changes_per_minute_max - lately)
    for change in made.changes:
        label = present.get(change.node, PresentLabel())
        assert change.before == label.value != change.after
        if label.value is not None:
            assert label.ours
            changed_at = label.changed_at_seconds or 0
            assert changed_at > NOW or changed_at + limits.relabel_seconds_min <= NOW
    assert all(each.until_seconds > NOW for each in made.waiting)
    assert not any(present[each.node].ours for each in made.foreign)


def test_worse_tiers_first_then_better_ones_then_first_labels() -> None:
    """So that a dear node never stands among cheaper ones on the way."""
    present = {
        "removed": PresentLabel(value="3"),
        "b": PresentLabel(value="1"),
        "c": PresentLabel(value="2"),
        "better": PresentLabel(value="9"),
    }
    made = plan(present, {"new": 1, "b": 2, "c": 3, "better": 4, "removed": None})
    assert [each.node for each in made.changes] == ["removed", "c", "b", "better", "new"]


def test_a_tier_rests_for_ten_minutes_after_a_change() -> None:
    """And the plan says until when."""
    label = PresentLabel(value="1", changed_at_seconds=NOW - 599)
    made = plan({"n": label}, {"n": 2})
    assert not made.changes
    assert made.due_seconds == NOW + 1
    assert plan({"n": PresentLabel(value="1", changed_at_seconds=NOW - 600)}, {"n": 2}).changes


def test_a_first_label_does_not_wait() -> None:
    """A node that joined may be used at once; one whose label was removed just now rests."""
    assert plan({"n": PresentLabel()}, {"n": 2}).changes
    assert not plan({"n": PresentLabel(changed_at_seconds=NOW)}, {"n": 2}).changes


def test_what_does_not_fit_into_this_minute_waits_for_the_oldest_change_to_pass() -> None:
    """One change was made half a minute ago, two may be made a minute."""
    limits = LabelLimits(changes_per_minute_max=2)
    made = plan({}, {"a": 0, "b": 0, "c": 0}, limits, changed_seconds=(NOW - 30,))
    assert [each.node for each in made.changes] == ["a"]
    assert {each.until_seconds for each in made.waiting} == {NOW + 30}


def test_a_label_of_somebody_else_is_left_alone_and_told() -> None:
    """An operator's hand outranks us."""
    made = plan({"n": PresentLabel(value="7", ours=False)}, {"n": 0})
    assert not made.changes
    assert [(each.node, each.before, each.after) for each in made.foreign] == [("n", "7", "0")]


def test_a_right_label_is_right_whoever_set_it() -> None:
    """There is nothing to do."""
    assert plan({"n": PresentLabel(value="0", ours=False)}, {"n": 0}).right == 1


def test_a_node_that_nobody_asked_for_stays_as_it_is() -> None:
    """Its label is not removed for want of an opinion."""
    assert plan({"n": PresentLabel(value="0")}, {}) == LabelPlan()


def test_a_label_stays_while_its_watts_may_come_back() -> None:
    """A PowerProfile that is replaced is gone for a moment."""
    labels = {"n": PresentLabel(value="0")}
    first = plan(labels, {"n": None}, unwanted_since={})
    assert [each.until_seconds for each in first.waiting] == [NOW + 300]
    assert not plan(labels, {"n": None}, unwanted_since={"n": NOW - 299}).changes
    assert plan(labels, {"n": None}, unwanted_since={"n": NOW - 300}).changes


def test_a_time_to_come_is_of_another_clock() -> None:
    """An API server half an hour ahead stops nothing."""
    label = PresentLabel(value="1", changed_at_seconds=NOW + 1800)
    assert plan({"n": label}, {"n": 2}).changes
