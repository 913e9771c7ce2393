"""Windows for training are those of the service, and know nothing of what comes after."""

from __future__ import annotations

import numpy as np
import pytest

from energy.errors import InputError
from forecaster.history import History
from forecaster.horizons import HORIZONS_MINUTES
from forecaster.training.dataset import examples_at
from forecaster.training.draws import DrawSettings, held_back, real_examples, synthetic_examples
from forecaster.training.origins import Origins, Series
from forecaster.training.series import TrainingSeries
from forecaster.training.synthetic import synthetic_series
from forecaster.windows import windows_of

FIRST_MINUTE = 27_000_003


def a_series(days: int = 10, seed: int = 1) -> TrainingSeries:
    """A series with a gap, whose first minute lies within a bucket."""
    values = np.nan_to_num(synthetic_series(np.random.default_rng(seed), days), nan=50.0) + 1
    values[2000:2100] = np.nan
    return TrainingSeries.cleaned("made-up", FIRST_MINUTE, values)


def test_a_window_is_what_the_service_would_have_cut() -> None:
    """At every offset within a bucket, early and late, beside a gap and far from one."""
    series = a_series()
    places = np.array([40, 1999, 2101, 2103, 9005, 12_000, 12_001, 12_002, 12_003, 12_004, 14_000])
    examples = examples_at(series, places)
    history, put = History(1), 0

    for row, place in enumerate(places.tolist()):
        for each in range(put, place + 1):
            history.put(0, series.first_minute + each, float(series.values[each]))
        put = place + 1
        windows = windows_of(history.view(np.array([0]), series.first_minute + place))
        for name, values in windows.inputs().items():
            np.testing.assert_allclose(
                examples.inputs[name][row], values[0], rtol=1e-3, atol=2e-3, err_msg=name
            )
        assert examples.centre[row] == pytest.approx(windows.centre[0])
        assert examples.last[row] == pytest.approx(series.values[place])


def test_nothing_after_the_origin_enters_a_window() -> None:
    """With another future the inputs are the same, the targets are not."""
    series = a_series()
    places = np.arange(7000, 7005)
    changed = series.values.copy()
    changed[7005:] *= 3.0
    other = TrainingSeries(series.name, series.first_minute, changed, changed)

    one, two = examples_at(series, places), examples_at(other, places)

    for name in one.inputs:
        np.testing.assert_array_equal(one.inputs[name], two.inputs[name])
    np.testing.assert_array_equal(one.scale, two.scale)
    assert not np.array_equal(one.targets, two.targets)


def test_a_young_window_shows_no_more_than_its_age() -> None:
    """It is the window of a series that began then."""
    series, age = a_series(), 91  # it begins with a bucket
    place = np.array([9003])
    begun = TrainingSeries(
        "young", series.first_minute + 9004 - age, *[series.values[9004 - age :]] * 2
    )

    hidden = examples_at(series, place, ages_minutes=np.array([age]))
    young = examples_at(begun, np.array([age - 1]))

    np.testing.assert_allclose(hidden.inputs["sequence"], young.inputs["sequence"], atol=1e-4)
    np.testing.assert_array_equal(
        hidden.inputs["candidate_present"], young.inputs["candidate_present"]
    )


def test_parts_follow_each_other_in_time() -> None:
    """The last target of what is learnt comes before the first origin of what is held back."""
    series = a_series()
    learnt, judged = series.part(0, 0.55), series.part(0.55, 0.7)

    assert learnt.max() + max(HORIZONS_MINUTES) < judged.min()
    assert judged.max() + max(HORIZONS_MINUTES) < 0.7 * len(series.values)
    assert not np.isnan(series.values[learnt]).any()


def test_what_is_learnt_knows_nothing_of_the_rest() -> None:
    """Not even through what counts as an outlier: another end of the series changes no example."""
    series = a_series()
    end = int(0.7 * len(series.values))
    wild = series.values.copy()
    wild[end:] *= np.where(np.arange(len(wild) - end) % 7, 1, 50)
    other = TrainingSeries.cleaned(series.name, series.first_minute, wild)
    settings = DrawSettings(origins_max=2000)

    one, two = (
        real_examples([each], 0, 0.7, settings, np.random.default_rng(3))[0]
        for each in (series, other)
    )

    np.testing.assert_array_equal(one.targets, two.targets)
    np.testing.assert_array_equal(one.inputs["sequence"], two.inputs["sequence"])


def test_outliers_are_clipped_in_what_is_learnt_and_nowhere_else() -> None:
    """A spike of one minute is no lesson; in the window, and for the judge, it stays."""
    series = a_series()
    spiky = series.values.copy()
    spiky[5010] *= 500
    spiked = TrainingSeries.cleaned("spiked", FIRST_MINUTE, spiky)
    before, at = np.array([5000]), np.array([5010])

    assert examples_at(spiked, before, clipped=True).targets[0, 1] < 50
    assert examples_at(spiked, before).actual[0, 1] == pytest.approx(spiky[5010])
    assert examples_at(spiked, at).last[0] == pytest.approx(spiky[5010])


def test_the_same_generator_draws_the_same_windows() -> None:
    """Of made-up series, too."""
    settings = DrawSettings(synthetic_series=2, synthetic_origins=50, synthetic_days=9)

    one, two = (synthetic_examples(settings, np.random.default_rng(4)) for _ in range(2))

    assert one is not None
    assert two is not None
    assert len(one) == 100
    np.testing.assert_array_equal(one.inputs["horizons"], two.inputs["horizons"])


def test_the_part_held_back_is_judged_every_fifth_minute_with_its_whole_past() -> None:
    """As the evaluation does."""
    series = a_series()

    examples = held_back([series], 0.55, 0.7)["made-up"]

    assert len(examples) == pytest.approx(0.15 * len(series.values) / 5, abs=10)
    assert (examples.inputs["candidate_present"][:, :, 3] == 1).mean() > 0.9


@pytest.mark.parametrize("step", [3, 5])
def test_of_longer_steps_nothing_is_learnt_in_their_middle(step: int) -> None:
    """There the step's mean knows minutes to come; network and trees alike, also held back."""
    values = np.repeat(np.random.default_rng(1).uniform(50, 60, 3000 // step), step)
    first = 27_000_001  # where a bucket begins, as steps of five minutes do
    series = TrainingSeries.cleaned("steps", first, values, step_minutes=step)

    learnt = series.until(0.8)
    trees = Origins(Series("steps", first, values, step))

    for places in (learnt.part(0, 0.8), trees.indices):
        assert len(places) > 100
        assert (places % step == step - 1).all()
    seen = trees.view(np.arange(len(trees)))
    np.testing.assert_allclose(seen.recent[:, -1], values[trees.indices], rtol=1e-6)
    wanted = [values[place - 4 : place + 1].mean() for place in trees.indices[2:]]
    np.testing.assert_allclose(seen.past[2:, -1], wanted, rtol=1e-6)


def test_too_short_a_series_is_refused_in_one_line() -> None:
    """With its name."""
    with pytest.raises(InputError, match=r"^shop: has too few minutes.*240") as caught:
        TrainingSeries.cleaned("shop", 0, np.ones(100))

    assert "\n" not in str(caught.value)
