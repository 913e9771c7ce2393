"""Ranks: near-equal watts share one, what is no number is never cheap, order does not matter."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.ranks import ranks_of_watts

NAN, INF = math.nan, math.inf
RANKS_MAX = 10

costs = st.lists(
    st.one_of(
        st.floats(-1e4, 1e4),
        st.sampled_from([0.0, 0.05, 1.0, 1.01, 100.0, 101.0, INF, NAN]),
    ),
    min_size=1,
    max_size=40,
)


def ranked(*watts: float, ranks_max: int = RANKS_MAX) -> list[int]:
    """Give ranks as a list."""
    return ranks_of_watts(np.array(watts), ranks_max).tolist()


@pytest.mark.parametrize(
    ("watts", "expected"),
    [
        ((0.0, 0.0, 0.0), [0, 0, 0]),
        ((1.0,), [0]),
        ((3.0, 1.0, 2.0), [2, 0, 1]),
        ((100.0, 100.9, 101.1), [0, 0, 1]),  # 1 %
        ((1.0, 1.04, 1.06), [0, 0, 1]),  # 0.05 W is more than 1 %
        ((1.0, 1.04, 1.08, 1.12), [0, 0, 1, 1]),  # from the rank's cheapest, not from a neighbour
        ((-5.0, -4.96, 5.0), [0, 0, 1]),
        ((NAN, 1.0, NAN), [1, 0, 1]),
        ((NAN, INF, 1.0), [1, 1, 0]),
        ((NAN, NAN), [0, 0]),
        ((INF, INF), [0, 0]),
    ],
)
def test_watts_become_dense_ranks(watts: tuple[float, ...], expected: list[int]) -> None:
    """0 for the cheapest; within 1 % or 0.05 W of a rank's cheapest is the same rank."""
    assert ranked(*watts) == expected


def test_ranks_beyond_the_last_are_the_last() -> None:
    """Fifteen prices and ranks 0 to 10."""
    assert ranked(*range(15)) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10, 10, 10]
    assert ranked(*range(15), NAN)[-1] == RANKS_MAX
    assert ranked(5.0, 7.0, 6.0, ranks_max=0) == [0, 0, 0]


@given(costs)
def test_a_rank_is_as_wide_as_said_and_dearer_is_never_better(watts: list[float]) -> None:
    """Against the definition: each rank starts beyond the reach of the one before."""
    found = ranked(*watts, ranks_max=len(watts))
    known = sorted((w, r) for w, r in zip(watts, found, strict=True) if not math.isnan(w))
    assert all(0 <= rank <= len(watts) for rank in found)
    start = None
    for cost, rank in known:
        if start is None or rank != start[1]:
            assert rank == (0 if start is None else start[1] + 1)
            assert start is None or cost > start[0] + max(0.01 * abs(start[0]), 0.05)
            start = cost, rank
        elif start[0] != INF:
            assert cost <= start[0] + max(0.01 * abs(start[0]), 0.05)


@given(costs)
def test_no_number_is_as_dear_as_the_dearest(watts: list[float]) -> None:
    """Whatever the others cost."""
    found = ranked(*watts)
    assert all(r == max(found) for w, r in zip(watts, found, strict=True) if math.isnan(w))


@given(costs, st.randoms(use_true_random=False))
def test_the_order_of_nodes_does_not_matter(watts: list[float], random) -> None:
    """Ranks are permuted as the nodes are."""
    order = list(range(len(watts)))
    random.shuffle(order)
    shuffled = ranked(*(watts[place] for place in order))
    found = ranked(*watts)
    assert shuffled == [found[place] for place in order]


@given(costs, st.integers(0, 10))
def test_no_rank_is_beyond_the_last(watts: list[float], ranks_max: int) -> None:
    """Ranks are cut, not scaled: those below the last stay what they are."""
    cut, uncut = ranked(*watts, ranks_max=ranks_max), ranked(*watts, ranks_max=len(watts))
    assert cut == [min(rank, ranks_max) for rank in uncut]
