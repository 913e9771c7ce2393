"""The budget of evictions: never more than its rate and what was saved up, over any interval."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.errors import InputError
from energy.units import SECONDS_PER_DAY
from pricing.moves.budget import (
    HANDED_OUT_RATIO,
    SAVED_UP_SECONDS,
    EvictionBudget,
)

RATES = st.sampled_from([0.0, 0.1, 0.25, 1.0, 3.7])
# Pods that run, for how long, and what part of what is allowed is spent then.
STEPS = st.lists(
    st.tuples(st.integers(0, 900), st.floats(1.0, 40_000.0), st.floats(0.0, 1.0)), max_size=12
)


@given(rate=RATES, steps=STEPS)
def test_no_interval_sees_more_evictions_than_the_rate_and_what_was_saved_up(rate, steps):
    """From any moment to any later one: the rate times the pod days, and what may be saved up."""
    budget, spent, earned, saved = EvictionBudget(rate), [0.0], [0.0], [0.0]
    for pods, seconds, share in steps:
        budget.accrue(pods, seconds)
        evictions = int(share * budget.evictions)
        budget.spend(evictions)
        spent.append(spent[-1] + evictions)
        earned.append(earned[-1] + rate * pods * seconds / SECONDS_PER_DAY)
        saved.append(rate * pods * SAVED_UP_SECONDS / SECONDS_PER_DAY)
        assert budget.evictions >= 0

    for begin, end in itertools.combinations(range(len(spent)), 2):
        assert spent[end] - spent[begin] <= earned[end] - earned[begin] + saved[begin] + 1e-6


@given(rate=RATES, pods=st.integers(1, 900), pieces=st.integers(1, 50))
def test_how_often_it_is_asked_does_not_matter(rate, pods, pieces):
    """A while in one piece or in many gives as many evictions, to the last whole one."""
    whole, cut = EvictionBudget(rate), EvictionBudget(rate)
    whole.accrue(pods, 4 * 3600.0)
    for _ in range(pieces):
        cut.accrue(pods, 4 * 3600.0 / pieces)

    assert abs(whole.evictions - cut.evictions) <= 1
    assert whole.evictions == pytest.approx(HANDED_OUT_RATIO * rate * pods * 4 / 24, abs=1.0)


@given(rate=RATES, pods=st.integers(1, 900), quiet_hours=st.integers(0, 48))
def test_no_day_has_more_evictions_than_the_rate(rate, pods, quiet_hours):
    """After any quiet, all that is saved up included."""
    budget = EvictionBudget(rate)
    for _ in range(quiet_hours):
        budget.accrue(pods, 3600.0)
    spent = 0
    for _ in range(24):
        spent += budget.evictions
        budget.spend(budget.evictions)
        budget.accrue(pods, 3600.0)

    assert spent <= rate * pods + 1e-6


@given(rate=RATES, pods=st.integers(0, 900), seconds=st.floats(0.0, 1e7))
def test_what_is_not_used_is_lost_after_a_while(rate, pods, seconds):
    """However long it was quiet, no more is there than may be saved up."""
    budget = EvictionBudget(rate)
    budget.accrue(pods, seconds)

    assert budget.evictions <= rate * pods * SAVED_UP_SECONDS / SECONDS_PER_DAY
    budget.accrue(0, 1.0)
    assert budget.evictions == 0


@pytest.mark.parametrize("rate", [-0.1, float("nan"), float("inf")])
def test_an_impossible_rate_is_refused_in_one_line(rate):
    """A rate that is negative or no number ends in one line."""
    with pytest.raises(InputError, match="evictions per pod and day") as caught:
        EvictionBudget(rate)
    assert "\n" not in str(caught.value)
