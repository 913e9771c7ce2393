"""Last value, seasonal naive and drift correction: exact where the traffic is what they assume."""

from __future__ import annotations

import numpy as np
import pytest
from traffic_views import DAY_MINUTES, EIGHT_DAYS, START, view_at

from forecaster.history import HistoryView
from forecaster.horizons import HORIZONS_MINUTES
from forecaster.rivals.drift import DriftCorrected
from forecaster.rivals.naive import LastValue, SeasonalNaive

NOW = 8 * DAY_MINUTES + 9 * 60


def triangle(minutes: int = NOW + 60) -> np.ndarray:
    """One series that rises until noon and falls until midnight, the same every day."""
    at = np.arange(minutes) % DAY_MINUTES
    return (100 + np.minimum(at, DAY_MINUTES - at))[None, :].astype(float)


def targets(values: np.ndarray, now: int = NOW) -> np.ndarray:
    """What came at each horizon."""
    return values[:, [now + minutes for minutes in HORIZONS_MINUTES]]


def test_the_last_value_is_the_newest_minute_that_is_there() -> None:
    """A value nine minutes old is used, one of ten is not."""
    values = triangle()
    values[:, NOW - 8 : NOW + 1] = np.nan
    assert LastValue().medians(view_at(values, START + NOW)).tolist() == [
        [values[0, NOW - 9]] * len(HORIZONS_MINUTES)
    ]
    values[:, NOW - 9] = np.nan
    assert np.isnan(LastValue().medians(view_at(values, START + NOW))).all()


@pytest.mark.parametrize("offset", range(5))
def test_a_day_of_steps_that_comes_again_is_forecast_exactly(offset: int) -> None:
    """Day and week name the very bucket, whatever the minute."""
    random = np.random.default_rng(3)
    # Constant within each bucket: the minutes 5b - 4 ... 5b.
    day = np.repeat(random.uniform(0, 90, DAY_MINUTES // 5), 5)
    values = np.roll(np.tile(day, 10), 1)[None, :]
    now = NOW + offset
    view = view_at(values, START + now)
    for expert in (SeasonalNaive.day(), SeasonalNaive.week()):
        assert np.allclose(expert.medians(view), targets(values, now), rtol=1e-6)


def test_the_day_before_stands_in_for_yesterday() -> None:
    """Where yesterday had an outage, the day before is what there is."""
    values = triangle()
    values[:, NOW - DAY_MINUTES : NOW - DAY_MINUTES + 60] = np.nan
    view = view_at(values, START + NOW)
    assert np.allclose(SeasonalNaive.day().medians(view), targets(values) - 2)


@pytest.mark.parametrize("offset", range(5))
def test_drift_correction_is_exact_for_a_day_that_is_shifted(offset: int) -> None:
    """A level added to a known day is all that has to be learnt."""
    values = triangle()
    values[:, 8 * DAY_MINUTES :] += 77
    now = NOW + offset
    found = DriftCorrected("difference").medians(view_at(values, START + now))
    # Of the last five minutes the level is the mean, two minutes ago: so is that of the days.
    assert np.allclose(found, targets(values, now), rtol=1e-5)


def test_drift_correction_is_exact_for_a_day_that_is_multiplied() -> None:
    """So is a factor."""
    values = triangle()
    values[:, 8 * DAY_MINUTES :] *= 3
    found = DriftCorrected("factor").medians(view_at(values, START + NOW))
    assert np.allclose(found, targets(values), rtol=1e-5)


def test_one_wild_day_does_not_move_the_drift() -> None:
    """The median of the days has no ear for one of them."""
    values = triangle()
    steady = DriftCorrected("factor").medians(view_at(values, START + NOW))
    values[:, NOW - DAY_MINUTES + 5 : NOW - DAY_MINUTES + 40] *= 50
    wild = DriftCorrected("factor").medians(view_at(values, START + NOW))
    assert np.allclose(wild, steady, rtol=0.01)


def test_without_a_day_of_history_seasons_say_nothing() -> None:
    """Ten hours are no season."""
    values = triangle(10 * 60)
    view = view_at(values, START + 9 * 60)
    for expert in (SeasonalNaive.day(), SeasonalNaive.week(), DriftCorrected("factor")):
        assert np.isnan(expert.medians(view)).all()


def test_no_series_at_all_is_no_error() -> None:
    """No rows in, no rows out."""
    view = HistoryView(START, np.empty((0, 120), np.float32), np.empty((0, 2304), np.float32))
    for expert in (LastValue(), SeasonalNaive.day(), DriftCorrected("difference")):
        assert expert.medians(view).shape == (0, len(HORIZONS_MINUTES))


def test_the_views_of_these_tests_reach_eight_days() -> None:
    """As a served view does."""
    assert view_at(triangle(), START + NOW).past.shape == (1, EIGHT_DAYS // 5)
