"""Samples of one minute are merged; what cannot be taken is refused and counted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecaster.intake import AGE_SECONDS_MAX, Intake, ended_minute, minute_of

NOW = 1_700_000_040.0
MINUTE = int(NOW // 60)
END = MINUTE * 60_000
KEY = "shop/Deployment/web"


def values_of(intake: Intake, key: str = KEY) -> dict[int, float]:
    """Give what is fresh of a workload."""
    minutes, values = intake.fresh().get(key, (np.array([]), np.array([])))
    return dict(zip(minutes.tolist(), values.tolist(), strict=True))


def test_a_minute_is_named_by_its_end():
    """A sample at the end belongs to the minute, one a moment later to the next."""
    assert minute_of(END) == ended_minute(END) == MINUTE
    assert minute_of(END + 1) == MINUTE + 1
    assert ended_minute(END + 59_999) == MINUTE


def test_samples_within_a_minute_become_their_mean():
    """By distinct timestamps: one that comes again replaces itself."""
    intake = Intake()
    for second, value in ((15, 1.0), (30, 2.0), (45, 6.0), (15, 4.0)):
        intake.take(KEY, END - 60_000 + 1000 * second, value, NOW)

    assert values_of(intake) == {MINUTE: 4.0}
    assert values_of(intake) == {}


@given(
    st.lists(st.tuples(st.integers(1, 60), st.floats(0, 1e12)), min_size=1, max_size=20),
    st.randoms(),
)
def test_the_order_and_repetition_of_samples_do_not_matter(samples, random):
    """What is delivered at least once, in any order, gives the same minute."""
    distinct = dict(samples)
    again = [*distinct.items(), *distinct.items()]
    random.shuffle(again)
    intake = Intake()
    for second, value in again:
        intake.take(KEY, END - 60_000 + 1000 * second, value, NOW)

    expected = math.fsum(distinct.values()) / len(distinct)
    assert values_of(intake)[MINUTE] == pytest.approx(expected)


def test_an_outage_is_no_zero():
    """A minute whose samples measured nothing is NaN; beside a measured one they do not count."""
    intake = Intake()
    intake.take(KEY, END - 30_000, None, NOW)
    assert math.isnan(values_of(intake)[MINUTE])

    intake.take(KEY, END, 5.0, NOW)
    assert values_of(intake) == {MINUTE: 5.0}


@pytest.mark.parametrize("minutes_ago", [0, 9])
def test_what_was_not_measured_replaces_nothing_that_was(minutes_ago):
    """A second bridge whose query failed, or a sample of another measure, says nothing of it."""
    intake = Intake()
    intake.take(KEY, END, 1.0, NOW)
    at = END - minutes_ago * 60_000
    for value in (None, 5.0, None):
        intake.take(KEY, at, value, NOW)
    assert values_of(intake)[MINUTE - minutes_ago] == 5.0

    intake.take(KEY, at, None, NOW)
    assert values_of(intake).get(MINUTE - minutes_ago, 5.0) == 5.0


@pytest.mark.parametrize(
    ("timestamp", "value", "reason"),
    [
        (END + 180_000, 1.0, "future"),
        (END - round(AGE_SECONDS_MAX * 1000) - 60_000, 1.0, "too-old"),
        (END, math.nan, "no-rate"),
        (END, -1.0, "no-rate"),
        (END, math.inf, "no-rate"),
    ],
)
def test_what_cannot_be_is_refused(timestamp, value, reason):
    """And leaves no trace but a count."""
    intake = Intake()
    intake.take("other", END, 1.0, NOW)

    assert intake.take(KEY, timestamp, value, NOW) == reason
    assert intake.refused[reason] == 1
    assert list(intake.keys()) == ["other"]


def test_parts_survive_a_restart():
    """A minute that was half there is the same mean when the rest comes afterwards."""
    whole, before, after = Intake(), Intake(), Intake()
    for intake in (whole, before):
        intake.take(KEY, END - 40_000, 1.0, NOW)
        intake.fresh()
    after.restore(before.export([KEY]))
    for intake in (whole, after):
        intake.take(KEY, END - 20_000, 5.0, NOW)

    assert values_of(after) == values_of(whole) == {MINUTE: 3.0}
    assert after.newest_milliseconds(KEY) == END - 20_000


def test_a_late_sample_of_a_forgotten_minute_stands_for_it():
    """Parts are kept for a few minutes only."""
    intake = Intake()
    for minutes_ago in (9, 3, 2, 1, 0):
        intake.take(KEY, END - minutes_ago * 60_000, 1.0, NOW)
    intake.fresh()
    intake.take(KEY, END - 9 * 60_000 - 30_000, 7.0, NOW)

    assert values_of(intake) == {MINUTE - 9: 7.0}
