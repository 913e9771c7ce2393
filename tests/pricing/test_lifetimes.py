"""Predicted lifetimes: known distributions, shrinkage, and nothing learnt from the future."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cluster.model import Owner
from pricing.lifetime_curve import HORIZON_SECONDS
from pricing.lifetime_history import LifetimeHistory
from pricing.lifetime_survival import Stays
from pricing.lifetimes import (
    KnownLifetimes,
    OwnerLifetimes,
    ShuffledLifetimes,
    owner_key,
)
from simulator.pod_file import pod_of

HOUR = 3600.0
AGES = (0.0, 0.5, 60.0, HOUR, 5 * HOUR, 10 * HOUR)


def pod(name="p", owner="web"):
    """A pod made by a workload of that name."""
    return pod_of(name, 100, 100, Owner(kind="Deployment", name=owner))


def model_of(lifetimes, owner="web", **options):
    """A model of lifetimes seen from beginning to end."""
    lifetimes = np.array(lifetimes, dtype=np.float64)
    stays = Stays(np.zeros(len(lifetimes)), lifetimes, np.ones(len(lifetimes), dtype=np.bool_))
    return OwnerLifetimes.fit(stays, [owner_key(pod(owner=owner))] * len(lifetimes), **options)


def test_an_exponential_has_no_age():
    """What has a constant hazard is expected to stay as long at any age, within sampling error."""
    drawn = np.random.default_rng(5).exponential(6 * HOUR, 40_000)
    until = np.random.default_rng(6).exponential(30 * HOUR, len(drawn))
    stays = Stays(np.zeros(len(drawn)), np.minimum(drawn, until), drawn <= until)
    model = OwnerLifetimes.fit(stays, [None] * len(drawn))

    for age in AGES:
        assert model.remaining_seconds(pod(), age) == pytest.approx(6 * HOUR, rel=0.06)
        half = model.quantile_seconds(pod(), age, 0.5)
        assert half == pytest.approx(6 * HOUR * np.log(2), rel=0.06)


@given(st.floats(0.05, 1.5), st.floats(0.0, 30.0))
def test_predictions_are_those_of_the_sample_that_is_left(spread, age_hours):
    """Mean and median of what outlived the age, without censoring and with many stays."""
    drawn = 4 * HOUR * np.exp(spread * np.random.default_rng(7).standard_normal(20_000))
    age = age_hours * HOUR
    left = drawn[drawn > age] - age
    assume(len(left) >= 2000)
    model = model_of(drawn)

    expected = np.minimum(left, HORIZON_SECONDS).mean()
    # Ages are known to one cell of the grid, whose edges lie 9 % apart.
    grid = 0.09 * (age + float(np.median(left)))
    assert model.remaining_seconds(pod(), age) == pytest.approx(expected, rel=0.1, abs=grid)
    half = model.quantile_seconds(pod(), age, 0.5)
    assert half == pytest.approx(np.median(left), rel=0.05, abs=grid)


@given(st.floats(0.0, 1e9), st.floats(0.0, 1.0))
def test_predictions_stay_within_the_horizon_and_rise_with_the_share(age, share):
    """At any age, seen or not."""
    model = model_of([60.0, 600.0, HOUR, 9 * HOUR])

    assert 0.0 <= model.remaining_seconds(pod(), age) <= HORIZON_SECONDS
    low, high = (model.quantile_seconds(pod(), age, s) for s in (share / 2, share))
    assert 0.0 <= low <= high <= HORIZON_SECONDS


def test_what_outlived_all_of_its_kind_is_expected_to_stay():
    """A wrong first guess is corrected as the pod ages."""
    model = model_of([600.0] * 500)

    assert model.remaining_seconds(pod(), 0.0) == pytest.approx(600.0, rel=0.1)
    assert model.remaining_seconds(pod(), 24 * HOUR) > 12 * HOUR


def test_an_owner_of_many_is_its_own_and_an_owner_of_few_like_all():
    """The curve of all pods fills in what has not been seen of an owner."""
    lifetimes = [60.0] * 300 + [HOUR] * 300 + [HOUR]
    owners = ["short"] * 300 + ["long"] * 300 + ["new"]
    stays = Stays(np.zeros(601), np.array(lifetimes), np.ones(601, dtype=np.bool_))
    model = OwnerLifetimes.fit(stays, [owner_key(pod(owner=owner)) for owner in owners])

    short, long, new, unseen = (
        model.remaining_seconds(pod(owner=owner), 0.0)
        for owner in ("short", "long", "new", "unseen")
    )
    assert short < 120.0
    assert long > 0.9 * HOUR
    assert unseen < new < long
    assert unseen == pytest.approx(np.mean(lifetimes), rel=0.1)
    assert model.remaining_seconds(pod_of("bare", 1, 1), 0.0) == unseen


RECORDS = st.lists(
    st.tuples(st.integers(0, 200), st.integers(1, 100), st.sampled_from("abc")), max_size=30
)


def told(records, now, *, until):
    """A history told of everything up to a moment, pods that arrive later left out."""
    history = LifetimeHistory(refit_seconds=0.0)
    events = []
    for number, (began, lasted, owner) in enumerate(records):
        subject = pod(f"p{number}", owner)
        events.append((began, 0, number, subject))
        events.append((began + lasted, 1, number, subject))
    for seconds, kind, _, subject in sorted(events, key=lambda event: event[:3]):
        if seconds <= until:
            (history.left if kind else history.arrived)(subject, float(seconds))
    return history.model(now)


@given(RECORDS, st.integers(0, 300).map(lambda seconds: seconds + 0.5))
def test_a_history_knows_what_the_records_knew_by_then(records, now):
    """Fitting to records cut at a moment is the same as having watched until it."""
    watched = told(records, now, until=now)
    began = np.array([row[0] for row in records], dtype=np.float64)
    lifetimes = np.array([row[1] for row in records], dtype=np.float64)
    stays, begun = Stays.known_by(now, began, lifetimes)
    owners = [owner_key(pod(owner=records[row][2])) for row in np.flatnonzero(begun)]
    cut = OwnerLifetimes.fit(stays, owners)

    for owner in "abcd":
        for age in (0.0, 20.0, 80.0):
            mine = watched.remaining_seconds(pod(owner=owner), age)
            assert mine == pytest.approx(cut.remaining_seconds(pod(owner=owner), age))


@given(RECORDS, RECORDS, st.integers(0, 200))
def test_nothing_is_learnt_from_what_comes_later(records, later, now):
    """Records that begin at or after the moment, and ends after it, change no prediction."""
    began = np.array([row[0] for row in records], dtype=np.float64)
    lifetimes = np.array([row[1] for row in records], dtype=np.float64)
    future = np.array([now + row[0] for row in later], dtype=np.float64)
    more = np.concatenate([lifetimes, [row[1] for row in later]])
    stretched = np.where(began + lifetimes > now, lifetimes + 1000.0, lifetimes)

    plain, _ = Stays.known_by(float(now), began, lifetimes)
    for others in (
        Stays.known_by(float(now), np.concatenate([began, future]), more)[0],
        Stays.known_by(float(now), began, stretched)[0],
    ):
        np.testing.assert_array_equal(plain.until_seconds, others.until_seconds)
        np.testing.assert_array_equal(plain.ended, others.ended)


def test_a_pod_first_seen_old_tells_nothing_of_its_youth():
    """Pods found running are the long-lived ones; counting them from birth would flatter all."""
    history = LifetimeHistory(refit_seconds=0.0)
    for number in range(200):
        history.arrived(pod(f"old{number}"), 0.0, age_seconds=24 * HOUR)
        history.arrived(pod(f"new{number}"), 0.0)
        history.left(pod(f"new{number}"), 600.0)
    model = history.model(HOUR)

    assert model.quantile_seconds(pod(), 0.0, 0.9) < 900.0
    assert history.age_seconds(pod("old0"), HOUR) == 25 * HOUR


def test_a_pod_that_was_moved_has_not_ended():
    """Back under its name at once, its stay goes on from where it began."""
    ended, moved = (LifetimeHistory(refit_seconds=0.0) for _ in range(2))
    for history in (ended, moved):
        for number in range(50):
            history.arrived(pod(f"p{number}"), 0.0)
            history.left(pod(f"p{number}"), HOUR)
    for number in range(50):
        moved.arrived(pod(f"p{number}"), HOUR)

    assert moved.age_seconds(pod("p0"), 2 * HOUR) == 2 * HOUR
    assert ended.model(2 * HOUR).quantile_seconds(pod(), 0.0, 0.5) <= 1.1 * HOUR
    assert moved.model(2 * HOUR).quantile_seconds(pod(), 0.0, 0.5) > 1.9 * HOUR


def test_the_model_is_fitted_anew_only_at_intervals():
    """Between fits nothing changes, whatever is told meanwhile."""
    history = LifetimeHistory(refit_seconds=HOUR)
    first = history.model(0.0)
    for number in range(50):
        history.arrived(pod(f"p{number}"), 1.0)
        history.left(pod(f"p{number}"), 61.0)

    assert history.model(HOUR - 1.0) is first
    assert history.model(HOUR).quantile_seconds(pod(), 0.0, 0.5) < 90.0


def test_known_lifetimes_run_out():
    """An oracle for ablations: the rest of the true lifetime, never below zero."""
    known = KnownLifetimes({("simulated", "p"): HOUR, ("simulated", "q"): np.inf})

    assert known.remaining_seconds(pod(), 600.0) == 3000.0
    assert known.quantile_seconds(pod(), 2 * HOUR, 0.5) == 0.0
    assert known.remaining_seconds(pod("q"), 0.0) == HORIZON_SECONDS


def test_shuffling_keeps_the_predictions_and_gives_them_to_others():
    """The control has the same predictions in another order, the same for the same pod."""
    pods = [pod(f"p{number}") for number in range(50)]
    known = KnownLifetimes({("simulated", p.name): 60.0 * n for n, p in enumerate(pods)})
    control = ShuffledLifetimes(known, pods, seed=1)

    true = [known.remaining_seconds(p, 0.0) for p in pods]
    given_out = [control.remaining_seconds(p, 0.0) for p in pods]
    assert sorted(given_out) == true
    assert given_out != true
    assert given_out == [control.quantile_seconds(p, 0.0, 0.5) for p in pods]
