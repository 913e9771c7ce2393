"""Surges on series made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from forecaster.evaluation.surges import find_steps, robust_sigma, score_surges, surge_runs

HORIZONS = np.array([5, 10, 15])


def minutes_of(steps: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Steps of five equal minutes, from minute 1 on."""
    values = np.repeat(np.array(steps, dtype=float), 5)
    return np.arange(1, len(values) + 1), values


def steps_of(steps: list[float], training: int = 20):
    """Find steps; the first so many are the training part."""
    return find_steps(*minutes_of(steps), training * 5)


CALM = [100.0, 101.0, 99.0, 102.0] * 5


def test_a_step_surges_by_a_quarter_and_three_sigmas():
    """124 is too little, and 125 enough."""
    assert not steps_of([*CALM, 100, 100, 124, 100]).surging.any()
    surging = steps_of([*CALM, 100, 100, 125, 130, 100]).surging
    assert surge_runs(surging) == [(22, 23)]


def test_a_rise_that_is_usual_is_no_surge():
    """Where steps differ by 45 ten minutes apart, 3 sigma are more than 100."""
    restless = np.random.default_rng(5).normal(200, 30, 200).tolist()
    assert not steps_of([*restless, 200, 200, 260, 200], 200).surging[-4:].any()
    assert steps_of([*restless, 200, 200, 400, 200], 200).surging[202]


def test_sigma_is_that_of_the_training_part_alone():
    """What comes later does not move it: 1.4826 times the median deviation."""
    assert robust_sigma(np.array([1.0, 2.0, 3.0, 4.0, 100.0, np.nan])) == pytest.approx(1.4826)
    wild = [100.0, 300.0, 50.0, 700.0] * 5
    surging = steps_of([*CALM, *wild]).surging
    assert surging[20:].any()
    assert (find_steps(*minutes_of([*CALM, *wild]), 10**6).surging.sum()) < surging.sum()


def test_steps_lie_on_the_grid_of_five_minutes():
    """A series that starts in a step begins with the next; two known minutes are no mean."""
    minutes = np.arange(3, 23)
    values = np.arange(20.0)
    values[8:11] = np.nan
    steps = find_steps(minutes, values, 0)
    assert steps.ends.tolist() == [10, 15, 20]
    assert steps.means[0] == pytest.approx(np.mean([3, 4, 5, 6, 7]))
    assert np.isnan(steps.means[1])


def upper_of(origins: np.ndarray, crossing: dict[tuple[int, int], float]) -> np.ndarray:
    """Quantiles that cross nothing but where it says so: (origin, horizon) -> value."""
    upper = np.full((len(origins), len(HORIZONS)), 50.0)
    for (origin, horizon), value in crossing.items():
        upper[origins.tolist().index(origin), HORIZONS.tolist().index(horizon)] = value
    return upper


SURGE = [*CALM, 100, 100, 200, 200, 100, *CALM]
SURGE_END = 23 * 5
ORIGINS = np.arange(100, 200, 5)


@pytest.mark.parametrize(
    ("crossing", "seen"),
    [
        ({}, 0),
        ({(SURGE_END - 5, 5): 126.0}, 1),
        ({(SURGE_END - 5, 5): 124.0}, 0),
        ({(SURGE_END - 10, 15): 126.0}, 1),  # its second step
        ({(SURGE_END, 5): 300.0}, 0),  # it had begun
    ],
)
def test_a_surge_is_seen_by_a_quantile_that_was_issued_before_it(crossing, seen):
    """At least five minutes before its first step ends, for a time inside it."""
    score = score_surges(steps_of(SURGE), ORIGINS, HORIZONS, upper_of(ORIGINS, crossing))
    assert (score.surges, score.seen) == (1, seen)


def test_false_alarms_are_merged_within_half_an_hour():
    """Near a surge none is false; apart by more than 30 minutes they are two."""
    steps = steps_of([*SURGE, *CALM])
    origins = np.arange(100, 300, 5)
    near = {(SURGE_END - 15, 5): 200.0, (SURGE_END + 10, 5): 300.0}
    assert score_surges(steps, origins, HORIZONS, upper_of(origins, near)).false_alarms == 0
    two = {(150, 5): 200.0, (180, 5): 200.0, (215, 5): 200.0}
    score = score_surges(steps, origins, HORIZONS, upper_of(origins, two))
    assert score.false_alarms == 2
    assert score.false_alarms_per_day == pytest.approx(2 / score.days)


def test_without_surges_there_is_no_share():
    """NaN, not zero."""
    score = score_surges(steps_of([*CALM, *CALM]), ORIGINS, HORIZONS, upper_of(ORIGINS, {}))
    assert score.surges == 0
    assert np.isnan(score.seen_ratio)


def test_nothing_surges_at_rest():
    """A forecast of zero for a series at zero is no alarm."""
    steps = steps_of([0.0] * 60)
    score = score_surges(steps, ORIGINS, HORIZONS, np.zeros((len(ORIGINS), len(HORIZONS))))
    assert (score.surges, score.false_alarms) == (0, 0)


def test_a_surge_of_which_nobody_spoke_is_one_that_was_not_seen():
    """Silence is counted, and dilutes no false alarms: days are those of which it spoke."""
    spoken = upper_of(ORIGINS, {})
    silent = spoken.copy()
    silent[ORIGINS < SURGE_END + 10] = np.nan
    score = score_surges(steps_of(SURGE), ORIGINS, HORIZONS, silent)
    assert (score.surges, score.seen, score.silent) == (1, 0, 1)
    assert score.seen_ratio == 0
    full = score_surges(steps_of(SURGE), ORIGINS, HORIZONS, spoken)
    assert (full.surges, full.silent) == (1, 0)
    assert score.days < full.days
