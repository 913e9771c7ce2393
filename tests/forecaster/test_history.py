"""Histories against a plain dictionary of minutes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecaster.history import (
    PAST_BUCKETS,
    RECENT_MINUTES,
    RING_MINUTES,
    History,
    HistoryView,
    PutReport,
)

START = 29_000_000
ROW = np.array([0])
WEEK_AND_MORE = PAST_BUCKETS * 5

values = st.one_of(st.floats(0, 1e6, width=32), st.just(math.nan))


def view_of(minutes: dict[int, float], now: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what a view must show, minute by minute and bucket by bucket."""
    recent = [minutes.get(m, math.nan) for m in range(now - RECENT_MINUTES + 1, now + 1)]
    past = np.full(PAST_BUCKETS, math.nan)
    oldest = now // 5 - PAST_BUCKETS + 1
    for bucket in {-(-minute // 5) for minute in minutes} & set(range(oldest, now // 5 + 1)):
        of_bucket = [minutes.get(m, math.nan) for m in range(bucket * 5 - 4, bucket * 5 + 1)]
        there = [value for value in of_bucket if not math.isnan(value)]
        past[bucket - oldest] = sum(there) / len(there) if there else math.nan
    return np.array(recent), past


def assert_shows(view: HistoryView, minutes: dict[int, float]) -> None:
    """Compare a view with the dictionary."""
    recent, past = view_of(minutes, view.minute)
    np.testing.assert_allclose(view.recent[0], recent, rtol=1e-5, atol=1e-2)
    np.testing.assert_allclose(view.past[0], past, rtol=1e-5, atol=1e-2)


@given(
    st.lists(st.tuples(st.integers(0, 170), values), min_size=1, max_size=120),
    st.integers(0, 40),
)
def test_any_order_within_the_ring_gives_what_a_dictionary_gives(
    puts: list[tuple[int, float]], later: int
) -> None:
    """Duplicates replace, gaps are NaN, and what has not come is not shown."""
    history, known = History(1), {}
    for minute, value in puts:
        history.put(0, START + minute, value)
        known[START + minute] = value

    assert_shows(history.view(ROW, max(known) + later), known)


@given(st.lists(st.integers(1, 2000), min_size=1, max_size=30), st.data())
def test_gaps_of_any_length_leave_no_old_values_behind(steps: list[int], data) -> None:
    """The rings are cleared where time jumped over them."""
    history, known, minute = History(1), {}, START
    for step in steps:
        minute += step
        known[minute] = data.draw(st.floats(0, 1e6, width=32))
        history.put(0, minute, known[minute])

    assert_shows(history.view(ROW, minute), known)


def test_a_view_of_an_earlier_minute_shows_nothing_that_came_later() -> None:
    """What was known then is what is shown."""
    history, known = History(1), {}
    for minute in range(START, START + 100):
        history.put(0, minute, float(minute % 17))
        known[minute] = float(minute % 17)

    now = START + 60
    assert_shows(history.view(ROW, now), {m: v for m, v in known.items() if m <= now})


def test_a_minute_older_than_the_ring_is_added_to_its_bucket_once() -> None:
    """A backfill out of order is not lost, and not counted twice."""
    history = History(1)
    history.put(0, START + 2000, 5.0)
    old = START + 1000 - (START + 1000) % 5 + 1

    reports = [history.put(0, old, 4.0), history.put(0, old, 4.0), history.put(0, old + 1, 8.0)]

    assert reports == [PutReport(late=1), PutReport(repeated=1), PutReport(late=1)]
    assert_shows(history.view(ROW, START + 2000), {START + 2000: 5.0, old: 4.0, old + 1: 8.0})


@pytest.mark.parametrize("value", [-1.0, math.inf, -math.inf, 1e15])
def test_what_is_no_rate_is_refused(value: float) -> None:
    """Absurd data never enters, so that it cannot look like traffic."""
    history = History(1)

    assert history.put(0, START, value) == PutReport(refused=1)
    assert np.isnan(history.view(ROW, START).recent).all()


def test_what_is_older_than_eight_days_is_refused() -> None:
    """There is no room for it."""
    history = History(1)
    history.put(0, START, 1.0)

    assert history.put(0, START - WEEK_AND_MORE, 1.0).refused == 1
    assert history.put(0, START - WEEK_AND_MORE + 10, 1.0).late == 1


def test_a_repeated_minute_replaces_the_known_one() -> None:
    """Upsert: a corrected sample corrects its bucket, too."""
    history = History(1)
    history.put(0, START, 1.0)

    assert history.put(0, START, 3.0) == PutReport(repeated=1)
    assert_shows(history.view(ROW, START), {START: 3.0})


@given(st.lists(values, min_size=1, max_size=2 * RING_MINUTES), st.integers(0, 30))
def test_a_block_is_what_its_minutes_are_one_by_one(block: list[float], gap: int) -> None:
    """The quick way for new minutes in order knows no other history."""
    one_by_one, at_once = History(1), History(1)
    for history in (one_by_one, at_once):
        history.put(0, START, 1.0)
    minutes = np.arange(len(block)) + START + 1 + gap
    report = PutReport()
    for minute, value in zip(minutes.tolist(), block, strict=True):
        report += one_by_one.put(0, minute, value)

    assert at_once.put_block(0, minutes, np.array(block)) == report
    for name, array in one_by_one.rows(ROW).items():
        np.testing.assert_allclose(
            at_once.rows(ROW)[name].astype(float), array.astype(float), rtol=1e-5, err_msg=name
        )
