"""What goes into the ledger comes out again, page by page, whatever the database."""

from __future__ import annotations

import threading
from dataclasses import replace
from itertools import count, islice

import pytest
from decisions import NOON, decisions, made, many
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from energy.errors import InputError
from ledger.filters import DecisionFilter
from ledger.record import PodEnd
from ledger.retention import Retention
from ledger.store import Ledger

BATCH = 50
#: How many different moments of a ledger that is written to are looked at.
LOOKS = 10
#: Hypothesis draws a uid again when it shrinks an example, and of a pod the first decision stays.
EXAMPLES = count()


def listed(ledger: Ledger, chosen: DecisionFilter, limit: int) -> list:
    """Return all decisions, page after page."""
    found, cursor = [], None
    while True:
        page = ledger.decisions(chosen, limit=limit, cursor=cursor)
        found += page.decisions
        if page.cursor is None:
            return found
        cursor = page.cursor


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(decision=decisions())
def test_every_decision_comes_back_as_it_went_in(ledgers, decision) -> None:
    """Signs, quotes, other planes, extreme numbers: the row is the decision."""
    decision = replace(decision, uid=f"example-{next(EXAMPLES)}")
    at = decision.decided_at_seconds
    for ledger in ledgers:
        ledger.write([decision])

        found = listed(ledger, DecisionFilter(since_seconds=at), 1000)

        assert [each for each in found if each.uid == decision.uid] == [decision]


def test_an_opened_ledger_still_has_what_was_written(ledger_url) -> None:
    """Closing keeps, and opening again changes nothing."""
    with Ledger.open(ledger_url) as ledger:
        ledger.write([made()])

    with Ledger.open(ledger_url, create=False) as again:
        assert again.decisions().decisions == (made(),)


def test_of_a_pod_the_first_decision_stays(ledger) -> None:
    """Two extenders may watch one cluster, and a batch may be tried twice."""
    ledger.write([made(uid="a", reason="first"), made(uid="b")])
    ledger.write([made(uid="a", reason="second"), made(uid="c")])

    assert ledger.latest("shop", "web-7d9f-abcde") == made(uid="c")
    reasons = {each.uid: each.reason for each in ledger.decisions().decisions}
    assert reasons == {"a": "first", "b": made().reason, "c": made().reason}


def test_the_latest_is_the_newest_for_that_name(ledger) -> None:
    """A StatefulSet's pods come back under the same name."""
    ledger.write([made(uid=f"{hour}", decided_at_seconds=NOON + hour) for hour in (1, 3, 2)])
    ledger.write([made(uid="other", namespace="blog", decided_at_seconds=NOON + 9)])

    assert ledger.latest("shop", "web-7d9f-abcde") == made(uid="3", decided_at_seconds=NOON + 3)
    assert ledger.latest("shop", "nobody") is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(limit=st.integers(1, 12), times=st.lists(st.integers(0, 5), max_size=10))
def test_pages_show_every_decision_once_newest_first(ledger, limit, times) -> None:
    """Also where decisions share a second, and whatever the page's length."""
    namespace = f"example-{next(EXAMPLES)}"
    written = [
        made(uid=f"{namespace}-{row:02}", namespace=namespace, decided_at_seconds=float(second))
        for row, second in enumerate(times)
    ]
    ledger.write(written)

    found = listed(ledger, DecisionFilter(namespace=namespace), limit)

    assert found == sorted(written, key=lambda each: (each.decided_at_seconds, each.uid))[::-1]


def test_what_is_written_meanwhile_does_not_repeat_a_page(ledger) -> None:
    """A cursor names a place, not a number of rows to skip."""
    ledger.write(islice(many(), 6))
    first = ledger.decisions(limit=3)
    ledger.write([made(uid="newer", decided_at_seconds=NOON + 100)])

    second = ledger.decisions(limit=3, cursor=first.cursor)

    pods = [each.pod for each in (*first.decisions, *second.decisions)]
    assert pods == [f"pod-{number}" for number in (5, 4, 3, 2, 1, 0)]


@pytest.mark.parametrize(
    ("chosen", "pods"),
    [
        ({}, "abcd"),
        ({"namespace": "shop"}, "abc"),
        ({"workload": "web"}, "abd"),
        ({"workload": "Job/web"}, "b"),
        ({"workload": "Deployment/web", "namespace": "shop"}, "a"),
        ({"node": "new-1"}, "c"),
        ({"since_seconds": 2.0}, "bcd"),
        ({"until_seconds": 2.0}, "a"),
        ({"since_seconds": 2.0, "until_seconds": 4.0}, "bc"),
        ({"namespace": ""}, ""),
        ({"namespace": "sho_"}, ""),
        ({"workload": "%"}, ""),
    ],
)
def test_a_filter_keeps_what_it_names(ledger, chosen, pods) -> None:
    """Wildcards of SQL mean nothing; an empty name is a name that nobody has."""
    ledger.write(
        [
            made(pod="a", uid="a", decided_at_seconds=1),
            made(pod="b", uid="b", decided_at_seconds=2, workload_kind="Job"),
            made(pod="c", uid="c", decided_at_seconds=3, workload_name="db", node_chosen="new-1"),
            made(pod="d", uid="d", decided_at_seconds=4, namespace="blog"),
        ]
    )

    found = ledger.decisions(DecisionFilter(**chosen)).decisions

    assert sorted(each.pod for each in found) == sorted(pods)


@pytest.mark.parametrize("cursor", ["", "7", "0x1p3_", "nan_1", "0x1p99999_1", "0x1p3_-1", "x_1"])
def test_a_cursor_that_no_page_gave_is_refused(ledger, cursor) -> None:
    """It would silently begin anywhere."""
    with pytest.raises(InputError, match="no cursor"):
        ledger.decisions(cursor=cursor)


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_page_has_a_length(ledger, limit) -> None:
    """Nobody loads the whole ledger by accident."""
    with pytest.raises(InputError, match="1 to 1000"):
        ledger.decisions(limit=limit)


def test_a_batch_is_written_whole_or_not_at_all(ledger) -> None:
    """The bad record comes last, after the good one had its row."""
    with pytest.raises(InputError, match="no end of a pod"):
        ledger.record([made(), PodEnd("0", float("nan"))])
    with pytest.raises(Exception, match="refuses"):
        ledger.write(_broken())

    assert ledger.decisions().decisions == ()


def _broken():
    yield made()
    raise RuntimeError("the source refuses to go on")


def test_a_reader_sees_whole_batches_while_another_writes(ledger_url, ledger) -> None:
    """Reading neither waits for the writer nor sees half of what it does."""
    source, ended, seen = many(), threading.Event(), []

    def write() -> None:
        while not ended.is_set():
            ledger.write(islice(source, BATCH))

    with Ledger.open(ledger_url, create=False) as reader:
        thread = threading.Thread(target=write)
        thread.start()
        try:
            while thread.is_alive() and len(set(seen)) < LOOKS:
                rows = reader.savings("namespace", since_seconds=0, now_seconds=2 * NOON)
                seen.append(sum(row.decisions for row in rows))
        finally:
            ended.set()
            thread.join()

    assert [count % BATCH for count in seen] == [0] * len(seen)
    assert seen == sorted(seen)
    assert len(set(seen)) == LOOKS


def forgotten(ledger: Ledger, rows_max: int, batch: int) -> int:
    """Return how many decisions one round deletes."""
    keep = Retention(rows_max=rows_max)
    return ledger.tidy(keep, now_seconds=NOON + 100, batch=batch).decisions


def test_what_ended_longest_ago_is_forgotten_first_and_then_the_oldest(ledger) -> None:
    """Running pods' records stay as long as there are others, whatever their age."""
    ledger.write(islice(many(), 10))
    ledger.end_pods([("uid-7", NOON + 70), ("uid-8", NOON + 60), ("uid-9", NOON + 50)])

    left = []
    for rows_max in (10, 9, 8, 5):
        gone = forgotten(ledger, rows_max, batch=1000)
        left.append((gone, sorted(each.uid[4:] for each in listed(ledger, DecisionFilter(), 4))))

    assert left == [
        (0, [*"0123456789"]),
        (1, [*"012345678"]),
        (1, [*"01234567"]),
        (3, [*"23456"]),
    ]


def test_a_ledger_far_beyond_its_bound_forgets_batch_by_batch(ledger) -> None:
    """No transaction is longer than others may wait."""
    ledger.write(islice(many(), 25))

    assert [forgotten(ledger, 4, batch=10) for _ in range(4)] == [10, 10, 1, 0]
    assert len(ledger.running_uids()) == 4


def test_names_are_compared_sign_by_sign(ledger) -> None:
    """Neither a capital, an accent nor a space at the end may join two namespaces."""
    names = ("shop", "Shop", "shop ", "shöp", "sho\u0301p", "shóp", "ſhop", "日本", "😀", "😁")
    ledger.write(made(uid=f"{row}", namespace=name) for row, name in enumerate(names))

    for row, name in enumerate(names):
        found = ledger.decisions(DecisionFilter(namespace=name)).decisions
        assert [each.uid for each in found] == [f"{row}"]
    sums = ledger.savings("namespace", since_seconds=0, now_seconds=2 * NOON)
    assert [each.namespace for each in sums] == sorted(names)
    assert {each.decisions for each in sums} == {1}


def test_a_ledger_is_one_clusters(ledger) -> None:
    """The first who comes; another would end all its pods."""
    ledger.claim("cluster-a")
    ledger.claim("cluster-a")

    with pytest.raises(InputError, match=r"ledger of another cluster .*cluster-a there") as refused:
        ledger.claim("cluster-b")

    assert "a database of its own" in str(refused.value)
