"""Scores against values worked out by hand, and what must hold of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecaster.evaluation import scores
from forecaster.horizons import QUANTILE_LEVELS

NAN = float("nan")


def column(*values: float) -> np.ndarray:
    """One horizon."""
    return np.array(values, dtype=float)[:, None]


def scored(actual, medians, quantiles, last, reference=None) -> scores.Scores:
    """Score, against an interval of no width at zero where none is given."""
    zero = np.zeros_like(actual)
    return scores.score(
        actual, medians, quantiles, last_value=last, reference_interval=reference or (zero, zero)
    )


def test_scores_of_two_horizons_by_hand():
    """Two origins, two horizons: every figure of the report."""
    actual = np.array([[10.0, 20.0], [30.0, NAN]])
    medians = np.array([[12.0, 16.0], [30.0, 5.0]])
    # Every quantile at the median, the 0.1 and 0.9 quantiles 3 away, those of 95 % 5 away.
    quantiles = medians[..., None] + np.array([-5.0, -3.0, 0.0, 3.0, 5.0])
    found = scored(actual, medians, quantiles, np.array([8.0, 33.0]), (actual - 5.0, actual + 5.0))
    # Errors 2 and 0 against 2 and 3 of the last value; 4 against 12.
    assert found.relative_mae_ratio == pytest.approx((2 / 5 + 4 / 12) / 2)
    assert found.mae == pytest.approx((1.0 + 4.0) / 2)
    assert found.mse == pytest.approx((2.0 + 16.0) / 2)
    assert found.wape_ratio == pytest.approx((2 / 40 + 4 / 20) / 2)
    assert found.coverage_80_ratio == pytest.approx((1.0 + 0.0) / 2)
    assert found.coverage_95_ratio == pytest.approx(1.0)
    # The first horizon's intervals are 6 wide and hold; the second's misses by 1, so 6 + 10 * 1.
    assert found.interval_score_ratio == pytest.approx((6 / 10 + 16 / 10) / 2)
    # y - q of horizon 1: 3 1 -2 -5 -7 and 5 3 0 -3 -5; of horizon 2: 9 7 4 1 -1.
    first = (0.025 * 3 + 0.1 * 1 + 0.5 * 2 + 0.1 * 5 + 0.025 * 7) / 5
    second = (0.025 * 5 + 0.1 * 3 + 0 + 0.1 * 3 + 0.025 * 5) / 5
    third = (0.025 * 9 + 0.1 * 7 + 0.5 * 4 + 0.9 * 1 + 0.025 * 1) / 5
    assert found.pinball == pytest.approx(((first + second) / 2 / 20 + third / 20) / 2)


def test_a_perfect_forecast_has_no_error():
    """Nothing is lost, and everything is held."""
    actual = np.random.default_rng(1).uniform(1, 9, (50, 6))
    quantiles = np.repeat(actual[..., None], 5, axis=-1)
    found = scored(actual, actual, quantiles, np.ones(50))
    zeros = (found.relative_mae_ratio, found.mae, found.mse, found.wape_ratio, found.pinball)
    assert zeros == (0, 0, 0, 0, 0)
    assert found.interval_score_ratio == 0
    assert (found.coverage_80_ratio, found.coverage_95_ratio) == (1, 1)


@given(seed=st.integers(0, 1000), scale=st.floats(1e-6, 1e9))
def test_the_last_value_is_one_at_any_scale(seed, scale):
    """Exactly, whatever is missing."""
    random = np.random.default_rng(seed)
    actual = scale * random.uniform(0, 9, (40, 6))
    actual[random.random(actual.shape) < 0.2] = NAN
    last = scale * random.uniform(0, 9, 40)
    medians = np.repeat(last[:, None], 6, axis=1)
    found = scored(actual, medians, np.full((40, 6, 5), NAN), last)
    assert found.relative_mae_ratio == 1.0


@given(low=st.floats(0, 5), width=st.floats(0, 5), wider=st.floats(0.001, 5))
def test_a_wider_interval_that_holds_scores_worse(low, width, wider):
    """Width costs where nothing is missed."""
    actual = column(low + width / 2)
    narrow = scores.interval_score(actual, column(low), column(low + width))
    wide = scores.interval_score(actual, column(low - wider), column(low + width + wider))
    assert (wide > narrow).all()


def test_a_miss_costs_ten_times_its_distance():
    """2 / 0.2."""
    assert scores.interval_score(column(5.0), column(6.0), column(8.0)) == column(2 + 10 * 1)
    assert scores.interval_score(column(9.0), column(6.0), column(8.0)) == column(2 + 10 * 1)


def test_true_quantiles_cover_what_they_say():
    """Of 40,000 normal values."""
    actual = np.random.default_rng(3).normal(100, 10, (40_000, 1))
    z = np.array([-1.95996, -1.28155, 0.0, 1.28155, 1.95996])
    quantiles = np.broadcast_to(100 + 10 * z, (*actual.shape, 5))
    found = scored(actual, quantiles[..., 2], quantiles, actual[:, 0] + 1)
    assert found.coverage_80_ratio == pytest.approx(0.80, abs=0.01)
    assert found.coverage_95_ratio == pytest.approx(0.95, abs=0.005)


def test_true_quantiles_have_the_least_pinball_loss():
    """It is proper: moving any of the five costs."""
    actual = np.random.default_rng(4).normal(100, 10, (20_000, 1))
    z = np.array([-1.95996, -1.28155, 0.0, 1.28155, 1.95996])
    true = np.broadcast_to(100 + 10 * z, (*actual.shape, 5))
    best = scores.scaled_pinball(actual, true)
    for place in range(len(QUANTILE_LEVELS)):
        for shift in (-4.0, 4.0):
            moved = true + shift * (np.arange(5) == place)
            assert (scores.scaled_pinball(actual, moved) > best).all()


def test_a_model_is_compared_where_it_spoke():
    """Silence is no error; the last value is measured at the same origins."""
    actual = column(10.0, 20.0, 30.0)
    medians = column(NAN, 21.0, NAN)
    assert scores.relative_mae(actual, medians, column(0.0, 16.0, 0.0)) == pytest.approx([1 / 4])


def test_nothing_known_is_no_figure():
    """NaN, not zero, and no warning."""
    nothing = np.full((4, 6), NAN)
    found = scored(nothing, nothing, np.full((4, 6, 5), NAN), np.ones(4))
    assert all(np.isnan(getattr(found, name)) for name in scores.Scores.__dataclass_fields__)


def test_geometric_means_leave_out_what_is_unknown():
    """Of 0.5 and 2 it is 1."""
    assert scores.geometric_mean([0.5, NAN, 2.0]) == pytest.approx(1.0)
    assert scores.geometric_mean([0.0, 2.0]) == 0.0
    assert np.isnan(scores.geometric_mean([]))


def test_an_error_where_the_last_value_has_none_is_infinite_and_not_left_out():
    """Horizon 1: exact against off by one. Horizon 2: both exact, which alone is no ratio."""
    actual = np.full((20, 3), 7.0)
    medians = np.array([8.0, 7.0, 7.0]) + np.zeros((20, 1))
    naive = np.array([7.0, 7.0, 6.0]) + np.zeros((20, 1))
    found = scores.relative_mae(actual, medians, naive)
    assert found[0] == np.inf
    assert np.isnan(found[1])
    assert found[2] == 0
    one = scored(actual, medians, medians[..., None] + np.zeros(5), np.full(20, 7.0))
    assert one.relative_mae_ratio == np.inf


def test_an_interval_that_misses_where_the_reference_is_perfect_is_infinitely_worse():
    """The reference has no width and holds everything."""
    actual = np.full((20, 2), 7.0)
    quantiles = actual[..., None] + np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    found = scored(actual, actual, quantiles, np.ones(20), (actual, actual))
    assert found.interval_score_ratio == np.inf


def test_a_geometric_mean_says_what_it_rests_on():
    """The series with a ratio are counted, the infinite ones named; no zero hides them."""
    nothing = dict.fromkeys(scores.Scores.__dataclass_fields__, NAN)
    ratios = {"a": 0.0, "b": np.inf, "c": NAN, "d": 2.0}
    series = {
        name: {"m": scores.Scores(**nothing | {"relative_mae_ratio": ratio})}
        for name, ratio in ratios.items()
    }
    assert scores.geometric_means(series) == {
        "m": scores.GeometricMean(relative_mae_ratio=np.inf, series=3, infinite_series=("b",))
    }


def test_silence_is_counted_for_every_model():
    """Of three targets one was answered; what no one can answer is no target."""
    actual, medians = column(10.0, 20.0, 30.0, NAN), column(NAN, 21.0, NAN, 5.0)
    found = scored(actual, medians, np.full((4, 1, 5), NAN), np.ones(4))
    assert found.answered_ratio == pytest.approx(1 / 3)
