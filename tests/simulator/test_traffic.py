"""A trace beside the clock, and what a simulated service makes of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.errors import InputError
from simulator.traffic import (
    MINUTES_PER_DAY,
    MINUTES_PER_WEEK,
    Replay,
    TrafficTrace,
    arrivals,
    minute_of,
)
from simulator.traffic_features import features_of
from simulator.traffic_service import UTILISATION_RATIO_MAX, ServiceModel, following_memory_bytes

DAYS = 11
TRACE = TrafficTrace(
    name="counting", requests_per_second=np.arange(DAYS * MINUTES_PER_DAY, dtype=np.float64)
)
NOW = 1_700_000_000
SERVICE = ServiceModel()


def test_now_is_the_trace_s_time_of_day_behind_history_and_training() -> None:
    """Of eleven days the ninth: eight lie before it, and 70 % of the trace."""
    replay = Replay.beginning(TRACE, NOW)
    index = int(replay.index(np.array([minute_of(NOW)]))[0])

    assert divmod(index, MINUTES_PER_DAY) == (8, NOW % 86_400 // 60)
    assert replay.rate_at(NOW) == float(index)


@given(st.integers(-3 * MINUTES_PER_WEEK, 3 * MINUTES_PER_WEEK))
def test_beyond_its_ends_a_trace_repeats_weeks(offset: int) -> None:
    """Never outside, and a repeated minute is whole weeks away from its own."""
    replay = Replay.beginning(TRACE, NOW)
    minute = replay.anchor_minute + offset
    index = int(replay.index(np.array([minute]))[0])

    assert 0 <= index < len(TRACE.requests_per_second)
    assert (offset - index) % MINUTES_PER_WEEK == 0
    if 0 <= offset < len(TRACE.requests_per_second):
        assert index == offset


def test_every_minute_holds_its_rate_for_sixty_seconds() -> None:
    """So that the requests of a minute are those of the trace."""
    replay = Replay.beginning(TRACE, NOW)
    start = NOW // 60 * 60
    rates = replay.per_second(start, 180)

    assert len(rates) == 180
    assert np.diff(rates).nonzero()[0].tolist() == [59, 119]
    assert rates[0] == replay.rate_at(start + 59.9)
    assert rates[60] == replay.rate_at(start + 60)


def test_drawn_arrivals_keep_the_rate() -> None:
    """Within five standard errors, and the same for the same seed."""
    rates = np.full(3600, 20.0)
    drawn = arrivals(rates, np.random.default_rng(1))

    assert drawn.mean() == pytest.approx(20, abs=5 * np.sqrt(20 / 3600))
    assert (drawn == arrivals(rates, np.random.default_rng(1))).all()


@pytest.mark.parametrize(
    "rates", [np.ones(7 * MINUTES_PER_DAY), np.full(11 * MINUTES_PER_DAY, np.nan)]
)
def test_a_trace_that_cannot_be_replayed_is_named(rates) -> None:
    """Too short, or with holes."""
    with pytest.raises(InputError, match=r"^short: "):
        TrafficTrace(name="short", requests_per_second=rates)


def test_response_times_are_those_of_the_queue() -> None:
    """M/M/1 at half load: the exponential part has the rate 50/s, as μ - λ says."""
    leaving = SERVICE.leaving_per_second(np.array([150.0]), 3, 1.0)

    assert leaving == pytest.approx([50.0])
    assert SERVICE.mean_seconds(leaving) == pytest.approx([SERVICE.fixed_seconds + 0.02])
    for ratio in (0.5, 0.95, 0.99):
        seconds = float(SERVICE.quantile_seconds(ratio, leaving)[0])
        assert SERVICE.within_ratio(seconds, leaving) == pytest.approx([ratio])


@given(st.floats(0, 1e6), st.integers(1, 50))
def test_more_load_is_never_quicker_nor_cheaper(load: float, replicas: int) -> None:
    """Whatever the load, and an overload is answered late, not never."""
    loads = np.array([load, load * 1.1 + 1])
    leaving = SERVICE.leaving_per_second(loads, replicas, 1.0)
    slow, slower = SERVICE.quantile_seconds(0.95, leaving)

    assert slow <= slower <= 0.012 + 3.0 / (100 * (1 - UTILISATION_RATIO_MAX))
    less, more = SERVICE.cpu_cores(loads, replicas, 1.0)
    assert less < more


def test_memory_rises_quickly_and_falls_slowly() -> None:
    """Ten minutes up and it is nearly there; ten minutes down and it is hardly on its way."""
    up = following_memory_bytes(np.array([0.0] + [100.0] * 10))
    down = following_memory_bytes(np.array([100.0] + [0.0] * 10))

    assert up[-1] > 95
    assert down[-1] > 80


def test_features_are_the_service_s_under_the_trace() -> None:
    """The same for the same trace, one value a minute, none of them negative."""
    shape = TrafficTrace(name="wave", requests_per_second=TRACE.requests_per_second % 1440 / 10)
    features, again = (features_of(shape, SERVICE, 2) for _ in range(2))

    for name, values in features.named().items():
        assert len(values) == len(shape.requests_per_second), name
        assert np.isfinite(values).all(), name
        assert (values >= 0).all(), name
        assert (values == again.named()[name]).all(), name
    assert np.corrcoef(features.cpu_cores, features.requests_per_second)[0, 1] > 0.9
    assert features.cost_ratio.mean() == pytest.approx(1, abs=0.02)
