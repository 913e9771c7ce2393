"""The replay gives a forecaster what it would have had, and judges only what may be judged."""

from __future__ import annotations

import numpy as np
import pytest
from naive_engine import NaiveEngine

from energy.errors import InputError
from forecaster.evaluation.replay import replay
from forecaster.evaluation.residuals import (
    RESIDUAL_MINUTES,
    member_quantiles,
    reference_interval,
    yesterday,
)
from forecaster.evaluation.traces import Trace

FIRST = 25_000_001


def trace_of(values, step: int = 1) -> Trace:
    """A trace that begins where a step of five minutes does."""
    return Trace("shop", step, FIRST, np.asarray(values, dtype=float))


def traffic(minutes: int, seed: int = 1) -> np.ndarray:
    """A daily wave with noise."""
    wave = 1000 + 500 * np.sin(np.arange(minutes) * 2 * np.pi / 1440)
    return wave + np.random.default_rng(seed).normal(0, 20, minutes)


def test_every_minute_is_put_once_in_order_before_its_forecast():
    """Blocks of five minutes, a forecast at each fifth."""
    engine = NaiveEngine()
    replay(trace_of(traffic(400)), engine)
    newest = 0
    for kind, minute in engine.calls:
        if kind == "put":
            assert minute == newest + 1 or newest == 0
            newest = minute
        else:
            assert minute == newest
            assert minute % 5 == 0


def test_origins_are_those_of_the_last_30_percent():
    """At the first of them exactly 70 % have been seen."""
    found = replay(trace_of(traffic(1000)), NaiveEngine())
    judged = found.places[found.is_judged]
    assert found.test_from == 700
    assert judged[0] >= 700
    assert judged[0] - 5 < 700
    assert judged[-1] + 5 <= 999 < judged[-1] + 10
    assert (np.diff(judged) == 5).all()


def test_outages_are_no_origins_and_never_reach_the_forecaster():
    """Zeros on a steady level arrive as NaN; so does the minute that they cut, one minute later."""
    values = traffic(1000)
    values[850:880] = 0
    values[849] = 3.0  # the minute 850 ends a block: an origin
    engine = NaiveEngine()
    found = replay(trace_of(values), engine)
    assert not np.isin(found.places[found.is_judged], np.arange(849, 880)).any()
    assert all(np.isnan(engine.known[FIRST + place]) for place in range(849, 880))


def test_a_minute_that_an_outage_cuts_is_traffic_until_the_next_shows_it():
    """At its own origin nobody could know."""
    values = traffic(1000)
    edge = next(place for place in range(840, 850) if (FIRST + place) % 5 == 0)
    values[edge] = 3.0
    values[edge + 1 : edge + 30] = 0
    engine = NaiveEngine()
    served = replay(trace_of(values), engine)
    row = served.places.tolist().index(edge)
    assert served.medians[row, 0, 0] == 3.0
    assert np.isnan(engine.known[FIRST + edge])


@pytest.mark.parametrize("seed", range(6))
def test_no_forecast_changes_when_everything_after_its_origin_does(seed):
    """Whatever comes later: other traffic, zeros, nothing."""
    random = np.random.default_rng(seed)
    values = traffic(1000)
    values[780:800] = 0
    before = replay(trace_of(values), NaiveEngine())
    origin = int(random.choice(before.places[before.is_judged][:-8]))
    corrupted = values.copy()
    corrupted[origin + 1 :] = (1e9 * random.random(999 - origin), 0.0, np.nan)[seed % 3]
    after = replay(trace_of(corrupted), NaiveEngine())
    known = before.places <= origin
    np.testing.assert_array_equal(before.quantiles[known], after.quantiles[known])
    np.testing.assert_array_equal(before.medians[known], after.medians[known])


def test_a_short_trace_is_refused():
    """One line."""
    with pytest.raises(InputError, match="199 minutes are too few"):
        replay(trace_of(traffic(199)), NaiveEngine())


def test_a_trace_that_ends_in_silence_is_refused_before_the_work_begins():
    """One line; the forecaster is not even asked."""
    values, engine = traffic(400), NaiveEngine()
    values[270:] = np.nan
    with pytest.raises(InputError, match="shop: the last 30 % hold no value to judge by"):
        replay(trace_of(values), engine)
    assert not engine.calls


def test_steps_of_five_minutes_are_known_when_they_end():
    """An origin sees its own step whole, and the target at five minutes is the next."""
    values = np.repeat(np.arange(100.0) + 500, 5)
    found = replay(trace_of(values, step=5), NaiveEngine())
    last = found.medians[found.is_judged][:, 0, 0]
    assert last[0] == 500 + 70
    assert (np.diff(last) == 1).all()


@pytest.mark.parametrize("step", [2, 3, 4, 5])
def test_a_step_is_never_known_before_it_ends(step):
    """No minute of it reaches the forecaster at an origin inside; a cut one is cut whole.

    When it has ended the forecaster is asked again, so that it learns of the origin's minute.
    """
    count = 600 // step
    values = np.random.default_rng(step).normal(1000, 20, count)
    values[count - 40 : count - 34] = 0
    values[count - 41] = 3.0
    engine = NaiveEngine()
    found = replay(trace_of(np.repeat(values, step), step), engine)
    asked = [minute - FIRST for kind, minute in engine.calls if kind == "forecast"]
    assert set(asked) == {*found.places, *(found.places // step * step + step - 1)}
    assert (found.newest % step == step - 1).all()
    assert (found.newest <= found.places).all()
    newest = -1
    for kind, minute in engine.calls:
        if kind == "put":
            newest = max(newest, minute - FIRST)
        else:
            assert newest == (minute - FIRST + 1) // step * step - 1
    cut = slice((count - 41) * step, (count - 34) * step)
    assert found.outages.marked[cut].all()
    assert all(np.isnan(engine.known[FIRST + place]) for place in range(cut.start, cut.stop))


def test_the_reference_interval_is_yesterday_plus_its_own_errors():
    """Against the definition, written out; nothing after the origin is used."""
    known = traffic(13_000)
    known[12_000:12_050] = np.nan
    places, horizons = np.array([12_500, 12_900]), np.array([5, 30])
    low, high = reference_interval(known, places, horizons, places)
    for row, place in enumerate(places):
        targets = np.arange(place, place - RESIDUAL_MINUTES, -5)
        errors = known[targets] - known[targets - 1440]
        for column, horizon in enumerate(horizons):
            base = known[place + horizon - 1440]
            expected = base + np.nanquantile(errors, (0.1, 0.9))
            assert (low[row, column], high[row, column]) == pytest.approx(tuple(expected))
    changed = known.copy()
    changed[12_501:] *= 3
    changed[12_501 - 1440 : 12_531 - 1440] = known[12_501 - 1440 : 12_531 - 1440]
    again, _ = reference_interval(changed, places[:1], horizons, places[:1])
    np.testing.assert_array_equal(again, low[:1])
    assert np.isnan(yesterday(known, np.array([3, 1440]))).tolist() == [True, False]


def test_the_reference_interval_never_goes_below_nothing():
    """As those of members and of the mixture: width below zero holds no traffic."""
    known = np.tile(np.repeat([0.0, 50.0], 720), 9)
    known[::7] = 3.0
    places = np.arange(9 * 1440 - 700, 9 * 1440 - 100, 5)
    low, high = reference_interval(known, places, np.array([5, 30]), places)
    errors = known[1440:] - known[:-1440]
    assert np.quantile(errors, 0.1) < 0  # without a floor it would
    assert np.nanmin(low) == 0
    assert (high >= low).all()


def test_members_are_given_the_quantiles_of_their_own_past_errors():
    """With errors uniform on 0 to 100 the 0.9 quantile is the forecast plus 90."""
    random = np.random.default_rng(2)
    medians = np.full((3000, 2), 500.0)
    actual = medians + random.uniform(0, 100, medians.shape)
    quantiles = member_quantiles(actual, medians, np.array([5, 30]))
    assert np.isnan(quantiles[:1, 0]).all()  # no target had come
    assert (quantiles[-1, :, 2] >= 500).all()
    assert quantiles[-1, 1, 3:] == pytest.approx([590, 597.5], abs=2)
    actual[2001:] = 1e6
    again = member_quantiles(actual, medians, np.array([5, 30]))
    np.testing.assert_array_equal(again[:2002], quantiles[:2002])
