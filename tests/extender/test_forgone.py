"""Forgone watts and joules add up, by workload and over time."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extender.figures import Figures, Workload
from extender.forgone import ForgoneSums
from extender.savings import summed

T0 = 1_700_000_000.0
WORKLOADS = [
    Workload(namespace=namespace, kind="Deployment", name=name)
    for namespace in ("shop", "blog")
    for name in ("web", "db")
]
WEB = WORKLOADS[0]


def test_joules_are_watts_times_seconds() -> None:
    """While the pod runs and after it ended."""
    sums = ForgoneSums()
    sums.began("shop/a", WEB, 12.5, T0)
    assert sums.totals(T0)[WEB].joules == 0.0
    assert sums.totals(T0 + 60.0)[WEB].joules == pytest.approx(750.0)
    sums.ended("shop/a", T0 + 100.0)
    found = sums.totals(T0 + 1e6)[WEB]
    assert (found.watts, found.decisions) == (0.0, 1)
    assert found.joules == pytest.approx(1250.0)


def test_watts_are_signed() -> None:
    """Where the scheduler's choice is the cheaper one the sum falls."""
    sums = ForgoneSums()
    sums.began("shop/a", WEB, 5.0, T0)
    sums.began("shop/b", WEB, -8.0, T0)
    assert sums.totals(T0 + 10.0)[WEB].watts == pytest.approx(-3.0)
    assert sums.totals(T0 + 10.0)[WEB].joules == pytest.approx(-30.0)


def test_ending_twice_or_what_never_began_changes_nothing() -> None:
    """Deletions are told more than once."""
    sums = ForgoneSums()
    sums.ended("shop/never", T0)
    sums.began("shop/a", WEB, 5.0, T0)
    sums.ended("shop/a", T0 + 10.0)
    sums.ended("shop/a", T0 + 20.0)
    assert sums.totals(T0 + 30.0)[WEB].joules == pytest.approx(50.0)


def test_a_pod_that_begins_again_ends_its_first_time() -> None:
    """A StatefulSet's pods come back under their names."""
    sums = ForgoneSums()
    sums.began("shop/a", WEB, 5.0, T0)
    sums.began("shop/a", WEB, 7.0, T0 + 10.0)
    found = sums.totals(T0 + 20.0)[WEB]
    assert (found.watts, found.decisions) == (7.0, 2)
    assert found.joules == pytest.approx(50.0 + 70.0)


def test_a_clock_that_goes_back_takes_no_joules_away() -> None:
    """An end before its begin counts as no time."""
    sums = ForgoneSums()
    sums.began("shop/a", WEB, 5.0, T0)
    sums.ended("shop/a", T0 - 100.0)
    assert sums.totals(T0)[WEB].joules == pytest.approx(0.0, abs=1e-3)


def job(name: str, namespace: str = "shop") -> Workload:
    """Give a Job."""
    return Workload(namespace=namespace, kind="Job", name=name)


def test_jobs_of_a_cron_job_are_one_workload() -> None:
    """Their names end in the minute of Unix time when they were due; a day is no such minute."""
    sums, minute = ForgoneSums(), int(T0 // 60)
    for number in range(3):
        sums.began(f"shop/{number}", job(f"clean-up-{minute + number}"), 2.0, T0 + 60.0 * number)
    for number, name in enumerate(("report-20231114", "once", f"clean-up-{int(T0)}", "7-1", "x-")):
        sums.began(f"shop/other-{number}", job(name), 1.0, T0)
    found = sums.totals(T0 + 200.0)
    cron = Workload(namespace="shop", kind="CronJob", name="clean-up")
    assert (found.pop(cron).decisions, len(found)) == (3, 5)
    assert {(each.kind, total.decisions) for each, total in found.items()} == {("Job", 1)}


def test_what_has_no_pods_the_longest_makes_room(monkeypatch) -> None:
    """Its sums stay in its namespace's `other`; what runs keeps its place, newcomers get one."""
    monkeypatch.setattr("extender.forgone.WORKLOADS_MAX", 3)
    sums = ForgoneSums()
    for number, namespace in enumerate(("shop", "shop", "blog")):
        sums.began(f"{number}", job(f"{number}", namespace), 1.0, T0)
    for number in (2, 0):  # and 1 runs on
        sums.ended(f"{number}", T0 + 10.0)
    sums.began("3", job("3"), 1.0, T0 + 10.0)
    sums.began("4", job("4"), 1.0, T0 + 10.0)
    sums.began("5", job("5"), 1.0, T0 + 10.0)  # nobody to make room
    found = sums.totals(T0 + 20.0)
    others = {name: Workload(namespace=name, kind="other", name="") for name in ("shop", "blog")}
    assert found.keys() == {job("1"), job("3"), job("4"), *others.values()}
    assert (found[others["blog"]].watts, found[others["blog"]].joules) == (0.0, 10.0)
    assert found[others["shop"]].joules == pytest.approx(20.0, abs=1e-3)
    assert (found[others["shop"]].watts, found[others["shop"]].decisions) == (1.0, 2)


def test_one_that_comes_back_keeps_its_place(monkeypatch) -> None:
    """A workload whose pods were all replaced at once is not folded for it."""
    monkeypatch.setattr("extender.forgone.WORKLOADS_MAX", 2)
    sums = ForgoneSums()
    for number in range(2):
        sums.began(f"{number}", WORKLOADS[number], 1.0, T0)
        sums.ended(f"{number}", T0 + 10.0)
    sums.began("0", WORKLOADS[0], 1.0, T0 + 20.0)
    sums.began("new", WORKLOADS[2], 1.0, T0 + 20.0)
    found = sums.totals(T0 + 20.0)
    assert found[WORKLOADS[0]].decisions == 2
    assert WORKLOADS[1] not in found


events = st.lists(
    st.tuples(
        st.integers(0, 9),
        st.sampled_from(WORKLOADS),
        st.floats(-500, 500),
        st.floats(0.0, 1e4),  # seconds since the event before
        st.booleans(),
    ),
    max_size=40,
)


@given(events, st.floats(0, 1e5))
def test_sums_are_those_of_the_single_pods(steps, rest_seconds) -> None:
    """By workload against a plain list of times, and by namespace against by workload."""
    sums, at, running, done = ForgoneSums(), T0, {}, []
    for number, workload, watts, seconds, begins in steps:
        at += seconds
        if number in running:
            done.append((*running.pop(number), at))
        if begins:
            sums.began(f"pod-{number}", workload, watts, at)
            running[number] = workload, watts, at
        else:
            sums.ended(f"pod-{number}", at)
    now = at + rest_seconds
    totals = sums.totals(now)
    spans = [*done, *((*one, now) for one in running.values())]
    for workload, total in totals.items():
        watts = math.fsum(one[1] for one in running.values() if one[0] == workload)
        joules = math.fsum(w * (end - begin) for of, w, begin, end in spans if of == workload)
        assert total.watts == pytest.approx(watts, abs=1e-6)
        assert total.joules == pytest.approx(joules, abs=1.0)  # Unix times are long numbers
    figures = Figures(mode="observe", rule="negawatt", forgone=totals)
    by_namespace, by_workload = summed(figures, "namespace"), summed(figures, "workload")
    assert by_namespace.forgone_watts == pytest.approx(by_workload.forgone_watts, abs=1e-6)
    assert by_namespace.forgone_joules == pytest.approx(by_workload.forgone_joules, abs=1e-3)
    assert by_namespace.decisions == by_workload.decisions
    assert by_workload.decisions == sum(1 for step in steps if step[4])


@given(events, st.integers(1, 3))
def test_making_room_conserves_every_namespace_s_sums(steps, workloads_max) -> None:
    """However few are kept apart, a namespace's watts, joules and decisions are the same."""
    free, tight = ForgoneSums(), ForgoneSums()
    with pytest.MonkeyPatch.context() as patch:
        at = T0
        for number, workload, watts, seconds, begins in steps:
            at += seconds
            for sums, places in ((free, 2000), (tight, workloads_max)):
                patch.setattr("extender.forgone.WORKLOADS_MAX", places)
                if begins:
                    sums.began(f"pod-{number}", workload, watts, at)
                else:
                    sums.ended(f"pod-{number}", at)
    whole, folded = (
        summed(Figures(mode="observe", rule="r", forgone=sums.totals(at)), "namespace")
        for sums in (free, tight)
    )
    named = [each for each in tight.totals(at) if each.kind != "other"]
    assert len(named) <= workloads_max
    rows = {row.namespace: row for row in folded.rows}
    assert rows.keys() == {row.namespace for row in whole.rows}
    for row in whole.rows:
        same = rows[row.namespace]
        assert same.decisions == row.decisions
        assert same.forgone_watts == pytest.approx(row.forgone_watts, abs=1e-6)
        assert same.forgone_joules == pytest.approx(row.forgone_joules, abs=1.0)
