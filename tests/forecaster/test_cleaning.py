"""What is marked as an outage, what stays traffic, and what is clipped for training."""

from __future__ import annotations

import numpy as np
import pytest

from forecaster.arrivals import credible
from forecaster.cleaning import clip_outliers, find_outages, steady_levels, without_outages
from forecaster.history import History


def steady(minutes: int, level: float = 3000.0, seed: int = 1) -> np.ndarray:
    """A level with 5 % of noise."""
    return np.random.default_rng(seed).normal(level, 0.05 * level, minutes).clip(1.0)


def few(minutes: int, mean: float, seed: int = 1) -> np.ndarray:
    """Counts of a minute."""
    return np.random.default_rng(seed).poisson(mean, minutes).astype(float)


def test_zeros_on_a_steady_level_are_an_outage_with_the_minutes_it_cuts():
    """A capture that stops loses two partial minutes, too."""
    values = steady(400)
    values[200:229] = 0
    values[199], values[229] = 2.0, 1500.0
    outages = find_outages(values)
    assert np.flatnonzero(outages.marked).tolist() == list(range(199, 230))
    assert np.flatnonzero(outages.edges).tolist() == [199, 229]


def test_a_whole_minute_beside_an_outage_is_traffic():
    """What is not cut counts."""
    values = steady(400)
    values[200:229] = 0
    assert find_outages(values).marked.sum() == 29
    assert not find_outages(values).edges.any()


def test_a_cut_minute_is_known_one_minute_later():
    """A low minute may still be traffic until the next is zero."""
    values = steady(400)
    values[200:229] = 0
    values[199] = 2.0
    outages = find_outages(values)
    assert not outages.known_at(199)[199]
    assert outages.known_at(200)[199]
    assert outages.known_at(200)[200]


@pytest.mark.parametrize("mean", [0.05, 1, 3, 6])
def test_a_quiet_night_is_no_outage(mean):
    """Few requests scatter: their zeros are traffic."""
    hours = np.arange(2880) / 60
    level = mean + 60 * np.clip(np.sin(hours * np.pi / 12), 0, None) ** 2
    values = np.random.default_rng(2).poisson(level).astype(float)
    assert mean > 5 or (values == 0).sum() > 10
    assert not find_outages(values).marked.any()


def test_absent_minutes_are_marked_and_prove_nothing():
    """The level of 20 minutes is no level."""
    values = steady(300)
    values[10:250] = np.nan
    values[270:275] = 0
    outages = find_outages(values)
    assert np.flatnonzero(outages.marked).tolist() == list(range(10, 250))


def test_what_stays_at_zero_is_switched_off():
    """When 30 of the last 120 minutes are no longer known, zeros are traffic."""
    values = np.concatenate([steady(300), np.zeros(1000)])
    assert find_outages(values).marked.sum() == 120 - 30 + 1


def test_levels_of_many_series_are_those_of_each():
    """A steady one, a noisy one, one at rest, one hardly known; NaN is passed over."""
    before = np.stack([steady(120), few(120, 3), np.zeros(120), steady(120)])
    before[0, 5:60] = np.nan
    before[3, :95] = np.nan
    levels = steady_levels(before)
    assert levels[0] == pytest.approx(np.nanmedian(before[0, 60:]))
    assert np.isnan(levels[1:]).all()


def test_marks_never_depend_on_what_comes_later():
    """What was known then is what a look at the beginning alone gives."""
    random = np.random.default_rng(7)
    values = np.concatenate([steady(300), np.zeros(30), steady(300, seed=3), few(300, 1)])
    values[random.integers(0, len(values), 40)] = 0
    values[299] = 1.0
    whole = find_outages(values)
    for end in random.integers(1, len(values) - 2, 60).tolist():
        prefix = find_outages(values[: end + 1])
        assert prefix.marked[:end].tolist() == whole.known_at(end)[:end].tolist()
        assert bool(prefix.marked[end]) == bool(whole.known_at(end)[end])


def test_without_outages_copies():
    """The given array stays."""
    values = steady(300)
    values[100:120] = 0
    cleaned = without_outages(values)
    assert np.isnan(cleaned[100:120]).all()
    assert (values[100:120] == 0).all()
    assert (cleaned[:100] == values[:100]).all()


def test_a_spike_of_one_minute_is_clipped_and_a_surge_is_not():
    """An hour at three times the level is traffic to learn."""
    values = steady(2000)
    values[500] = 1e6
    values[900:960] *= 3
    values[1500] = np.nan
    clipped = clip_outliers(values)
    assert 3000 < clipped[500] < 3000 * 2
    assert clipped[920:940] == pytest.approx(values[920:940])
    assert np.isnan(clipped[1500])
    assert values[500] == 1e6


def test_spikes_that_are_a_habit_stay():
    """Only the farthest few are clipped."""
    values = steady(2000)
    values[::50] *= 4
    assert (clip_outliers(values) != values).sum() <= 0.002 * 2000


@pytest.mark.parametrize("values", [[], [5.0], [np.nan] * 40, [7.0] * 100])
def test_little_or_constant_data_stays_as_it_is(values):
    """Nothing can be said of it."""
    np.testing.assert_array_equal(clip_outliers(values), np.array(values, dtype=float))


def test_zeros_that_come_one_by_one_are_judged_as_those_of_the_whole_series():
    """Zeros that were traffic when they came stay so, also when the reason is out of sight."""
    values = np.full(160, 10.0) + np.random.default_rng(1).uniform(0, 1, 160)
    values[:30:2] = 1.0  # so unsteady that the zeros of the second half hour are traffic
    values[[60, 62, 64, 66, 150]] = 0.0
    values[67:141] = np.nan
    history, came = History(1), []
    for minute, value in enumerate(values):
        rates, _ = credible(history, 0, np.array([minute]), np.array([value]))
        history.put(0, minute, float(rates[0]))
        came.append(np.isnan(rates[0]))

    np.testing.assert_array_equal(came, find_outages(values).marked)
    assert not came[150]
