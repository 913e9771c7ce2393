"""Which workloads are forecast now."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from forecaster.due import Schedule

MINUTE = 28_000_000


def two(newest):
    """Every newest sample measured something."""
    return newest.__getitem__, newest.__getitem__


def test_each_is_forecast_once_a_minute():
    """Whoever is there at once, all others when the minute is closed."""
    newest = {"a": MINUTE * 60_000, "b": (MINUTE - 1) * 60_000}
    schedule = Schedule(wait_seconds=20, sample_age_seconds_max=300)
    schedule.touched(["a"])

    assert schedule.due(MINUTE * 60 + 1, newest, *two(newest)).keys == ("a",)
    assert schedule.due(MINUTE * 60 + 2, newest, *two(newest)) is None
    closing = schedule.due(MINUTE * 60 + 20, newest, *two(newest))
    assert (closing.keys, closing.closes, closing.stale) == (("b",), True, ())
    assert schedule.due(MINUTE * 60 + 59, newest, *two(newest)) is None


def test_a_sample_within_a_minute_does_not_make_it_complete():
    """The rest of the minute is still to come."""
    newest = {"a": MINUTE * 60_000 - 15_000}
    schedule = Schedule(wait_seconds=20, sample_age_seconds_max=300)
    schedule.touched(["a"])

    assert schedule.due(MINUTE * 60 + 1, newest, *two(newest)) is None
    assert schedule.due(MINUTE * 60 + 20, newest, *two(newest)).keys == ("a",)


@given(
    st.lists(
        st.tuples(st.integers(0, 90), st.sets(st.sampled_from("abc")), st.integers(-120, 60)),
        max_size=60,
    )
)
def test_whatever_comes_nobody_is_forecast_twice_or_on_old_data(steps):
    """Time moves, also backwards once in a while; samples come for any time."""
    schedule = Schedule(wait_seconds=20, sample_age_seconds_max=300)
    newest: dict[str, int] = {}
    now = MINUTE * 60.0
    seen: set[tuple[str, int]] = set()
    last = 0
    for passed, keys, offset in steps:
        now += passed if passed < 80 else -passed
        for key in keys:
            newest[key] = max(newest.get(key, 0), round((now + offset) * 1000))
        schedule.touched(keys)
        due = schedule.due(now, newest, *two(newest))
        if due is None:
            continue
        assert due.minute >= last
        assert due.minute == now // 60
        last = due.minute
        for key in due.keys:
            assert (key, due.minute) not in seen
            assert newest[key] >= (now - 300) * 1000
            seen.add((key, due.minute))
