"""LightGBM: what is trained is what is served, the same each time, on series never seen too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from light_gbm import without_light_gbm
from traffic_views import DAY_MINUTES, START, rates, view_at

from energy.errors import InputError
from forecaster.history import HistoryView
from forecaster.horizons import HORIZONS_MINUTES
from forecaster.rivals.boosting import FEATURES, Boosting, boosting_features
from forecaster.rivals.features import Frame
from forecaster.rivals.naive import LastValue
from forecaster.training.boosting import train_trees
from forecaster.training.draws import held_back
from forecaster.training.origins import Origins, Series
from forecaster.training.series import TrainingSeries
from forecaster.training.tabular import BoostingSettings, exported, made_up, samples, train

DAYS = 4
SMALL = BoostingSettings(rounds=10, leaves=15, learning_rate=0.12, made_up_series=1)


def series(seed: int, first_minute: int = START) -> Series:
    """Four days of made-up traffic."""
    return Series(f"made-{seed}", first_minute, rates(1, DAYS * DAY_MINUTES, seed)[0])


@pytest.mark.parametrize("first_minute", [START, START + 3])
def test_origins_show_what_was_known_then_and_no_more(first_minute: int) -> None:
    """A row of the training views is the view that serving would have had."""
    given = series(1, first_minute)
    given.requests_per_second[1000:1100] = np.nan
    origins = Origins(given)
    assert origins.minute % 5 == 0
    rows = np.array([0, 7, 200, len(origins) - 1])
    seen = origins.view(rows)
    for place, row in enumerate(rows):
        minute = first_minute + int(origins.indices[row])
        wanted = view_at(given.requests_per_second[None, :], minute, first_minute)
        assert np.array_equal(seen.recent[place], wanted.recent[0], equal_nan=True)
        assert np.allclose(seen.past[place], wanted.past[0], rtol=1e-6, equal_nan=True)
        ahead = int(origins.indices[row]) + np.array(HORIZONS_MINUTES)
        assert np.array_equal(
            origins.targets[row], given.requests_per_second[ahead], equal_nan=True
        )


def test_a_series_without_half_an_hour_teaches_nothing() -> None:
    """It is refused by name."""
    with pytest.raises(InputError, match="short: it has no half hour"):
        samples(Series("short", START, np.ones(20)), 0.3)


@without_light_gbm
def test_the_same_seed_gives_the_same_graph_and_another_another() -> None:
    """Byte for byte."""
    learnt = [series(2), series(3)]
    more = made_up(SMALL)
    first = train(learnt, SMALL, more)
    assert train(learnt, SMALL, made_up(SMALL)) == first
    assert train(learnt, replace(SMALL, seed=8), more) != first


@without_light_gbm
def test_the_graph_answers_as_the_booster_does_where_features_are_absent_too() -> None:
    """The export loses nothing, missing values included."""
    import lightgbm
    import onnxruntime

    part = samples(series(4), 0.3)
    rows = part.features.copy()
    rows[np.random.default_rng(4).random(rows.shape) < 0.1] = np.nan
    booster = lightgbm.train(
        SMALL.parameters(), lightgbm.Dataset(rows, part.left_scales), SMALL.rounds
    )
    session = onnxruntime.InferenceSession(exported(booster))
    served = session.run(None, {"features": rows})[0][:, 0]
    assert np.allclose(served, booster.predict(rows), rtol=1e-4, atol=1e-4)


@without_light_gbm
def test_trees_are_judged_where_the_network_is_on_a_part_they_have_not_learnt(
    tmp_path: Path,
) -> None:
    """At the same origins against the same truths; what comes later changes neither."""
    values = rates(1, DAYS * DAY_MINUTES, 10)[0]
    given = TrainingSeries.cleaned("web", START + 2, values)
    trees = train_trees([given], SMALL, 0.55, 0.7)
    path = tmp_path / "lightgbm.onnx"
    path.write_bytes(train([Series("web", START + 2, given.until(0.55).values)], SMALL, trees.more))
    origins = Origins(Series("web", START + 2, given.values))
    rows = np.flatnonzero(np.isin(origins.indices, given.part(0.55, 0.7)))
    medians = Boosting.load(path).medians(origins.view(rows))
    examples = held_back([given], 0.55, 0.7)["web"]
    errors = np.abs(examples.actual - medians).mean(axis=0)
    naive = np.abs(examples.actual - examples.last[:, None]).mean(axis=0)
    assert trees.errors["web"] == pytest.approx((errors / naive).mean(), rel=1e-4)

    ends = values.copy()
    ends[int(0.7 * len(ends)) :] *= 3
    other = train_trees([TrainingSeries.cleaned("web", START + 2, ends)], SMALL, 0.55, 0.7)
    assert (other.graph, other.errors) == (trees.graph, trees.errors)


@without_light_gbm
def test_an_outage_teaches_trees_nothing() -> None:
    """Zeros that the level before makes incredible are absent, whatever recorded them."""
    values = 50 + 0.1 * rates(1, DAYS * DAY_MINUTES, 11)[0]
    zeros, absent = values.copy(), values.copy()
    zeros[2000:2090], absent[2000:2090] = 0.0, np.nan
    assert np.isnan(TrainingSeries.cleaned("web", START, zeros).values[2000:2090]).all()
    one, two = (
        train_trees([TrainingSeries.cleaned("web", START, each)], SMALL, 0.55, 0.7)
        for each in (zeros, absent)
    )
    assert one.graph == two.graph


@without_light_gbm
def test_a_series_that_it_never_saw_is_forecast_better_than_by_its_last_value(
    tmp_path: Path,
) -> None:
    """Also when it is 64 times as large; and of nothing it says nothing."""
    path = tmp_path / "lightgbm.onnx"
    path.write_bytes(train([series(5), series(6), series(7)], SMALL, made_up(SMALL)))
    expert = Boosting.load(path)
    unseen = Origins(series(8))
    rows = np.arange(3 * DAY_MINUTES // 5, len(unseen))
    view = unseen.view(rows)
    found = expert.medians(view)
    own = np.abs(found - unseen.targets[rows]).mean()
    last = np.abs(LastValue().medians(view) - unseen.targets[rows]).mean()
    assert own < 0.9 * last
    large = HistoryView(view.minute, view.recent * np.float32(64), view.past * np.float32(64))
    assert np.array_equal(expert.medians(large), found * 64)
    nothing = HistoryView(view.minute, view.recent[:2] * np.nan, view.past[:2] * np.nan)
    assert np.isnan(expert.medians(nothing)).all()
    assert expert.medians(Origins(series(8)).view(rows[:0])).shape == (0, 6)


def test_what_is_no_model_is_refused_with_its_path(tmp_path: Path) -> None:
    """Neither an absent file nor a foreign one ends in a traceback."""
    absent = tmp_path / "absent.onnx"
    with pytest.raises(InputError, match="there is no such model"):
        Boosting.load(absent)
    absent.write_bytes(b"no graph")
    with pytest.raises(InputError, match=r"absent\.onnx: is no usable ONNX graph"):
        Boosting.load(absent)


def test_features_are_as_many_as_the_graph_takes() -> None:
    """The graph's width is the code's."""
    frame = Frame.of(view_at(rates(2, 3000, 9), START + 2990))
    assert boosting_features(frame).shape == (2, len(HORIZONS_MINUTES), FEATURES)
