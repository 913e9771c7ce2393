"""Scores of forecasts of features: which minutes count, and what an engine is shown."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from forecaster.horizons import HORIZONS_MINUTES
from simulator.feature_forecasts import SERVED, Parts, origins_of, score_features

DAY = 1440
MINUTES = 10 * DAY
FIRST = 29_459_520
RISING = np.arange(MINUTES, dtype=np.float64)


class LastValue:
    """An engine that forecasts the last value, and remembers what it was shown."""

    def __init__(self) -> None:
        self.seen: dict[str, dict[int, float]] = {}
        self.minutes: list[int] = []

    def put(self, key, minutes, requests_per_second) -> None:
        """Take minutes."""
        self.seen.setdefault(key, {}).update(zip(minutes, requests_per_second, strict=True))

    def forecast(self, minute):
        """Say of every series what it was last; a second model knows nothing."""
        self.minutes.append(minute)
        assert all(max(values) == minute for values in self.seen.values())
        last = np.array([values[minute] for values in self.seen.values()])
        return SimpleNamespace(
            keys=tuple(self.seen),
            requests_per_second=np.broadcast_to(last[:, None, None], (len(last), 6, 5)),
            models=("last", "mute"),
            medians=np.stack(
                [np.repeat(last[:, None], 6, axis=1), np.full((len(last), 6), np.nan)], axis=1
            ),
        )


def test_the_last_part_is_judged_and_nothing_later_than_an_origin_is_shown() -> None:
    """A rising line is missed by as much as it rises; a model that is mute has no score."""
    engine = LastValue()
    scores = score_features("line", {"cpu_cores": RISING, "half": RISING / 2}, FIRST, engine)

    assert {(score.feature, score.model) for score in scores} == {
        (feature, model) for feature in ("cpu_cores", "half") for model in (SERVED, "last")
    }
    horizons = np.array(HORIZONS_MINUTES)
    for score in scores:
        part = 1.0 if score.feature == "cpu_cores" else 0.5
        assert score.mae == pytest.approx(horizons.mean() * part)
        assert score.mse == pytest.approx((horizons**2).mean() * part**2)
        assert score.scaled_mae == pytest.approx(horizons.mean() / (0.7 * MINUTES - 1))
        assert score.relative_mae_ratio == pytest.approx(1)
        assert score.forecasts == pytest.approx(0.15 * MINUTES / 5, abs=7)


def test_validation_is_forecast_and_not_judged() -> None:
    """So that a mixture has learnt whom to believe before it counts."""
    parts = Parts.of(MINUTES)
    places = origins_of(parts, FIRST)

    assert (parts.validation, parts.test) == (7 * DAY, round(8.5 * DAY))
    assert places[0] >= parts.validation
    assert places[-1] + max(HORIZONS_MINUTES) < MINUTES
    assert set(np.diff(places)) == {5}
    assert ((FIRST + places) % 5 == 0).all()


def test_a_model_is_compared_over_the_forecasts_that_it_made() -> None:
    """One that speaks only while the line stands, as the last value, is as good as that."""
    values = np.concatenate([np.arange(MINUTES * 92 // 100) % 7.0, np.zeros(MINUTES * 8 // 100)])
    values[-300:] = np.arange(300)

    class Late(LastValue):
        def forecast(self, minute):
            said = super().forecast(minute)
            if minute - FIRST >= MINUTES - 300:
                said.medians[:, 1] = said.medians[:, 0]
            return said

    scores = {each.model: each for each in score_features("late", {"x": values}, FIRST, Late())}
    assert scores["mute"].forecasts < scores["last"].forecasts
    assert scores["mute"].relative_mae_ratio == pytest.approx(1)
    assert scores["last"].relative_mae_ratio == pytest.approx(1)
