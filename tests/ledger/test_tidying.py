"""What is forgotten stays in the sums, once, whatever is cut and wherever it stops."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count, islice
from math import fsum, isclose

import pytest
from decisions import NOON, made, many
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from predictions import predicted
from record_kinds import acted, erred

from energy.errors import InputError
from ledger.filters import DecisionFilter
from ledger.retention import Retention, Tidied
from ledger.rollup import DAY_SECONDS, HOUR_SECONDS
from ledger.store import Ledger
from ledger.tidying import Tidying

ONE_LEDGER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
EXAMPLES = count()
NOW = 20.0 * DAY_SECONDS
KEEP_ALL = Retention()
#: Off the hour, so that no two meanings of "until then" meet.
SECONDS = st.floats(1, 3599)
TIME = st.builds(lambda hour, second: 3600.0 * hour + second, st.integers(0, 400), SECONDS)
WORKLOADS = st.sampled_from([("Deployment", "web"), ("Pod", "a"), ("Job", "b-29384760")])


@st.composite
def pods(draw) -> list:
    """Draw decisions of one example, in namespaces that no other example has."""
    found, example = [], next(EXAMPLES)
    for row in range(draw(st.integers(0, 8))):
        kind, name = draw(WORKLOADS)
        begin = draw(TIME)
        found.append(
            made(
                uid=f"{example}-{row}",
                namespace=f"{example}-{draw(st.sampled_from('ab'))}",
                workload_kind=kind,
                workload_name=name,
                decided_at_seconds=begin,
                ended_at_seconds=draw(st.none() | TIME.map(lambda at, begin=begin: begin + at / 9)),
                chosen_watts=draw(st.none() | st.floats(-1e3, 1e3)),
                candidates=(),
            )
        )
    return found


KEEPS = st.builds(
    Retention,
    days_max=st.none() | st.floats(1, 30),
    rows_max=st.none() | st.integers(1, 10),
    hours_days_max=st.floats(1, 30),
    savings_days_max=st.none(),
)


def tidied(ledger: Ledger, keep: Retention, now: float = NOW, batch: int = 1000) -> list[Tidied]:
    """Tidy until there is no more to do."""
    rounds = [ledger.tidy(keep, now_seconds=now, batch=batch)]
    while rounds[-1].more:
        assert len(rounds) < 1000
        rounds.append(ledger.tidy(keep, now_seconds=now, batch=batch))
    return rounds


def sums(ledger: Ledger, written: list, group: str, since: float, now: float) -> dict:
    """Return decisions, unknown and joules of this example's namespaces, by group."""
    names = {each.namespace for each in written}
    return {
        (row.namespace, row.workload_kind, row.workload_name): (
            row.decisions,
            row.unknown,
            row.forgone_joules,
        )
        for row in ledger.savings(group, since_seconds=since, now_seconds=now)
        if row.namespace in names
    }


def assert_same(found: dict, expected: dict) -> None:
    """Compare sums; joules as far as floats can carry them."""
    assert {key: row[:2] for key, row in found.items()} == {k: r[:2] for k, r in expected.items()}
    for key, row in expected.items():
        assert isclose(found[key][2], row[2], rel_tol=1e-9, abs_tol=1e-3)


@pytest.mark.parametrize("group", ["namespace", "workload"])
@ONE_LEDGER
@given(written=pods(), keep=KEEPS, batch=st.integers(1, 5))
def test_sums_over_all_time_are_the_same_afterwards(ledger, group, written, keep, batch) -> None:
    """Whatever is deleted, for age or for number; running pods with what they have lived."""
    ledger.write(written)
    before = sums(ledger, written, group, 0, NOW)

    tidied(ledger, keep, batch=batch)

    assert_same(sums(ledger, written, group, 0, NOW), before)
    if keep.rows_max is not None:
        assert ledger.count(DecisionFilter()) <= keep.rows_max


@ONE_LEDGER
@given(written=pods(), hours=st.lists(st.integers(0, 480), min_size=2, max_size=2, unique=True))
def test_sums_over_whole_hours_are_the_same_afterwards(ledger, written, hours) -> None:
    """A day or a night of the past: energy and numbers, to the hour."""
    since, now = sorted(float(hour * HOUR_SECONDS) for hour in hours)
    ledger.write(written)
    before = sums(ledger, written, "workload", since, now)

    tidied(ledger, Retention(days_max=1, hours_days_max=30))

    assert_same(sums(ledger, written, "workload", since, now), before)


@ONE_LEDGER
@given(written=pods(), keep=KEEPS, cut=st.floats(0, NOW))
def test_a_cut_anywhere_divides_energy_and_loses_none(ledger, written, keep, cut) -> None:
    """Within an hour or day by seconds: an estimate, but both parts are the whole."""
    ledger.write(written)
    tidied(ledger, keep)

    parts = [sums(ledger, written, "namespace", *times) for times in ((0, cut), (cut, NOW))]

    whole = sums(ledger, written, "namespace", 0, NOW)
    for key, (_, _, joules) in whole.items():
        both = fsum(part.get(key, (0, 0, 0.0))[2] for part in parts)
        assert isclose(both, joules, rel_tol=1e-9, abs_tol=1e-3)


def test_a_round_that_fails_half_way_changes_nothing(ledger, monkeypatch) -> None:
    """The sums were written, the rows not yet noted: neither stays, the next round does both."""
    ledger.write([made(decided_at_seconds=100.0, ended_at_seconds=3700.0)])
    before = ledger.savings("workload", since_seconds=0, now_seconds=NOW)
    sum_of_rows = Tidying._sum  # noqa: SLF001 - the place to fail at

    def failing(self, connection, chosen) -> int:
        sum_of_rows(self, connection, chosen)
        raise RuntimeError("the process ends here")

    monkeypatch.setattr(Tidying, "_sum", failing)
    with pytest.raises(RuntimeError, match="ends here"):
        ledger.tidy(KEEP_ALL, now_seconds=NOW)
    monkeypatch.undo()
    assert ledger.savings("workload", since_seconds=0, now_seconds=NOW) == before

    assert [each.summed for each in tidied(ledger, KEEP_ALL)] == [1]
    assert [each.summed for each in tidied(ledger, KEEP_ALL)] == [0]
    after = ledger.savings("workload", since_seconds=0, now_seconds=NOW)
    assert after == tuple(replace(row, running=0) for row in before)


def test_rows_stay_exact_until_their_hour_is_over(ledger) -> None:
    """What ended within this hour still counts by itself, to the second."""
    ledger.write([made(decided_at_seconds=NOW + 10, ended_at_seconds=NOW + 110)])

    assert ledger.tidy(KEEP_ALL, now_seconds=NOW + 3000).summed == 0

    (row,) = ledger.savings("namespace", since_seconds=NOW + 60, now_seconds=NOW + 3000)
    assert row.forgone_joules == 7.25 * 50


def test_hours_and_days_go_when_they_are_old(ledger) -> None:
    """First the hours, by whole days, which leaves the days; these in the end too."""
    ledger.write([made(decided_at_seconds=1000.0, ended_at_seconds=1000.0 + 36 * 3600)])
    tidied(ledger, Retention(days_max=1))

    def joules(since: float, now: float) -> float:
        found = ledger.savings("namespace", since_seconds=since, now_seconds=now)
        return fsum(row.forgone_joules for row in found)

    assert joules(0, 7200) == pytest.approx(7.25 * 6200)
    rounds = tidied(ledger, Retention(days_max=1, hours_days_max=10))
    assert sum(each.savings for each in rounds) == 37
    assert joules(0, NOW) == pytest.approx(7.25 * 36 * 3600)
    # Only the day is left, of which this is a share by seconds.
    assert joules(0, 7200) == pytest.approx(7.25 * 6200)
    assert joules(1000 + 3600, 1000 + 7200) == pytest.approx(7.25 * 3600)

    rounds = tidied(ledger, Retention(days_max=1, hours_days_max=10, savings_days_max=19))
    assert sum(each.savings for each in rounds) == 1
    assert joules(0, NOW) == pytest.approx(7.25 * (1000 + 36 * 3600 - DAY_SECONDS))


def test_no_energy_is_missing_between_the_rounds_in_which_hours_go(ledger) -> None:
    """A day is answered by its hours or by itself, and never by half of its hours."""
    ledger.write([made(decided_at_seconds=0.0, ended_at_seconds=72.0 * 3600)])
    tidied(ledger, Retention(days_max=1))
    keep, more = Retention(days_max=1, hours_days_max=10), True
    times = ((0, 5 * 3600), (5 * 3600, 30 * 3600), (30 * 3600, NOW))
    while more:
        more = ledger.tidy(keep, now_seconds=NOW).more

        found = [ledger.savings("namespace", since_seconds=a, now_seconds=b) for a, b in times]
        joules = fsum(row.forgone_joules for rows in found for row in rows)
        assert joules == pytest.approx(7.25 * 72 * 3600)


def test_a_slower_clock_puts_no_hours_back(ledger) -> None:
    """A pod that is summed late goes into the day alone, of which the hours are gone."""
    times = {"decided_at_seconds": 4000.0, "ended_at_seconds": 8000.0}
    ledger.write([made(uid="early", **times)])
    tidied(ledger, Retention(days_max=1, hours_days_max=5))
    ledger.write([made(uid="late", **times)])

    tidied(ledger, Retention(days_max=1, hours_days_max=30), now=NOW - 600)

    parts = (0, 6000), (6000, DAY_SECONDS / 2)
    found = [ledger.savings("namespace", since_seconds=a, now_seconds=b) for a, b in parts]
    assert fsum(row.forgone_joules for rows in found for row in rows) == pytest.approx(
        2 * 7.25 * 4000
    )


def test_other_records_go_by_age_and_number(ledger) -> None:
    """And what would go can be asked before."""
    days = [NOON - day * DAY_SECONDS for day in range(6)]
    ledger.record([predicted(predicted_at_seconds=at) for at in days])
    ledger.record([acted(decided_at_seconds=at) for at in days])
    ledger.record([erred(window_start_seconds=at) for at in days])
    ledger.write(islice(many(ended_at_seconds=NOON - 9 * DAY_SECONDS), 3))
    keep = Retention(
        days_max=8,
        predictions_days_max=4.5,
        predictions_servers_max=4,
        actions_days_max=2.5,
        forecast_errors_days_max=1.5,
    )
    expected = Tidied(summed=3, decisions=3, predictions=1, actions=3, forecast_errors=4)

    assert ledger.would_tidy(keep, now_seconds=NOON) == expected
    rounds = tidied(ledger, keep, now=NOON, batch=2)

    assert sum(each.predictions for each in rounds) == 4
    assert [each.predicted_at_seconds for each in ledger.predictions().predictions] == days[:2]
    assert [each.decided_at_seconds for each in ledger.actions().actions] == days[:3]
    assert [e.window_start_seconds for e in ledger.forecast_errors().forecast_errors] == days[:2]
    assert ledger.count(DecisionFilter()) == 0
    assert ledger.would_tidy(keep, now_seconds=NOON) == Tidied()


def test_pods_that_run_stay_whatever_their_age(ledger) -> None:
    """Only a bound on the rows takes them, last."""
    ledger.write([made(decided_at_seconds=0.0)])

    tidied(ledger, Retention(days_max=1))

    assert ledger.running_uids() == {"0"}


@pytest.mark.parametrize("wrong", [{"days_max": 0}, {"rows_max": 0}, {"days_max": float("nan")}])
def test_a_bound_that_keeps_nothing_is_refused(wrong) -> None:
    """A slip of a setting must not empty a ledger."""
    with pytest.raises(InputError, match=r"retention, \w+_max"):
        Retention(**wrong)


def test_two_that_tidy_together_sum_each_pod_once(ledger_url, ledger) -> None:
    """A Deployment's replicas all keep the same ledger tidy."""
    ledger.write(islice(many(decided_at_seconds=100.0, ended_at_seconds=5000.0), 200))
    before = ledger.savings("workload", since_seconds=0, now_seconds=NOW)

    def tidy(_: int) -> None:
        with Ledger.open(ledger_url, busy_seconds=60) as opened:
            tidied(opened, Retention(days_max=1), batch=20)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(tidy, range(3)))

    assert ledger.count(DecisionFilter()) == 0
    (after,) = ledger.savings("workload", since_seconds=0, now_seconds=NOW)
    assert (after.decisions, after.forgone_joules) == (200, pytest.approx(before[0].forgone_joules))
