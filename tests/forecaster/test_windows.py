"""What the network sees: free of scale, complete, and never of what came later."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from forecaster.history import PAST_BUCKETS, RECENT_MINUTES, HistoryView
from forecaster.present import mean_present, median_present
from forecaster.windows import (
    CLIP,
    CONTEXT_FEATURES,
    HORIZON_FEATURES,
    INPUTS,
    SEQUENCE_CHANNELS,
    Windows,
    days_before,
    windows_of,
)

MINUTE = 29_000_000


def a_view(seed: int = 0, rows: int = 3, minute: int = MINUTE) -> HistoryView:
    """Return traffic with a day's cycle and noise, eight days long."""
    rng = np.random.default_rng(seed)
    buckets = np.arange(minute // 5 - PAST_BUCKETS + 1, minute // 5 + 1) * 5
    minutes = np.arange(minute - RECENT_MINUTES + 1, minute + 1)

    def traffic(at: np.ndarray) -> np.ndarray:
        cycle = 2 + np.sin(2 * np.pi * at / 1440)
        return (100 * cycle * rng.uniform(0.9, 1.1, (rows, len(at)))).astype(np.float32)

    return HistoryView(minute, traffic(minutes), traffic(buckets))


@given(st.floats(1e-3, 1e6), st.integers(0, 4))
def test_windows_do_not_know_the_unit(factor: float, offset: int) -> None:
    """Requests per second or per hour: the network sees the same, and answers in the unit."""
    view = a_view(minute=MINUTE + offset)
    scaled = HistoryView(
        view.minute, view.recent * np.float32(factor), view.past * np.float32(factor)
    )

    one, other = windows_of(view), windows_of(scaled)

    for name in INPUTS:
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=2e-2, atol=2e-3)
    np.testing.assert_allclose(other.centre, one.centre * factor, rtol=1e-4)
    np.testing.assert_allclose(other.scale, one.scale * factor, rtol=1e-3)


def test_a_day_of_traffic_before_idle_days_overflows_nothing() -> None:
    """The largest rates that are taken, in units of a series that stands at zero; no warning."""
    view = a_view()
    past = view.past.copy()
    past[:, -3 * 288 : -2 * 288] = np.random.default_rng(1).uniform(0, 1e12, 288)
    past[:, -2 * 288 :] = 0
    windows = windows_of(HistoryView(view.minute, np.zeros_like(view.recent), past))

    assert all(np.isfinite(values).all() for values in windows.inputs().values())
    assert np.abs(windows.horizons).max() == CLIP


@given(
    hnp.arrays(np.float32, (2, RECENT_MINUTES), elements=st.sampled_from([np.nan, 0, 1, 5e5])),
    st.integers(0, 4),
    st.sampled_from(["known", "unknown"]),
)
def test_no_window_holds_a_gap(recent: np.ndarray, offset: int, past_is: str) -> None:
    """Outages and young series are masked: nothing is NaN, infinite or beyond the clip."""
    unknown = np.full((2, PAST_BUCKETS), np.nan, np.float32)
    past = a_view(rows=2).past if past_is == "known" else unknown

    windows = windows_of(HistoryView(MINUTE + offset, recent, past))

    for name in INPUTS:
        given_ = getattr(windows, name)
        assert np.isfinite(given_).all()
        assert np.abs(given_).max() <= CLIP
    assert (windows.scale > 0).all()
    silent = np.isnan(recent[:, -30:]).all(axis=1)
    assert np.array_equal(np.isnan(windows.centre), silent)


def shapes(windows: Windows) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all parts."""
    return {name: getattr(windows, name).shape for name in (*INPUTS, "centre", "scale")}


@pytest.mark.parametrize("rows", [0, 1, 4])
def test_shapes_are_as_the_network_expects_them(rows: int) -> None:
    """A change of the features is a change of the network's inputs: both must follow."""
    assert shapes(windows_of(a_view(rows=rows))) == {
        "sequence": (rows, 24, SEQUENCE_CHANNELS),
        "candidates": (rows, 6, 6),
        "candidate_present": (rows, 6, 6),
        "horizons": (rows, 6, HORIZON_FEATURES),
        "context": (rows, CONTEXT_FEATURES),
        "centre": (rows,),
        "scale": (rows,),
    }


def test_the_days_before_are_the_same_times_of_day() -> None:
    """A straight line shows it: each step is as far back as it says, also between buckets."""
    for offset in range(5):
        minute = MINUTE + offset
        ends = np.arange(minute // 5 - PAST_BUCKETS + 1, minute // 5 + 1) * 5
        line = (ends - MINUTE + 20_000).astype(np.float32)[None]

        found = days_before(HistoryView(minute, np.zeros((1, RECENT_MINUTES), np.float32), line))

        steps = 5 * np.arange(-23, 8)
        days = 1440 * np.arange(1, 8)
        expected = minute + steps[None] - days[:, None] - MINUTE + 20_000
        np.testing.assert_allclose(found[0], expected, atol=0.01)


@given(
    hnp.arrays(
        np.float32, (3, 7, 4), elements=st.one_of(st.floats(-99, 99, width=32), st.just(np.nan))
    )
)
def test_means_and_medians_are_numpys(values: np.ndarray) -> None:
    """The quick forms say what the slow ones say."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        median, mean = np.nanmedian(values, axis=1), np.nanmean(values, axis=1, dtype=float)

    np.testing.assert_allclose(median_present(values), median, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(mean_present(values, axis=1), mean, rtol=1e-5, atol=1e-5)


def test_a_daily_cycle_is_a_candidate() -> None:
    """Yesterday's change over the next half hour stands ready to be chosen."""
    minute = MINUTE - MINUTE % 1440
    ends = np.arange(minute // 5 - PAST_BUCKETS + 1, minute // 5 + 1) * 5
    recent = np.arange(minute - RECENT_MINUTES + 1, minute + 1)
    cycle = lambda at: (100 + at % 1440).astype(np.float32)[None]  # noqa: E731

    windows = windows_of(HistoryView(minute - 700, cycle(recent - 700), cycle(ends - 700)))

    yesterday = windows.candidates[0, :, 3] * windows.scale[0]
    np.testing.assert_allclose(yesterday, [5, 10, 15, 20, 25, 30], rtol=1e-3)
