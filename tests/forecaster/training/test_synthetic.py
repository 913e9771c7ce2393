"""Made-up series: from a seed, of every kind, and never a rate that is none."""

from __future__ import annotations

import numpy as np

from forecaster.training.daily_shapes import DAY_MINUTES
from forecaster.training.synthetic import synthetic_series

SEEDS = range(40)


def test_the_same_seed_makes_the_same_series() -> None:
    """Training again starts from the same data."""
    first, again, other = (synthetic_series(np.random.default_rng(seed), 3) for seed in (5, 5, 6))

    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_every_series_is_a_rate_with_a_day_in_it() -> None:
    """Long enough, never negative, and mostly there."""
    for seed in SEEDS:
        series = synthetic_series(np.random.default_rng(seed), 2)

        assert series.shape == (2 * DAY_MINUTES,)
        known = series[~np.isnan(series)]
        assert len(known) > DAY_MINUTES
        assert np.isfinite(known).all()
        assert (known >= 0).all()
        assert known.std() > 0


def test_days_resemble_each_other_in_most_series() -> None:
    """What the seasonal candidates are worth is to be learnt; a few series have no season."""
    alike = 0
    for seed in SEEDS:
        series = synthetic_series(np.random.default_rng(seed), 4)
        before, after = series[:-DAY_MINUTES], series[DAY_MINUTES:]
        known = ~np.isnan(before) & ~np.isnan(after)
        alike += np.corrcoef(before[known], after[known])[0, 1] > 0.5

    assert alike > len(SEEDS) // 2


def test_some_series_have_outages_and_some_count_visitors() -> None:
    """Both kinds occur."""
    drawn = [synthetic_series(np.random.default_rng(seed), 2) for seed in SEEDS]

    assert 0 < sum(bool(np.isnan(series).any()) for series in drawn) < len(drawn)
    whole = [bool((series[~np.isnan(series)] % 1 == 0).all()) for series in drawn]
    assert 0 < sum(whole) < len(drawn)
