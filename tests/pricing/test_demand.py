"""Demand is counted so that nothing is lost: queues, Little's law, departures, sums."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from price_cases import shapes_of
from small_fleets import GIBIBYTE, NEW, OLD, fleet_of

from cluster.constraints import Taint, TaintEffect
from cluster.model import Node, Pod, Resources
from cluster.scheduling.table import NodeTable
from energy.errors import InputError
from pricing.demand import (
    ExpectedDemand,
    admitting,
    arriving,
    combined,
    of_queue,
    remaining_state,
    standing,
    stay_ratio,
)
from pricing.fleet_state import FleetState
from pricing.node_class import classify
from pricing.price_program import PriceProgram

SIZES = st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 1))


def pod(number, cores, gibibytes, gpus=0, **fields):
    """A pod of so many cores, GiB and GPUs."""
    requests = Resources(
        cpu_millicores=1000 * cores, memory_bytes=gibibytes * GIBIBYTE, extended={"gpu": gpus}
    )
    return Pod(namespace="test", name=f"p{number}", requests=requests, **fields)


@given(sizes=st.lists(SIZES, max_size=12))
def test_a_queue_counts_every_pod_by_what_it_requests(sizes):
    """Shapes are distinct, counts sum to the pods, and each pod's shape is its own requests."""
    pods = [pod(number, *size) for number, size in enumerate(sizes)]
    demand, shape_of_pod = of_queue(pods)
    shapes = demand.shapes

    assert demand.counts.sum() == len(pods)
    assert len(shapes) == len(set(sizes))
    for size, shape in zip(sizes, shape_of_pod, strict=True):
        assert shapes.cpu_cores[shape] == size[0]
        assert shapes.memory_bytes[shape] == size[1] * GIBIBYTE
        assert shapes.extended.get("gpu", np.zeros(len(shapes)))[shape] == size[2]


def test_pods_for_different_nodes_are_different_shapes():
    """Equal requests that selectors or taints send elsewhere are priced apart."""
    size = Resources(cpu_millicores=8000, memory_bytes=32 * GIBIBYTE)
    tainted = Node(
        name="b",
        allocatable=replace(size, memory_bytes=64 * GIBIBYTE),
        taints=(Taint(key="gpu", value="", effect=TaintEffect.NO_SCHEDULE),),
    )
    nodes = [Node(name="a", allocatable=size, labels={"disk": "ssd"}), tainted]
    classes, table = classify(nodes, [OLD, NEW]), NodeTable.of(nodes)
    pods = [pod(0, 1, 1), pod(1, 1, 1, node_selector={"disk": "hdd"}), pod(2, 1, 1)]
    demand, shape_of_pod = of_queue(pods, admitting(table, classes))

    assert shape_of_pod[0] == shape_of_pod[2] != shape_of_pod[1]
    assert demand.allowed[shape_of_pod[0]].tolist() == [True, False]
    assert demand.allowed[shape_of_pod[1]].tolist() == [False, False]
    program = PriceProgram(classes.classes, demand.shapes, allowed=demand.allowed)
    found = program.solve(FleetState.empty(classes.classes), demand.counts)
    assert found.unplaced_counts[shape_of_pod[1]] == pytest.approx(1.0)


@given(
    rates=st.lists(st.floats(0.0, 2.0), min_size=2, max_size=2),
    lifetime_seconds=st.floats(1.0, 1e5),
    horizon_seconds=st.floats(0.0, 1e5),
)
def test_what_stays_and_what_comes_keep_a_steady_mix(rates, lifetime_seconds, horizon_seconds):
    """Of a mix in balance the departures within any horizon are made up for by the arrivals."""
    shapes = shapes_of((1, 1), (2, 4))
    steady = standing(shapes, rates, lifetime_seconds)
    coming = arriving(shapes, rates, lifetime_seconds, horizon_seconds)
    left = steady.counts * stay_ratio(lifetime_seconds, horizon_seconds)

    assert left + coming.counts == pytest.approx(steady.counts)


def test_arrivals_agree_with_a_simulated_hour():
    """Poisson arrivals of exponential lifetimes leave as many pods after an hour as is expected."""
    rng = np.random.default_rng(1)
    counts = []
    for _ in range(2000):
        arrivals = rng.uniform(0.0, 3600.0, rng.poisson(0.01 * 3600.0))
        counts.append(int((arrivals + rng.exponential(1800.0, len(arrivals)) > 3600.0).sum()))
    expected = arriving(shapes_of((1, 1)), 0.01, 1800.0, 3600.0).counts[0]

    assert np.mean(counts) == pytest.approx(expected, abs=4 * np.std(counts) / 2000**0.5)


@given(
    places=st.lists(st.tuples(SIZES, st.integers(0, 3)), max_size=8),
    cordoned=st.sets(st.integers(0, 3)),
)
def test_a_state_where_all_stay_is_the_present_one(places, cordoned):
    """With everybody staying nothing is lost, with everybody leaving nothing is left."""
    fleet = fleet_of((2, 8, 32, OLD), (2, 8, 32, NEW))
    table = NodeTable.of(fleet.nodes)
    pods = [pod(number, *size) for number, (size, _) in enumerate(places)]
    rows = [row for _, row in places]
    for one, row in zip(pods, rows, strict=True):
        table.assign(one, row)
    for row in cordoned:
        table.cordon(row)
    now = FleetState.of_table(table, fleet.classes)
    later = remaining_state(table, fleet.classes, pods, rows, 1.0)
    gone = remaining_state(table, fleet.classes, pods, rows, 0.0)

    for name in ("nodes", "awake_nodes", "placed_cpu_cores", "placed_memory_bytes"):
        assert getattr(later, name) == pytest.approx(getattr(now, name))
    assert later.placed("gpu") == pytest.approx(now.placed("gpu"))
    assert gone.nodes.tolist() == now.nodes.tolist()
    assert gone.awake_nodes.tolist() == gone.placed_cpu_cores.tolist() == [0.0, 0.0]


def test_a_node_stays_awake_as_long_as_any_of_its_pods():
    """Two pods that each stay with one half keep their node awake with three quarters."""
    fleet = fleet_of((1, 8, 32, OLD), (1, 8, 32, NEW))
    table = NodeTable.of(fleet.nodes)
    pods = [pod(0, 1, 1), pod(1, 3, 2), pod(2, 1, 1)]
    for one, row in zip(pods, [0, 0, 1], strict=True):
        table.assign(one, row)
    later = remaining_state(table, fleet.classes, pods, [0, 0, 1], [0.5, 0.5, 0.25])

    assert later.awake_nodes == pytest.approx([0.75, 0.25])
    assert later.placed_cpu_cores == pytest.approx([2.0, 0.25])


@given(
    queues=st.lists(st.lists(SIZES, max_size=6), min_size=1, max_size=3),
    masked=st.booleans(),
)
def test_a_sum_of_demands_loses_no_pod(queues, masked):
    """Counted together or one by one, as many pods ask for as much."""
    queued = [[pod(number, *size) for number, size in enumerate(queue)] for queue in queues]
    demands = [of_queue(pods)[0] for pods in queued]
    if masked:
        first = demands[0]
        allowed = np.zeros((len(first.shapes), 2), dtype=bool)
        demands[0] = ExpectedDemand(shapes=first.shapes, counts=first.counts, allowed=allowed)
    total = combined(*demands)

    assert total.counts.sum() == pytest.approx(sum(each.counts.sum() for each in demands))
    for resource in ("cpu_cores", "memory_bytes"):
        parts = [getattr(each.shapes, resource) @ each.counts for each in demands]
        assert getattr(total.shapes, resource) @ total.counts == pytest.approx(sum(parts))
    if masked:
        barred = total.counts[~total.allowed.any(axis=1)].sum()
        assert barred == pytest.approx(demands[0].counts.sum())
    else:
        everything = of_queue([one for pods in queued for one in pods])[0]
        assert total.counts.tolist() == everything.counts.tolist()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1.0])
def test_demand_that_is_none_is_refused_in_one_line(bad):
    """NaN, infinite and negative rates, lifetimes, horizons, counts and chances are refused."""
    shapes, fleet = shapes_of((1, 1)), fleet_of((1, 8, 32, OLD))
    table = NodeTable.of(fleet.nodes)
    for attempt in (
        lambda: standing(shapes, bad, 1.0),
        lambda: standing(shapes, 1.0, bad),
        lambda: arriving(shapes, 1.0, 1.0, bad),
        lambda: ExpectedDemand(shapes=shapes, counts=np.array([bad])),
        lambda: remaining_state(table, fleet.classes, [pod(0, 1, 1)], [0], bad),
    ):
        with pytest.raises(InputError) as caught:
            attempt()
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="counts"):
        ExpectedDemand(shapes=shapes, counts=np.ones(2))
