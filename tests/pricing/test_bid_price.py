"""Bid prices multiply requests by prices; booking limits follow an optimum and are counted down."""

from __future__ import annotations

import numpy as np
import pytest
from fleet_power import choice
from hypothesis import given
from hypothesis import strategies as st
from price_cases import STEEP, shapes_of
from small_fleets import NEW, OLD, fleet_of

from cluster.scheduling.table import NodeTable
from pricing.bid_price import BidPrice, BookingLimit, Bookings
from pricing.fleet_state import FleetState
from pricing.price_program import PriceProgram
from pricing.prices import BidPrices, Pricer, PriceSource
from pricing.rules import SAME_WATTS
from simulator.pod_file import pod_of

FLEET = fleet_of((2, 8, 32, OLD), (2, 8, 64, NEW), (1, 16, 64, STEEP))
CLASSES = len(FLEET.classes.classes)
AMOUNTS = st.lists(st.floats(0.0, 50.0), min_size=CLASSES, max_size=CLASSES)
COUNTS = st.lists(st.floats(0.0, 9.0), min_size=CLASSES, max_size=CLASSES)


def prices_of(watts_per_core, watts_per_gibibyte):
    """Prices from plain numbers."""
    return BidPrices(
        watts_per_core=np.array(watts_per_core),
        watts_per_gibibyte=np.array(watts_per_gibibyte),
        source=PriceSource.SOLVED,
        reason="as a test wants them",
    )


def solved_prices():
    """The prices of a program for two pods of one core."""
    program = PriceProgram(FLEET.classes.classes, shapes_of((1, 1)))
    return Pricer(program).update(FleetState.empty(FLEET.classes.classes), [2.0], 0.0)


@given(per_core=AMOUNTS, per_gibibyte=AMOUNTS, cpu=st.integers(0, 8000), mem=st.integers(0, 9999))
def test_a_bid_price_is_what_the_requests_are_worth(per_core, per_gibibyte, cpu, mem):
    """Each node costs cores and GiB at the prices of its class, to the nearest step."""
    rule = BidPrice(FLEET.classes, prices_of(per_core, per_gibibyte))
    costs = rule.costs(NodeTable.of(FLEET.nodes), pod_of("p", cpu, mem))
    worth = [
        cpu / 1000 * per_core[group] + mem / 1024 * per_gibibyte[group]
        for group in FLEET.classes.class_of_node
    ]

    assert costs * SAME_WATTS == pytest.approx(worth, abs=SAME_WATTS / 2 + 1e-9)


@given(booked=COUNTS, per_core=AMOUNTS)
def test_booked_classes_come_first_and_the_most_booked_before_the_others(booked, per_core):
    """Whatever the prices, any booked class costs less than one that is not; then by price."""
    prices = prices_of(per_core, [0.0] * CLASSES)
    pod = pod_of("p", 1000, 1024)
    rule = BookingLimit(
        FLEET.classes, prices, Bookings(np.array([booked]), {(pod.namespace, pod.name): 0})
    )
    table = NodeTable.of(FLEET.nodes)
    costs = rule.costs(table, pod)
    by_price = BidPrice(FLEET.classes, prices).costs(table, pod)
    left = np.array(booked)[FLEET.classes.class_of_node]

    some = left > 1e-6
    assert costs[~some].tolist() == by_price[~some].tolist()
    assert (costs[some] < 0.0).all()
    assert np.argsort(costs[some], kind="stable").tolist() == np.argsort(
        -left[some], kind="stable"
    ).tolist()  # fmt: skip


def test_a_booking_is_followed_where_the_price_says_otherwise():
    """The dear class takes the pod that is booked there, the next one goes by price."""
    prices = prices_of([50.0, 1.0, 2.0], [0.0] * CLASSES)
    pods = [pod_of(f"p{n}", 1000, 1024) for n in range(2)]
    bookings = Bookings(np.array([[1.0, 0.0, 0.0]]), {(p.namespace, p.name): 0 for p in pods})
    rule = BookingLimit(FLEET.classes, prices, bookings)
    table = NodeTable.of(FLEET.nodes)

    first = FLEET.classes.class_of_node[choice(rule, table, pods[0])]
    bookings.take(pods[0], first)
    second = FLEET.classes.class_of_node[choice(rule, table, pods[1])]
    assert (first, second) == (0, 1)


@given(
    counts=st.lists(COUNTS, min_size=2, max_size=2),
    taken=st.lists(st.tuples(st.integers(0, 3), st.integers(0, CLASSES - 1)), max_size=30),
)
def test_bookings_are_counted_down_to_nothing(counts, taken):
    """Each pod takes one from its shape's class, or what is left of one; others take nothing."""
    shape_of = {("simulated", f"p{n}"): n % 2 for n in range(3)}
    given_counts = np.array(counts)
    bookings = Bookings(given_counts, shape_of)
    expected = np.array(counts)
    for number, group in taken:
        bookings.take(pod_of(f"p{number}", 1000, 1), group)
        if number < 3:
            expected[number % 2, group] = max(0.0, expected[number % 2, group] - 1.0)

    for shape in (0, 1):
        assert bookings.of_pod(pod_of(f"p{shape}", 1, 1)) == pytest.approx(expected[shape])
    assert bookings.of_pod(pod_of("p3", 1, 1)) is None
    assert given_counts.tolist() == counts


@given(booked=COUNTS, cpu=st.integers(1, 8000), mem=st.integers(1, 9999))
def test_a_pod_that_was_not_foreseen_goes_by_the_bid_price(booked, cpu, mem):
    """Bookings of other pods say nothing of it."""
    prices, table, pod = solved_prices(), NodeTable.of(FLEET.nodes), pod_of("new", cpu, mem)
    bookings = Bookings(np.array([booked]), {("simulated", "p0"): 0})
    rule = BookingLimit(FLEET.classes, prices, bookings)

    by_price = BidPrice(FLEET.classes, prices).costs(table, pod)
    assert rule.costs(table, pod).tolist() == by_price.tolist()
    assert "no more pods" in rule.reason(table, pod, 0)


def test_the_reason_names_the_booking_the_price_and_its_source():
    """It says how many are booked, what the pod is worth and where the prices come from."""
    prices, table, pod = solved_prices(), NodeTable.of(FLEET.nodes), pod_of("p0", 2000, 3072)
    rule = BookingLimit(
        FLEET.classes, prices, Bookings(np.array([[0.0, 4.0, 0.0]]), {("simulated", "p0"): 0})
    )

    worth = 2 * prices.watts_per_core[1] + 3 * prices.watts_per_gibibyte[1]
    for part in ("books 4 more pods", f"{worth:.2f} W", "2 cores", "3 GiB", "solved"):
        assert part in rule.reason(table, pod, 2)
    assert "no more pods" in rule.reason(table, pod, 0)


def test_without_an_optimum_none_is_spoken_of():
    """Fill costs in place of prices say that they are that, and why."""
    prices = BidPrices.fallback(FLEET.classes.classes, reason="the solver slept")
    rule = BookingLimit(FLEET.classes, prices, Bookings(np.zeros((1, CLASSES)), {}))
    said = rule.reason(NodeTable.of(FLEET.nodes), pod_of("p", 1000, 1024), 0)

    assert "optimum" not in said
    assert "fallback: the solver slept" in said
