"""Tiers follow costs, change as little as they can, and never stand in the wrong order for long."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.scheduling.profile import ENERGY_TIERS
from energy.errors import InputError
from extender.tiers.order import HYSTERESIS_RATIO, SHARED_RATIO, RankedNode, tiers_of
from pricing.rules import SAME_COST_RATIO

COSTS = st.floats(0.5, 20, allow_nan=False)
TIERS = st.none() | st.integers(0, ENERGY_TIERS - 1)


def node(name: str, watts_per_core: float, tier: int | None = None, cores: float = 8) -> RankedNode:
    """Describe a node."""
    return RankedNode(name=name, cpu_cores=cores, watts_per_core=watts_per_core, tier=tier)


@st.composite
def fleets(draw: st.DrawFn, kinds_max: int = 16) -> list[RankedNode]:
    """Draw nodes of several kinds, some of them labelled, rightly or not."""
    costs = draw(st.lists(COSTS, min_size=1, max_size=kinds_max, unique=True))
    return [
        node(f"n{number}", draw(st.sampled_from(costs)), draw(TIERS), draw(st.floats(1, 128)))
        for number in range(draw(st.integers(1, 30)))
    ]


def costs_in_order(nodes: list[RankedNode], tiers: dict[str, int], tolerance: float) -> None:
    """Check every pair: no node is in a better tier than one that is cheaper by more."""
    for one, other in itertools.permutations(nodes, 2):
        if tiers[one.name] < tiers[other.name]:
            assert one.watts_per_core <= other.watts_per_core * (1 + tolerance) * (1 + 1e-9)


@given(fleets())
def test_every_node_has_a_tier_and_dearer_nodes_no_better_one(nodes: list[RankedNode]) -> None:
    """Whatever the labels say now; only what is within the tolerance may stay the other way."""
    tiers = tiers_of(nodes)
    assert tiers.keys() == {each.name for each in nodes}
    assert set(tiers.values()) <= set(range(ENERGY_TIERS))
    costs_in_order(nodes, tiers, HYSTERESIS_RATIO)


@given(fleets(kinds_max=8))
def test_equal_costs_share_a_tier_and_up_to_ten_different_ones_do_not(
    nodes: list[RankedNode],
) -> None:
    """Eight kinds at most: kinds further apart than the tolerance are told apart."""
    tiers = tiers_of(nodes)
    for one, other in itertools.combinations(nodes, 2):
        low, high = sorted((one.watts_per_core, other.watts_per_core))
        if low == high:
            assert tiers[one.name] == tiers[other.name]
        elif high > low * (1 + HYSTERESIS_RATIO) * (1 + SAME_COST_RATIO):
            assert tiers[one.name] != tiers[other.name]


@given(fleets())
def test_what_was_labelled_by_us_stays(nodes: list[RankedNode]) -> None:
    """Nothing is changed a second time."""
    first = tiers_of(nodes)
    labelled = [
        node(each.name, each.watts_per_core, first[each.name], each.cpu_cores) for each in nodes
    ]
    assert tiers_of(labelled) == first


@given(fleets(), st.data())
def test_small_changes_of_cost_change_no_label_where_tiers_suffice(
    nodes: list[RankedNode], data: st.DataObject
) -> None:
    """Kinds well apart, each then re-measured within a percent."""
    kinds = {each.watts_per_core for each in nodes}
    apart = {cost: 1.2**place for place, cost in enumerate(sorted(kinds)[:ENERGY_TIERS])}
    kept = [
        node(each.name, apart[each.watts_per_core], cores=each.cpu_cores)
        for each in nodes
        if each.watts_per_core in apart
    ]
    first = tiers_of(kept)
    shifted = {cost: cost * data.draw(st.floats(0.99, 1.01)) for cost in apart.values()}
    again = [
        node(each.name, shifted[each.watts_per_core], first[each.name], each.cpu_cores)
        for each in kept
    ]
    assert tiers_of(again) == first


def test_tiers_begin_at_0_and_leave_no_gap() -> None:
    """On a cluster without labels."""
    assert tiers_of([node("a", 3), node("b", 1), node("c", 2)]) == {"b": 0, "c": 1, "a": 2}


def test_a_new_kind_in_the_middle_moves_the_side_with_fewer_cores() -> None:
    """Two tiers are free above and none below."""
    nodes = [node("a", 1, 0, 100), node("new", 1.5), node("b", 2, 1, 10), node("c", 3, 2, 10)]
    assert tiers_of(nodes) == {"a": 0, "new": 1, "b": 2, "c": 3}


def test_a_gap_takes_a_new_kind_without_a_change() -> None:
    """As after a kind left the cluster."""
    nodes = [node("a", 1, 0), node("new", 1.5), node("b", 2, 2)]
    assert tiers_of(nodes) == {"a": 0, "new": 1, "b": 2}


@pytest.mark.parametrize(("now", "changes"), [(1.04, False), (1.06, True)])
def test_an_order_that_turned_changes_labels_beyond_the_tolerance(
    now: float, *, changes: bool
) -> None:
    """The node of tier 0 was re-measured and is now the dearer one."""
    tiers = tiers_of([node("a", now, 0), node("b", 1.0, 1)])
    assert (tiers["a"] > tiers["b"]) is changes


def test_more_kinds_than_tiers_share_them_by_nearness() -> None:
    """Twelve kinds: the two pairs that are nearest share."""
    costs = [1, 2, 4, 8, 8.2, 16, 32, 64, 65, 128, 256, 512]
    tiers = tiers_of([node(f"n{cost}", cost) for cost in costs])
    assert len(set(tiers.values())) == ENERGY_TIERS
    assert tiers["n8"] == tiers["n8.2"]
    assert tiers["n64"] == tiers["n65"]


@given(st.lists(st.integers(0, 40), min_size=11, max_size=30, unique=True), st.data())
def test_what_shares_a_tier_is_as_near_as_ten_tiers_allow_and_a_fifth(
    powers: list[int], data: st.DataObject
) -> None:
    """However it is labelled now; the best is found here by trying."""
    nodes = [node(f"n{power}", 1.1**power, data.draw(TIERS)) for power in powers]
    tiers = tiers_of(nodes)
    ordered = sorted(powers)
    best = min(
        span for span in range(41) if runs_of(ordered, span) <= ENERGY_TIERS
    )  # in powers of 1.1
    for one, other in itertools.combinations(powers, 2):
        if tiers[f"n{one}"] == tiers[f"n{other}"]:
            assert 1.1 ** abs(one - other) <= 1.1**best * SHARED_RATIO * (1 + 1e-9)


def runs_of(ordered: list[int], span: int) -> int:
    """Count the runs it takes if none is longer than this."""
    runs, first = 1, ordered[0]
    for power in ordered:
        if power - first > span:
            runs, first = runs + 1, power
    return runs


@given(st.lists(st.integers(0, 60), min_size=11, max_size=30, unique=True), st.data())
def test_beyond_ten_kinds_more_or_fewer_nodes_of_a_kind_change_no_label(
    powers: list[int], data: st.DataObject
) -> None:
    """An autoscaler adds and takes nodes all day."""
    first = tiers_of([node(f"n{power}", 1.1**power) for power in powers])
    again = [
        node(f"n{power}/{number}", 1.1**power, first[f"n{power}"] if number == 0 else None)
        for power in powers
        for number in range(data.draw(st.integers(1, 5)))
    ]
    assert tiers_of(again) == {each.name: first[each.name.split("/")[0]] for each in again}


@given(
    st.lists(
        st.builds(
            node,
            st.uuids().map(str),
            st.integers(100, 120).map(lambda percent: percent / 100),
            TIERS,
            st.sampled_from([8.0, 64.0]),
        ),
        min_size=3,
        max_size=8,
    )
)
def test_kinds_close_together_are_all_numbered_and_in_order(nodes: list[RankedNode]) -> None:
    """Several within the tolerance of each other, labelled in any way."""
    tiers = tiers_of(nodes)
    assert tiers.keys() == {each.name for each in nodes}
    costs_in_order(nodes, tiers, HYSTERESIS_RATIO)


def test_costs_that_come_to_be_equal_change_no_label() -> None:
    """Two kinds 2 % apart, re-measured."""
    tiers = tiers_of([node("a", 1.004, 0), node("b", 1.0, 1)])
    assert tiers == {"a": 0, "b": 1}


def test_no_nodes_have_no_tiers() -> None:
    """Nor is that an error."""
    assert tiers_of([]) == {}


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_a_cost_that_cannot_be_is_refused(value: float) -> None:
    """Nothing absurd gets the best tier."""
    with pytest.raises(InputError, match="watts_per_core"):
        node("a", value)
