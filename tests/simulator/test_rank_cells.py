"""The rank suite's arithmetic: ratios to the label, shares of the gap, what a summary counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.intervals import Verdict
from simulator.policy import Setting
from simulator.rank_cells import GAIN_RATIO_MIN, rank_cells, share
from simulator.rank_choice import choices
from simulator.rank_runs import RankOutcome
from simulator.rank_summary import summaries
from simulator.scenarios.families import ScenarioKey

KEY = ScenarioKey(family="churn", fleet="mixed", load_ratio=0.5)
SETTING = Setting(usage_ratio=1.0, nodes_may_sleep=True)
LABEL = [100.0, 200.0, 300.0]


def outcomes_of(joules, *, bound=0.5, own=None, key=KEY):
    """One outcome per policy and seed; the bound is a share of the label's joules."""
    return [
        RankOutcome(
            key=key,
            seed=seed,
            setting=SETTING,
            policy=name,
            energy_joules=value,
            bound_joules=None if bound is None else bound * LABEL[seed],
            own_bound_joules=None if bound is None else (own or bound) * LABEL[seed],
            evictions_per_pod_day=0.25,
            pending_pods=0,
            waited_pod_hours=0.0,
        )
        for name, values in joules.items()
        for seed, value in enumerate(values)
    ]


def cell_of(joules, **arguments):
    """The one cell of these outcomes, in whatever order they come."""
    reference = {"efficiency-order": LABEL, "repack": [value * 0.9 for value in LABEL]}
    outcomes = outcomes_of({**reference, **joules}, **arguments)
    (cell,) = rank_cells(outcomes[::-1], [(KEY, SETTING)])
    return cell


def test_ratios_and_shares_are_to_the_label_of_the_same_seed():
    """A twentieth saved is half of what re-packing saves, a tenth of the way to the bound."""
    policies = cell_of({"mine": [value * 0.95 for value in LABEL]}).policies

    assert policies["mine"].label_ratio.mean == pytest.approx(0.95)
    assert policies["mine"].verdict is Verdict.BETTER
    assert policies["mine"].repack_share == pytest.approx(0.5)
    assert policies["mine"].gap_share == pytest.approx(0.1)
    assert policies["mine"].bound_ratio.mean == pytest.approx(1.9)
    assert policies["efficiency-order"].verdict is Verdict.EQUAL
    assert policies["efficiency-order"].gap_share == 0.0
    assert policies["repack"].repack_share == pytest.approx(1.0)


def test_a_policy_that_let_pods_wait_is_compared_with_its_own_bound():
    """The share of the gap keeps to the stream's bound, the ratio to what was run."""
    result = cell_of({"mine": LABEL}, own=0.4).policies["mine"]

    assert result.bound_ratio.mean == pytest.approx(2.5)
    assert result.gap_share == pytest.approx(0.0)


def test_without_a_bound_there_is_no_share_of_the_gap():
    """What does not exist is None, not zero."""
    cell = cell_of({"mine": LABEL}, bound=None)

    assert cell.bound_kilowatt_hours is None
    assert cell.policies["mine"].bound_ratio is None
    assert cell.policies["mine"].gap_share is None


@given(
    start=st.lists(st.floats(10.0, 100.0), min_size=1, max_size=5),
    saved=st.floats(0.0, 0.9),
    gone=st.floats(-1.0, 2.0),
)
def test_a_share_is_how_far_one_came(start, saved, gone):
    """Where the goal saves next to nothing there is no share; else it is the way that was gone."""
    goal = [value * (1.0 - saved) for value in start]
    joules = [a + gone * (b - a) for a, b in zip(start, goal, strict=True)]
    found = share(joules, start, goal)
    if found is None:
        assert saved <= GAIN_RATIO_MIN + 1e-9
    else:
        assert found == pytest.approx(gone, abs=1e-6)


def test_a_summary_counts_each_cell_once_and_takes_medians():
    """Three cells: one better, one worse, one without anything to save by re-packing."""
    factors = {0.3: 0.95, 0.5: 1.05, 0.7: 1.0}
    outcomes, order = [], []
    for load, factor in factors.items():
        key = ScenarioKey(family="rack" if load == 0.7 else "churn", fleet="mixed", load_ratio=load)
        repack = 1.0 if load == 0.7 else 0.9
        joules = {
            "efficiency-order": LABEL,
            "repack": [value * repack for value in LABEL],
            "mine": [value * factor for value in LABEL],
        }
        outcomes += outcomes_of(joules, key=key)
        order.append((key, SETTING))
    found = summaries(rank_cells(outcomes, order), ["mine", "efficiency-order", "absent"])

    mine = found["all"]["mine"]
    assert (mine["cells"], mine["worse"], mine["equal"], mine["better"]) == (3, 1, 1, 1)
    assert mine["repack_cells"] == 2
    assert mine["repack_share_median"] == pytest.approx(0.0)
    assert mine["label_ratio_mean"] == pytest.approx(1.0)
    assert found["churn"]["mine"]["cells"] == 2
    assert found["failures and drains"]["mine"]["repack_share_median"] is None
    assert list(found["all"]) == ["mine", "efficiency-order"]
    assert "bursts" not in found


@pytest.mark.parametrize(
    ("factors", "chosen"),
    [
        ({"plain": 0.98, "clever": 0.95}, "clever"),
        ({"plain": 0.951, "clever": 0.95}, "plain"),
        ({"plain": 0.98, "clever": 1.01}, "plain"),
        ({"plain": 0.98, "moving+moves0.5": 0.5}, "plain"),
        ({"plain": 1.05, "clever": 1.01}, "efficiency-order"),
    ],
)
def test_the_choice_is_the_simplest_of_the_best_that_do_no_harm(factors, chosen):
    """Harm counts before gain, near-equals go to the simpler, and moves are not chosen here."""
    cell = cell_of({name: [value * factor for value in LABEL] for name, factor in factors.items()})
    (choice,) = choices([cell], ["efficiency-order", *factors, "repack"])

    assert (choice.situation, choice.sleep, choice.policy) == ("churn", "empty", chosen)


def test_a_rule_that_did_not_run_everywhere_is_not_chosen():
    """One cell in which it is missing tells nothing of it there."""
    with_it = cell_of({"mine": [value * 0.5 for value in LABEL]})
    without = cell_of({})
    (choice,) = choices([with_it, without], ["efficiency-order", "mine"])

    assert choice.policy == "efficiency-order"
