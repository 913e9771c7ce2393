"""The engine: what it says of young, old, broken and strange series, and what it keeps."""

from __future__ import annotations

import numpy as np
import pytest

from forecaster.engine import Arrays, Engine, EngineSettings
from forecaster.forecasts import Forecasts
from forecaster.history import PutReport
from forecaster.model_set import ModelSet

START = 29_000_160  # on the five-minute grid
KEY = "shop/Deployment/web"
DAY = 1440


@pytest.fixture(scope="module")
def models() -> ModelSet:
    """The models that travel with the package."""
    return ModelSet.shipped()


def traffic(minutes: np.ndarray, seed: int = 0, level: float = 100.0) -> np.ndarray:
    """Return a daily cycle with noise."""
    noise = np.random.default_rng(seed).normal(0, 0.03, len(minutes))
    return level * (2 + np.sin(2 * np.pi * minutes / DAY)) * (1 + noise)


_FED: dict[tuple[int, tuple[str, ...]], Arrays] = {}


def fed(models: ModelSet, minutes: int, keys: tuple[str, ...] = (KEY,)) -> Engine:
    """Return an engine that was fed minute by minute, and asked at every fifth."""
    if (minutes, keys) not in _FED:
        _FED[minutes, keys] = newly_fed(models, minutes, keys).export(keys)
    engine = Engine(models)
    engine.restore(_FED[minutes, keys])
    return engine


def newly_fed(models: ModelSet, minutes: int, keys: tuple[str, ...] = (KEY,)) -> Engine:
    """As `fed`, without a restart."""
    engine = Engine(models)
    for first in range(START - minutes + 1, START + 1, 5):
        block = np.arange(first, first + 5)
        for seed, key in enumerate(keys):
            engine.put(key, block, traffic(block, seed, 100 * (seed + 1)))
        engine.forecast(first + 4)
    return engine


def assert_same(one: Forecasts, other: Forecasts) -> None:
    """Compare all that two forecasts say."""
    assert (one.keys, one.minute, one.reasons) == (other.keys, other.minute, other.reasons)
    for name in ("requests_per_second", "medians", "weights", "anomalous"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_a_series_of_one_point_has_no_forecast_and_a_reason(models: ModelSet) -> None:
    """It waits for ten minutes; then it speaks, within thirty as promised."""
    engine = Engine(models)
    engine.put(KEY, np.array([START]), np.array([5.0]))

    found = engine.forecast(START)

    assert np.isnan(found.requests_per_second).all()
    assert found.reasons == ("warming up: 1 of 10 minutes known",)
    minutes = np.arange(START + 1, START + 10)
    engine.put(KEY, minutes, np.full(9, 5.0))
    assert np.isfinite(engine.forecast(START + 9).requests_per_second).all()


def test_an_outage_ends_the_forecast(models: ModelSet) -> None:
    """Ten minutes without a value: nothing is said, and why."""
    engine = fed(models, 120)
    gap = np.arange(START + 1, START + 12)
    engine.put(KEY, gap, np.full(11, np.nan))

    assert np.isfinite(engine.forecast(START + 10).requests_per_second).all()
    found = engine.forecast(START + 11)

    assert np.isnan(found.requests_per_second).all()
    assert found.reasons == ("the newest sample is 11 minutes old",)


def test_what_was_refused_is_not_known(models: ModelSet) -> None:
    """Negative, infinite and absurd rates never come near a forecast."""
    engine = Engine(models)
    strange = np.array([-1.0, np.inf, 1e15, 5.0])

    report = engine.put(KEY, np.arange(START, START + 4), strange)

    assert report == PutReport(accepted=1, refused=3)


def test_zeros_that_no_traffic_explains_are_an_outage(models: ModelSet) -> None:
    """What measures fell silent: forecasts go on as if nothing was known, not towards zero."""
    engine, told = fed(models, 120), fed(models, 120)
    for minute in range(START + 1, START + 9):
        engine.put(KEY, np.array([minute]), np.array([0.0]))
        told.put(KEY, np.array([minute]), np.array([np.nan]))

    assert_same(engine.forecast(START + 8), told.forecast(START + 8))


def test_zeros_of_an_outage_that_come_again_are_no_traffic_either(models: ModelSet) -> None:
    """A stream delivers twice, and late ones are judged as they would have been in time."""
    once, again = fed(models, 120), fed(models, 120)
    minutes = np.arange(START + 1, START + 5)
    once.put(KEY, minutes, np.zeros(4))
    for late in (minutes[[0, 1, 3]], minutes[[3]], minutes):
        again.put(KEY, late, np.zeros(len(late)))

    assert_same(again.forecast(START + 4), once.forecast(START + 4))
    assert again.forecast(START + 4).requests_per_second[0, 0, 2] > 150


def test_a_minute_that_an_outage_cuts_is_forgotten_when_it_shows(models: ModelSet) -> None:
    """What measures failed within a minute: its rest is no traffic, and no level to forecast."""
    engine, told = fed(models, 120), fed(models, 120)
    engine.put(KEY, np.array([START + 1]), np.array([20.0]))
    assert engine.forecast(START + 1).requests_per_second[0, 0, 2] < 150

    engine.put(KEY, np.array([START + 2]), np.array([0.0]))
    told.put(KEY, np.array([START + 1, START + 2]), np.array([np.nan, np.nan]))

    assert_same(engine.forecast(START + 2), told.forecast(START + 2))


def test_a_series_that_was_switched_off_is_forecast_at_zero_in_the_end(models: ModelSet) -> None:
    """After an hour and a half zeros are believed."""
    engine = fed(models, 120)
    off = np.arange(START + 1, START + 181)
    for minute in off:
        engine.put(KEY, np.array([minute]), np.array([0.0]))

    assert np.isfinite(engine.forecast(START + 180).requests_per_second).all()
    assert engine.forecast(START + 180).requests_per_second[0, 0, 2] < 50


def test_zeros_of_a_quiet_series_are_traffic(models: ModelSet) -> None:
    """A few requests an hour: most minutes are 0, and nothing is an outage."""
    engine = Engine(models)
    minutes = np.arange(START - 239, START + 1)
    rates = np.random.default_rng(1).poisson(0.2, len(minutes)).astype(float)

    engine.put(KEY, minutes, rates)
    found = engine.forecast(START)

    assert np.isfinite(found.requests_per_second).all()
    assert found.requests_per_second[0, :, 2].max() < 2


def test_a_restart_changes_no_forecast(models: ModelSet) -> None:
    """All of the state travels: weights, intervals, what waits to be scored."""
    engine = newly_fed(models, 300, (KEY, "shop/Deployment/cart"))
    heir = Engine(models)
    heir.restore(engine.export(engine.keys()))

    for minute in range(START + 1, START + 21):
        for key in ("shop/Deployment/cart", KEY):
            value = traffic(np.array([minute]), 9)
            engine.put(key, np.array([minute]), value)
            heir.put(key, np.array([minute]), value)
        one, other = engine.forecast(minute), heir.forecast(minute)
        assert_same(one, other)
        assert len(one.scored.actual) == len(other.scored.actual)


def test_series_do_not_know_of_each_other(models: ModelSet) -> None:
    """Alone, in company, in pieces or after others were dropped: a forecast is the same."""
    company = newly_fed(models, 200, ("a/Deployment/a", "a/Deployment/b", "a/Deployment/c"))
    pieces = Engine(models, EngineSettings(rows_at_once=1))
    pieces.restore(company.export(company.keys()))
    company.drop(["a/Deployment/a"])
    company.put("a/Deployment/d", np.array([START]), np.array([1.0]))

    alone = pieces.forecast(START + 1, ["a/Deployment/b"])
    among = company.forecast(START + 1, ["a/Deployment/d", "a/Deployment/b"])

    np.testing.assert_allclose(
        among.requests_per_second[1], alone.requests_per_second[0], rtol=1e-4
    )
    whole = pieces.forecast(START + 1)
    assert whole.keys == ("a/Deployment/a", "a/Deployment/b", "a/Deployment/c")
    np.testing.assert_allclose(
        whole.requests_per_second[1], alone.requests_per_second[0], rtol=1e-4
    )


def test_a_backfill_is_learnt_from_as_if_it_passed(models: ModelSet) -> None:
    """The past put at once and the same past minute by minute end in the same state."""
    slow = newly_fed(models, 400)
    minutes = np.arange(START - 399, START + 1)
    quick = Engine(models)

    report = quick.put_all({KEY: (minutes, traffic_in_fives(minutes))})

    assert report == PutReport(accepted=400)
    np.testing.assert_allclose(
        quick.forecast(START).requests_per_second,
        slow.forecast(START).requests_per_second,
        rtol=1e-3,
    )


def traffic_in_fives(minutes: np.ndarray) -> np.ndarray:
    """Return what `fed` puts, whose noise starts anew with every five minutes."""
    blocks = [traffic(block) for block in minutes.reshape(-1, 5)]
    return np.concatenate(blocks)


def test_forecasts_are_scored_once_and_against_what_came(models: ModelSet) -> None:
    """Six horizons fall due at each grid minute; asking twice scores nothing twice."""
    engine = fed(models, 60)
    minutes = np.arange(START + 1, START + 6)
    engine.put(KEY, minutes, np.full(5, 321.0))

    first, again = engine.forecast(START + 5), engine.forecast(START + 5)

    assert first.scored.actual.tolist() == [321.0] * 6
    assert first.scored.origin_minutes.tolist() == [START + 5 - h for h in (5, 10, 15, 20, 25, 30)]
    assert not len(again.scored.actual)
    assert not len(engine.forecast(START + 6).scored.actual)


def test_a_burst_is_an_anomaly_that_teaches_nobody(models: ModelSet) -> None:
    """Weights stay as they were, the interval widens, and it is over when it is over."""
    engine = fed(models, 900)
    calm = engine.forecast(START)
    burst = np.arange(START + 1, START + 6)
    engine.put(KEY, burst, np.full(5, 5000.0))

    found = engine.forecast(START + 5)

    assert found.anomalous.tolist() == [True]
    assert "out of the ordinary since" in found.reasons[0]
    np.testing.assert_array_equal(found.weights, calm.weights)
    after = np.arange(START + 6, START + 11)
    engine.put(KEY, after, traffic(after))
    assert engine.forecast(START + 10).anomalous.tolist() == [False]


def test_an_anomaly_that_is_over_is_left_out_of_what_is_learnt(models: ModelSet) -> None:
    """An hour later the experts that learn know the burst no more than if it had been an outage."""
    burst, silent = fed(models, 900), fed(models, 900)
    minutes = np.arange(START + 1, START + 11)
    burst.put(KEY, minutes[:5], np.full(5, 5000.0))
    silent.put(KEY, minutes[:5], np.full(5, np.nan))
    for minute in range(START + 5, START + 75, 5):
        for engine in (burst, silent):
            block = np.arange(minute + 1, minute + 6)
            engine.forecast(minute)
            engine.put(KEY, block, traffic(block))

    one, other = burst.export([KEY]), silent.export([KEY])

    np.testing.assert_allclose(one["expert-ridge.error"], other["expert-ridge.error"], rtol=0.35)
    assert one["expert-ets.level"].max() < 400  # 5000 came


def test_a_minute_that_comes_late_is_learnt_from(models: ModelSet) -> None:
    """Each grid minute arrives just after its forecast was due: scored a minute later, once."""
    engine = fed(models, 60)
    scored = []
    for minute in range(START + 1, START + 31):
        engine.put(KEY, np.array([minute - 1]), traffic(np.array([minute - 1])))
        scored.append(len(engine.forecast(minute).scored.actual))

    assert [sum(scored[first : first + 5]) for first in range(0, 30, 5)] == [0] + [6] * 5


def test_a_sample_every_five_minutes_off_the_grid_is_learnt_from(models: ModelSet) -> None:
    """The newest known of the five minutes stands for a grid minute that never comes."""
    engine = fed(models, 60)
    for minute in range(START + 1, START + 61):
        if minute % 5 == 2:
            engine.put(KEY, np.array([minute]), traffic(np.array([minute])))
        engine.forecast(minute)

    assert (engine.export([KEY])["mixture.counts"][0, 0] > 10).all()


def test_a_forecast_of_the_past_teaches_nothing_again(models: ModelSet) -> None:
    """A clock that went back, or a past that is put twice: what was scored stays scored once."""
    engine = fed(models, 300)
    before = engine.export([KEY])["mixture.counts"].copy()

    for minute in range(START - 100, START + 1, 5):
        assert not len(engine.forecast(minute).scored.actual)

    np.testing.assert_array_equal(engine.export([KEY])["mixture.counts"], before)


def test_other_models_take_over_without_a_copy(models: ModelSet) -> None:
    """What was learnt stays; other experts are refused."""
    engine = fed(models, 200)
    before = engine.forecast(START + 1)

    assert engine.adopt(ModelSet.shipped())
    assert_same(engine.forecast(START + 1), before)
    assert not engine.adopt(ModelSet("other", models.lstm, None, {}))


def test_histories_of_another_version_are_refused(models: ModelSet) -> None:
    """Nothing of it is kept, and nobody else's row is touched."""
    engine = fed(models, 60)
    state = engine.export([KEY])
    state["history.ring"] = state["history.ring"][:, :1].astype(np.float64)

    with pytest.raises(ValueError, match="version"):
        Engine(models).restore(state)


def test_traffic_after_a_day_of_silence_is_covered(models: ModelSet) -> None:
    """A day of zeros, then a working day: intervals are wide enough within its first hours."""
    engine = Engine(models)
    zeros = np.arange(START - 1439, START + 1)
    engine.put_all({KEY: (zeros, np.zeros(len(zeros)))})
    inside, count = 0.0, 0
    rng = np.random.default_rng(3)
    for minute in range(START + 5, START + 605, 5):
        block = np.arange(minute - 4, minute + 1)
        level = 100 * np.sin(np.pi * (block - START) / 720)
        engine.put(KEY, block, np.maximum(level * rng.normal(1, 0.05, 5), 0))
        scored = engine.forecast(minute).scored
        low, high = scored.quantiles[:, 1], scored.quantiles[:, 3]
        inside += ((scored.actual >= low) & (scored.actual <= high)).sum()
        count += len(scored.actual)

    assert inside / count > 0.6  # 0.51 where zeros that were foreseen narrow them


def test_unknown_series_are_named(models: ModelSet) -> None:
    """Nobody is forecast whom nobody knows."""
    with pytest.raises(KeyError, match="nobody"):
        Engine(models).forecast(START, ["nobody"])


def test_an_engine_without_series_forecasts_nothing(models: ModelSet) -> None:
    """Shapes hold at zero."""
    found = Engine(models).forecast(START)

    assert found.requests_per_second.shape == (0, 6, 5)
    assert found.reasons == ()


def test_a_state_of_other_experts_keeps_the_history(models: ModelSet) -> None:
    """A new model set brings other experts: what they learnt starts afresh, traffic does not."""
    engine = fed(models, 300)
    state = engine.export([KEY])
    state["mixture.errors"] = state["mixture.errors"][:, :2]
    heir = Engine(models)

    heir.restore(state)

    assert np.isfinite(heir.forecast(START).requests_per_second).all()
