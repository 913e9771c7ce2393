"""Own errors: decayed, pooled and of each workload, as computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from plain_engine import PlainEngine

from forecaster.own_errors import HALF_LIFE_MINUTES, OwnErrors

KEY = "shop/Deployment/web"


def forecasts_of(values: list[float], first: int = 1000, factor: float = 1.0):
    """Let an engine forecast minute after minute, and yield what it says."""
    engine = PlainEngine(factor=factor)
    for minute, value in enumerate(values, start=first):
        engine.put(KEY, np.array([minute]), np.array([value]))
        yield engine.forecast(minute, [KEY])


def test_errors_are_those_of_what_was_served():
    """A step from 10 to 13: outside the 80 % interval, within the 95 %."""
    errors = OwnErrors()
    for forecasts in forecasts_of([10.0] * 6 + [13.0]):
        errors.add(forecasts)
    found = errors.of(KEY)

    assert found.scored_count == pytest.approx(1, rel=1e-3)  # 5 minutes ahead, from the second on
    assert found.mae_requests_per_second == pytest.approx(3)
    assert found.wape_ratio == pytest.approx(3 / 13)
    assert found.relative_mae_ratio == pytest.approx(1)
    # 0.025·8, 0.1·5, 0.5·3, 0.9·1, and 0.025·2 above.
    assert found.pinball_requests_per_second == pytest.approx((0.2 + 0.5 + 1.5 + 0.9 + 0.05) / 5)
    assert found.coverage_80_ratio == 0
    assert found.coverage_95_ratio == 1


def test_models_are_compared_with_the_last_value_over_the_same_forecasts():
    """One that foresees twice what comes errs where traffic stands; the last value does not."""
    errors = OwnErrors()
    for forecasts in forecasts_of([10.0] * 5 + [10.0, 12.0, 10.0, 12.0], factor=2.0):
        errors.add(forecasts)
    pooled = errors.pooled()

    assert set(pooled) == {"mixture", "last-value", "lstm"}
    assert pooled["last-value"].relative_mae_ratio == pytest.approx(1)
    assert pooled["lstm"].relative_mae_ratio == pytest.approx((8 + 10 + 8) / (2 + 0 + 2), rel=1e-2)
    assert pooled["lstm"].coverage_80_ratio is None
    assert pooled["mixture"].mae_requests_per_second == pytest.approx(
        pooled["lstm"].mae_requests_per_second
    )


def test_the_past_fades_by_half_in_its_half_life():
    """Yesterday's errors count half."""
    errors = OwnErrors(half_life_minutes=10)
    for forecasts in forecasts_of([10.0] * 7):
        errors.add(forecasts)
    before = errors.of(KEY).scored_count
    for forecasts in forecasts_of([10.0] * 7, first=1010):
        errors.add(forecasts)

    assert errors.of(KEY).scored_count == pytest.approx(1.5 * before, rel=1e-2)
    assert HALF_LIFE_MINUTES == 1440


def test_nothing_scored_is_no_error():
    """A ratio without a divisor is none, not zero."""
    errors = OwnErrors()
    assert errors.of(KEY) is None
    assert errors.pooled()["mixture"].wape_ratio is None
    for forecasts in forecasts_of([0.0] * 8):
        errors.add(forecasts)
    assert errors.of(KEY).wape_ratio is None
    assert errors.of(KEY).mae_requests_per_second == 0

    errors.drop([KEY])
    assert errors.of(KEY) is None


def test_many_workloads_come_and_go():
    """Rows are used again, and each keeps its own."""
    errors = OwnErrors()
    engine = PlainEngine()
    for minute in range(1, 8):
        for place in range(50):
            engine.put(f"a/B/{place}", np.array([minute]), np.array([float(place * minute)]))
        errors.add(engine.forecast(minute))
        if minute == 6:
            errors.drop([f"a/B/{place}" for place in range(0, 50, 2)])

    found = [errors.of(f"a/B/{place}").mae_requests_per_second for place in range(50)]
    assert found == pytest.approx([5.0 * place for place in range(50)])


def test_workloads_that_go_and_come_back_count_once():
    """As when partitions are taken away and given again; also hours later."""
    whole = OwnErrors(half_life_minutes=10)
    for forecasts in forecasts_of([10.0, 12.0] * 5):
        whole.add(forecasts)
    expected = whole.pooled()["mixture"]
    state = whole.export([KEY])
    for _ in range(3):
        whole.restore(state)
        assert whole.pooled()["mixture"] == expected
        whole.drop([KEY])
        assert whole.pooled()["mixture"].scored_count == 0

    fresh = OwnErrors(half_life_minutes=10)
    engine = PlainEngine()
    for minute in range(1000, 1020):
        engine.put("a/B/c", np.array([minute]), np.array([10.0]))
        fresh.add(engine.forecast(minute))
    alone = fresh.pooled()["mixture"].scored_count
    fresh.restore(state)
    faded = expected.scored_count * 0.5 ** ((1019 - 1009) / 10)
    assert fresh.pooled()["mixture"].scored_count == pytest.approx(alone + faded)
    fresh.drop([KEY])
    assert fresh.pooled()["mixture"].scored_count == pytest.approx(alone)


def test_a_state_without_the_lstm_s_errors_is_taken():
    """Of the version before."""
    errors = OwnErrors()
    errors.restore({"keys": np.array([KEY]), "sums": np.ones((1, 7)), "minutes": np.array([1000])})
    assert errors.of(KEY).mae_requests_per_second == 1
    assert errors.typical_lstm_ratio() is None


def test_the_lstm_s_typical_error_does_not_depend_on_the_size_of_workloads():
    """One giant for which it is twice as good, and nine for which it is twice as bad."""
    errors = OwnErrors()
    sums = np.zeros((10, 9))
    sums[:, 0] = 1000.0
    sums[:, 7], sums[:, 8] = 2.0, 1.0
    sums[0, 7], sums[0, 8] = 5e8, 1e9
    keys = np.array([f"a/B/{place}" for place in range(10)])
    errors.restore({"keys": keys, "sums": sums, "minutes": np.full(10, 1000)})
    assert errors.typical_lstm_ratio() == pytest.approx(2**0.8)

    for forecasts in forecasts_of([10.0] * 5 + [10.0, 12.0, 10.0, 12.0] * 40, factor=1.5):
        errors.add(forecasts)
    errors.drop(keys)
    pooled = errors.pooled()["lstm"].relative_mae_ratio
    assert errors.typical_lstm_ratio() == pytest.approx(pooled, rel=1e-6)
