"""A life spread over hours and days is the same life."""

from __future__ import annotations

from math import fsum, isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.rollup import DAY_SECONDS, HOUR_SECONDS, Life, LifeSums, added, summed_as

DAYS = 20 * DAY_SECONDS


def life(**changes) -> Life:
    """Return a minute of one pod, with these fields changed."""
    plain = {"namespace": "shop", "workload_kind": "Deployment", "workload_name": "web"}
    times = {"begin_seconds": 0.0, "end_seconds": 60.0, "forgone_watts": 2.0}
    return Life(**{**plain, **times, **changes})


LIVES = st.builds(
    life,
    workload_name=st.sampled_from(["a", "b"]),
    begin_seconds=st.floats(0, DAYS),
    end_seconds=st.floats(0, DAYS),
    forgone_watts=st.none() | st.floats(-1e6, 1e6),
)


@given(lives=st.lists(LIVES, max_size=8))
def test_hours_and_days_each_hold_everything_once(lives) -> None:
    """Seconds, joules and pods; every sum lies within its period."""
    sums = LifeSums(hours_since_seconds=0)
    assert added(lives, sums, sums_max=10**9) == len(lives)

    for period in (HOUR_SECONDS, DAY_SECONDS):
        rows = [row for row in sums.rows() if row["period_seconds"] == period]
        lived = [max(0.0, each.end_seconds - each.begin_seconds) for each in lives]
        joules = [
            (each.forgone_watts or 0) * seconds for each, seconds in zip(lives, lived, strict=True)
        ]
        assert isclose(fsum(row["pod_seconds"] for row in rows), fsum(lived), abs_tol=1e-3)
        assert isclose(fsum(r["forgone_joules"] for r in rows), fsum(joules), abs_tol=1.0)
        assert sum(row["decisions"] for row in rows) == len(lives)
        assert sum(r["unknown"] for r in rows) == sum(e.forgone_watts is None for e in lives)
        for row in rows:
            start = row["period_start_seconds"]
            assert start <= row["first_seconds"] <= row["last_seconds"] <= start + period


def test_a_pod_is_carried_into_each_later_period() -> None:
    """From 00:30 to 02:00: placed in the first hour, carried in the second, not in the third."""
    sums = LifeSums(hours_since_seconds=0)
    sums.add(life(begin_seconds=1800.0, end_seconds=7200.0))

    rows = [row for row in sums.rows() if row["period_seconds"] == HOUR_SECONDS]

    assert [(row["decisions"], row["carried_decisions"]) for row in rows] == [(1, 0), (0, 1)]
    assert [row["forgone_joules"] for row in rows] == [2 * 1800, 2 * 3600]


def test_hours_that_are_not_kept_get_nothing() -> None:
    """Their days do."""
    sums = LifeSums(hours_since_seconds=DAY_SECONDS)
    sums.add(life(end_seconds=DAY_SECONDS + 60.0))

    starts = [(row["period_seconds"], row["period_start_seconds"]) for row in sums.rows()]

    assert starts == [(HOUR_SECONDS, DAY_SECONDS), (DAY_SECONDS, 0), (DAY_SECONDS, DAY_SECONDS)]


def test_a_life_that_no_pod_has_makes_no_million_rows() -> None:
    """A clock that was in another century: it counts where it began, whole."""
    sums = LifeSums(hours_since_seconds=0)
    sums.add(life(end_seconds=2e11))

    assert [row["pod_seconds"] for row in sums.rows()] == [2e11, 2e11]


def test_a_batch_ends_where_there_are_enough_sums() -> None:
    """And takes one life in any case."""
    long = life(end_seconds=10.0 * DAY_SECONDS)

    assert added([long, long], LifeSums(hours_since_seconds=0), sums_max=5) == 1


@pytest.mark.parametrize(
    ("workload", "summed"),
    [
        (("Deployment", "web"), ("Deployment", "web")),
        (("Pod", "web-1"), ("Pod", "")),
        (("Job", "report-29384760"), ("CronJob", "report")),
        (("Job", "report-20261122"), ("Job", "report-20261122")),
        (("Job", "report-2"), ("Job", "report-2")),
        (("ReplicaSet", "web-29384760"), ("ReplicaSet", "web-29384760")),
    ],
)
def test_what_comes_and_goes_is_summed_as_one(workload, summed) -> None:
    """Bare pods, and the Jobs of a CronJob: minutes of Unix time, not a date."""
    assert summed_as(*workload) == summed
