"""Minutes that wait are those of a dictionary, in order, and take a fraction of its memory."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from forecaster.fresh_minutes import FreshMinutes

MINUTE = 29_000_000
PUTS = st.tuples(st.integers(MINUTE, MINUTE + 12), st.floats(0, 9), st.booleans())
TAKES = st.none() | st.integers(MINUTE - 1, MINUTE + 14)


@given(st.lists(st.tuples(st.lists(PUTS, max_size=20), TAKES), max_size=4))
def test_in_any_order_they_are_those_of_a_dictionary(rounds) -> None:
    """Also where some are taken in between, and where what waits already is to stay."""
    fresh, expected = FreshMinutes(), {}
    for puts, before in rounds:
        for minute, value, replaces in puts:
            assert fresh.put(minute, value, replaces=replaces) == (minute not in expected)
            if replaces:
                expected[minute] = value
            else:
                expected.setdefault(minute, value)
        assert len(fresh) == len(expected)
        minutes, values = fresh.take(before)
        due = sorted(minute for minute in expected if before is None or minute < before)
        assert minutes.tolist() == due
        assert values.tolist() == [expected.pop(minute) for minute in due]


def test_days_of_them_take_little_room() -> None:
    """What is gathered at a start, of many workloads, counts for the memory of the service."""
    tracemalloc.start()
    try:
        fresh = FreshMinutes()
        for minute in range(10_000):
            fresh.put(MINUTE + minute, float(minute))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 25 * len(fresh)
