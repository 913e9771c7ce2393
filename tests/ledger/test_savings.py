"""Sums are the sums of the decisions, whichever way they are grouped, and keep their sign."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from math import fsum, isclose

import pytest
from decisions import made
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from energy.errors import InputError
from ledger.saving import Saving
from ledger.store import Ledger

FEW_NAMES = st.sampled_from(["a", "b", "c"])
#: Small enough that what is lost in a sum is far below the tolerance.
WATTS = st.none() | st.floats(-1e6, 1e6)
TIME = st.floats(0, 1000)
EXAMPLES = count()


def forgone_joules(decision, since_seconds: float, now_seconds: float) -> float:
    """Return the watts between times the seconds of the pod's life within the time asked for."""
    ended = now_seconds if decision.ended_at_seconds is None else decision.ended_at_seconds
    begin, end = max(decision.decided_at_seconds, since_seconds), min(ended, now_seconds)
    return (decision.forgone_watts or 0.0) * max(0.0, end - begin)


def counts(decision, since_seconds: float, now_seconds: float) -> bool:
    """Whether the pod lived within the time asked for, or was placed in it."""
    ended = decision.ended_at_seconds
    return decision.decided_at_seconds <= now_seconds and (
        ended is None or ended > since_seconds or decision.decided_at_seconds >= since_seconds
    )


def as_another_example(written: list) -> list:
    """Give the decisions names that no earlier example in the same ledger had."""
    example = next(EXAMPLES)
    return [
        replace(each, uid=f"{example}-{row}", namespace=f"{example}-{each.namespace}")
        for row, each in enumerate(written)
    ]


def of_this_example(rows: tuple[Saving, ...], written: list) -> list[Saving]:
    """Return the rows of the namespaces that were just written to."""
    return [row for row in rows if row.namespace in {each.namespace for each in written}]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    written=st.lists(
        st.builds(
            made,
            namespace=FEW_NAMES,
            workload_kind=FEW_NAMES,
            workload_name=FEW_NAMES,
            chosen_watts=WATTS,
            preferred_watts=WATTS,
            decided_at_seconds=TIME,
            ended_at_seconds=st.none() | TIME,
            candidates=st.just(()),
        ),
        max_size=12,
    ),
    since=TIME,
    now=TIME,
)
def test_nothing_is_lost_or_counted_twice(ledgers, written, since, now) -> None:
    """The sum by workload is the sum by namespace is the sum of the decisions."""
    written = as_another_example(written)
    for ledger in ledgers:
        ledger.write(written)
        assert_sums_are_those_of(written, ledger, since, now)


def assert_sums_are_those_of(written: list, ledger: Ledger, since: float, now: float) -> None:
    """Compare what the ledger sums with sums made here."""
    by = {
        group: of_this_example(ledger.savings(group, since_seconds=since, now_seconds=now), written)
        for group in ("namespace", "workload")
    }

    expected = [each for each in written if counts(each, since, now)]
    runs = [e for e in expected if e.ended_at_seconds is None or e.ended_at_seconds > now]
    joules = fsum(forgone_joules(each, since, now) for each in expected)
    watts = fsum(each.forgone_watts or 0.0 for each in runs)
    for rows in by.values():
        assert sum(row.decisions for row in rows) == len(expected)
        assert sum(row.running for row in rows) == len(runs)
        assert sum(row.unknown for row in rows) == sum(e.forgone_watts is None for e in expected)
        assert isclose(fsum(row.forgone_joules for row in rows), joules, rel_tol=1e-9, abs_tol=1e-3)
        assert isclose(fsum(row.forgone_watts for row in rows), watts, rel_tol=1e-9, abs_tol=1e-6)
    assert [row.namespace for row in by["namespace"]] == sorted({e.namespace for e in expected})
    assert len(by["workload"]) == len(
        {(e.namespace, e.workload_kind, e.workload_name) for e in expected}
    )


def test_energy_is_watts_times_lifetime(ledger) -> None:
    """7.25 W forgone for ten minutes are 4350 J; what a better choice gained is taken off."""
    ledger.write(
        [
            made(uid="worse", decided_at_seconds=1000),
            made(uid="better", decided_at_seconds=1000, chosen_watts=1.0, preferred_watts=3.0),
            made(uid="unknown", decided_at_seconds=1000, preferred_watts=None),
        ]
    )
    ledger.end_pods([("worse", 1600.0)])

    assert ledger.savings("workload", since_seconds=0, now_seconds=2000) == (
        Saving(
            namespace="shop",
            workload_kind="Deployment",
            workload_name="web",
            decisions=3,
            unknown=1,
            running=2,
            forgone_watts=-2.0,
            forgone_joules=7.25 * 600 - 2.0 * 1000,
        ),
    )


def test_only_the_time_asked_for_counts(ledger) -> None:
    """A pod that was placed before and ends after gives the seconds in between."""
    ledger.write([made(decided_at_seconds=0)])
    ledger.end_pods([("0", 5000.0)])

    (row,) = ledger.savings("namespace", since_seconds=1000, now_seconds=3000)

    assert row.forgone_joules == 7.25 * 2000
    assert row.running == 1
    assert ledger.savings("namespace", since_seconds=5000, now_seconds=6000) == ()


def test_a_pod_ends_once_and_not_before_it_began(ledger) -> None:
    """A second report of the same end, or a clock that is behind, makes no energy."""
    ledger.write([made(uid="a", decided_at_seconds=100), made(uid="b", decided_at_seconds=100)])
    ledger.end_pods([("a", 150.0), ("b", 50.0), ("nobody", 1.0)])
    ledger.end_pods([("a", 900.0)])

    ends = {each.uid: each.ended_at_seconds for each in ledger.decisions().decisions}
    assert ends == {"a": 150.0, "b": 100.0}
    assert ledger.running_uids() == frozenset()


def test_who_still_runs_can_be_asked(ledger) -> None:
    """After a restart, whoever is listed and no longer there has ended unseen."""
    ledger.write([made(uid="a"), made(uid="b")])
    ledger.end_pods([("a", made().decided_at_seconds)])

    assert ledger.running_uids() == {"b"}


@pytest.mark.parametrize(
    ("group", "since"), [("node", 0.0), ("", 0.0), ("namespace", float("nan"))]
)
def test_what_cannot_be_summed_is_refused(ledger, group, since) -> None:
    """A wrong word or time gives a line, not an empty table."""
    with pytest.raises(InputError):
        ledger.savings(group, since_seconds=since, now_seconds=1.0)
