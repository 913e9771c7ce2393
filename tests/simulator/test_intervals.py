"""Intervals and verdicts, against SciPy's own t test."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from simulator.intervals import Interval, Verdict

SEEDS = st.lists(
    st.tuples(st.floats(1.0, 9.0), st.floats(1.0, 9.0)), min_size=2, max_size=8, unique=True
)


@given(pairs=SEEDS)
def test_ratios_are_paired_by_seed(pairs):
    """The interval is that of SciPy's t test on the ratios, and the verdict its p value's."""
    values, references = np.array(pairs).T
    ratios = values / references
    interval = Interval.of_ratios(values, references)
    if np.ptp(ratios) < 1e-9:
        return
    test = stats.ttest_1samp(ratios, 1.0)
    expected = test.confidence_interval(0.95)

    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))
    if abs(test.pvalue - 0.05) > 1e-9:
        assert (interval.verdict() is Verdict.EQUAL) == (test.pvalue > 0.05)


def test_pairing_sees_what_the_spread_of_seeds_would_hide():
    """Seeds differ tenfold; each is one percent cheaper, so the ratio is known well."""
    references = [10.0, 50.0, 100.0]
    values = [9.9, 49.4, 99.05]

    assert Interval.of_ratios(values, references).verdict() is Verdict.BETTER
    assert Interval.of_ratios(references, values).verdict() is Verdict.WORSE
    assert Interval.of_ratios(references, references).verdict() is Verdict.EQUAL


def test_one_seed_gives_no_verdict():
    """Nothing is known of its spread."""
    assert Interval.of_ratios([2.0], [1.0]).verdict() is None
