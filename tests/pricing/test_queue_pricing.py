"""Pricing a queue: its bookings are followed, constraints hold, a fallback places all the same."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from fleet_power import choice, power_of, true_watts
from hypothesis import given, settings
from hypothesis import strategies as st
from price_cases import STEEP
from slow_scheduler import SlowCluster
from small_fleets import NEW, OLD, fleet_of

from cluster.constraints import Taint, TaintEffect, Toleration
from cluster.scheduling.table import NodeTable
from pricing.prices import PriceSource
from pricing.queue_pricing import QueueOptions, QueuePricing
from simulator.fleet import Fleet
from simulator.pod_file import pod_of

NEVER = sys.maxsize
SHIPPED = QueueOptions()
LATE = QueueOptions(deadline_seconds=0.0)
SIZES = st.tuples(st.sampled_from([500, 1000, 2000]), st.sampled_from([256, 1024, 4096]))
TOLERATION = Toleration(key="dedicated", value="batch")


def fleet():
    """Three classes, the good one short of memory."""
    return fleet_of((2, 8, 16, NEW), (2, 8, 64, OLD), (2, 16, 64, STEEP))


def restricted_fleet():
    """The same with the cheapest class tainted and the dearest one in a zone."""
    plain = fleet()
    taint = Taint(key="dedicated", value="batch", effect=TaintEffect.NO_SCHEDULE)
    nodes = [
        replace(
            node, taints=(taint,) if row > 3 else (), labels={"zone": "b"} if row in {2, 3} else {}
        )
        for row, node in enumerate(plain.nodes)
    ]
    return Fleet("restricted", tuple(nodes), plain.profiles)


def pods_of(sizes):
    """Pods of (millicores, mebibytes) sizes."""
    return [pod_of(f"p{number}", cpu, memory) for number, (cpu, memory) in enumerate(sizes)]


def booked(pricing, table, pod, classes):
    """What is booked for the pod on each class: booked classes cost what is left, negated."""
    costs = pricing.rule.costs(table, pod)
    first = [int(np.argmax(classes.class_of_node == group)) for group in range(3)]
    return np.maximum(0.0, -costs[first])


def work_off(pricing, table, pods):
    """Place the queue as the simulator does; the node of each pod."""
    nodes = []
    for pod in pods:
        pricing.refresh(table, 0.0)
        node = choice(pricing.rule, table, pod)
        pricing.placed(pod, node)
        if node >= 0:
            table.assign(pod, node)
        nodes.append(node)
    return nodes


def queue_of(fleet, pods, options=SHIPPED, *, sleep=True):
    """The pricing of a queue on an empty fleet, and its table."""
    table = NodeTable.of(fleet.nodes)
    return QueuePricing(power_of(fleet, sleep=sleep), table, pods, 0.0, options), table


@settings(max_examples=40)
@given(sizes=st.lists(SIZES, min_size=1, max_size=20))
def test_bookings_are_followed_and_counted_down(sizes):
    """Each pod goes where its shape is booked while it fits there, and takes one from there."""
    here, pods = fleet(), pods_of(sizes)
    pricing, table = queue_of(here, pods, QueueOptions(solve_every_pods=NEVER))
    shapes, placed = pricing.prices.placed_counts, []
    assert shapes.sum() == pytest.approx(len(pods))
    for pod in pods:
        before = booked(pricing, table, pod, here.classes)
        node = choice(pricing.rule, table, pod)
        group = here.classes.class_of_node[node]
        table.assign(pod, node)
        pricing.placed(pod, node)
        after = booked(pricing, table, pod, here.classes)
        expected = before.copy()
        expected[group] = max(0.0, before[group] - 1.0)
        assert after == pytest.approx(expected, abs=1e-5)
        placed.append(before[group])

    # Of each shape less than one pod per class is left where nodes had room for whole pods.
    if all(booking > 0.0 for booking in placed):
        assert all((booked(pricing, table, pod, here.classes) < 1.0).all() for pod in pods)


@settings(max_examples=40)
@given(
    # However they are spread, so few leave room for any other on some node.
    sizes=st.lists(SIZES, min_size=1, max_size=20),
    every=st.sampled_from([1, 5, 20, NEVER]),
    is_booked=st.booleans(),
)
def test_a_queue_that_fits_is_placed_and_nothing_stays_booked(sizes, every, is_booked):
    """All pods find a node; priced once more, there is no demand and no booking left."""
    here, pods = fleet(), pods_of(sizes)
    options = QueueOptions(solve_every_pods=every, booked=is_booked)
    pricing, table = queue_of(here, pods, options)
    assert min(work_off(pricing, table, pods)) >= 0

    if every <= len(pods):
        # Pods that were not foreseen bring the next solve and change nothing in what is left.
        for number in range(every):
            pricing.placed(pod_of(f"other-{number}", 1, 1), -1)
        pricing.refresh(table, 0.0)
        assert pricing.prices.placed_counts.sum() == pytest.approx(0.0, abs=1e-6)
        for pod in pods:
            assert booked(pricing, table, pod, here.classes).max() == 0.0


@pytest.mark.parametrize("options", [LATE, QueueOptions(deadline_seconds=-1.0, booked=False)])
@settings(max_examples=20)
@given(sizes=st.lists(SIZES, min_size=1, max_size=20))
def test_out_of_time_a_queue_goes_by_fill_cost_and_says_so(options, sizes):
    """Without a solution every pod finds the node that the fill cost wants, and a reason."""
    here, pods = fleet(), pods_of(sizes)
    pricing, table = queue_of(here, pods, options)
    assert pricing.prices.source is PriceSource.FALLBACK
    said = pricing.rule.reason(table, pods[0], 0)
    assert "fallback" in said
    assert "not solved in time" in said

    assert min(work_off(pricing, table, pods)) >= 0
    assert pricing.prices.source is PriceSource.FALLBACK
    assert pricing.prices.watts_per_gibibyte.tolist() == [0.0] * 3


@settings(max_examples=60)
@given(
    sizes=st.lists(st.tuples(SIZES, st.booleans(), st.booleans()), min_size=1, max_size=25),
    every=st.sampled_from([1, 20]),
)
def test_pods_are_booked_and_placed_only_where_they_may_go(sizes, every):
    """Selectors and taints hold in the bookings, and node by node as Kubernetes words them."""
    here = restricted_fleet()
    pods = [
        replace(
            pod,
            node_selector={"zone": "b"} if bound else {},
            tolerations=(TOLERATION,) if tolerates else (),
        )
        for pod, (_, bound, tolerates) in zip(
            pods_of([size for size, _, _ in sizes]), sizes, strict=True
        )
    ]
    pricing, table = queue_of(here, pods, QueueOptions(solve_every_pods=every))
    for pod in pods:
        somewhere = booked(pricing, table, pod, here.classes)
        assert somewhere[2] == 0.0 or (pod.tolerations and not pod.node_selector)
        assert somewhere[0] == 0.0 or not pod.node_selector
    slow = SlowCluster(list(here.nodes))
    for pod, node in zip(pods, work_off(pricing, table, pods), strict=True):
        fits = slow.feasible(pod)
        assert (node >= 0) == any(fits)
        if node >= 0:
            assert fits[node]
            slow.pods[here.nodes[node].name].append(pod)


@settings(max_examples=40)
@given(
    cpu=st.sampled_from([500, 1000]),
    count=st.integers(1, 60),
    sleep=st.booleans(),
)
def test_identical_pods_are_placed_as_the_optimum_says(cpu, count, sleep):
    """As many go to each class as are booked there, to one; in watts, to one node per class."""
    here, pods = fleet(), pods_of([(cpu, 256)] * count)
    pricing, table = queue_of(here, pods, QueueOptions(solve_every_pods=NEVER), sleep=sleep)
    optimum, bound = pricing.prices.placed_counts[0], pricing.prices.watts
    nodes = work_off(pricing, table, pods)
    found = np.bincount(here.classes.class_of_node[nodes], minlength=3)
    off_corners = sum(group.profile.peak_watts for group in here.classes.classes)

    if pricing.prices.solution.unplaced_counts.sum() == 0.0:
        assert np.abs(found - optimum).max() <= 1.0 + 1e-6
        assert bound - 1e-3 <= true_watts(here, table, sleep=sleep) <= bound + off_corners


def test_a_pod_that_is_in_no_queue_goes_by_the_bid_price():
    """Its costs are those of the prices in force, and the queue's bookings stay as they are."""
    here, pods = fleet(), pods_of([(1000, 1024)] * 10)
    pricing, table = queue_of(here, pods)
    stranger = pod_of("stranger", 1000, 1024)
    before = booked(pricing, table, pods[0], here.classes)
    assert booked(pricing, table, stranger, here.classes).max() == 0.0
    pricing.placed(stranger, choice(pricing.rule, table, stranger))

    assert booked(pricing, table, pods[0], here.classes).tolist() == before.tolist()
