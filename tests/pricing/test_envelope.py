"""The envelope rule: prices are differences along the envelope, equals pack, memory is paid for."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
from energy_strategies import profiles
from fleet_power import choice, place, power_of, true_watts
from hypothesis import given
from hypothesis import strategies as st
from price_cases import PROFILES, STEEP, shapes_of
from small_fleets import GIBIBYTE, NEW, OLD, fleet_of

from cluster.scheduling.feasibility import feasible
from cluster.scheduling.table import NodeTable
from energy.envelope import convex_envelope
from energy.power_curve import PowerCurve
from energy.profile import NodePowerProfile
from pricing.envelope import Envelope
from pricing.fleet_state import FleetState
from pricing.price_program import PriceProgram
from simulator.pod_file import pod_of

USAGES = st.sampled_from([0.3, 0.5, 0.6, 1.0])
# The last tenth of its load costs as much as the nine before.
KNEE_RATIO = 0.9
KNEE = NodePowerProfile(
    name="knee",
    curve=PowerCurve(utilisation_ratios=(0.0, KNEE_RATIO, 1.0), watts=(100.0, 190.0, 280.0)),
)


def envelopes(fleet, usage_ratio, *, sleep, watts_per_gibibyte):
    """The envelope of each node, with what its memory earns."""
    return [
        convex_envelope(
            profile,
            usage_ratio,
            node_may_sleep=sleep,
            earned_watts=price * node.allocatable.memory_bytes / GIBIBYTE,
        )
        for node, profile, price in zip(
            fleet.nodes, fleet.profiles, watts_per_gibibyte, strict=True
        )
    ]


@given(
    kinds=st.lists(profiles(), min_size=2, max_size=3),
    usage_ratio=USAGES,
    sleep=st.booleans(),
    prices=st.lists(st.sampled_from([0.0, 0.3, 2.0]), min_size=3, max_size=3),
    shares=st.lists(st.integers(0, 1000), min_size=3, max_size=3),
    size=st.integers(0, 1000),
)
def test_a_pod_costs_what_it_adds_along_the_envelope(
    kinds, usage_ratio, sleep, prices, shares, size
):
    """Watts per core are the difference of the envelope's watts at the two loads, on every node."""
    fleet = fleet_of(*((1, 4 * 2**n, 32, profile) for n, profile in enumerate(kinds)))
    given_prices = np.array(prices[: len(fleet.classes.classes)])
    rule = Envelope(power_of(fleet, usage_ratio=usage_ratio, sleep=sleep), given_prices)
    table = NodeTable.of(fleet.nodes)
    per_node = given_prices[fleet.classes.class_of_node]
    expected = []
    for row, envelope in enumerate(
        envelopes(fleet, usage_ratio, sleep=sleep, watts_per_gibibyte=per_node)
    ):
        millicores = fleet.nodes[row].allocatable.cpu_millicores
        before = shares[row] * (millicores - 1000) // 1000
        table.assign(pod_of(f"p{row}", before, 1), row)
        added = max(size, 1)
        loads = [usage_ratio * used / millicores for used in (before, before + added)]
        expected.append(1000 / added * (envelope.watts_at(loads[1]) - envelope.watts_at(loads[0])))

    scale = max(max(profile.curve.watts) for profile in kinds)
    found = rule.watts_per_core(table, pod_of("new", size, 1))
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-7 * scale)


@given(profile=profiles(), usage_ratio=USAGES, sleep=st.booleans(), data=st.data())
def test_loads_on_one_piece_cost_the_same(profile, usage_ratio, sleep, data):
    """Two nodes on the same piece of the same envelope are equals, so that pods pack."""
    fleet = fleet_of((2, 64, 64, profile), (1, 64, 64, NEW))
    envelope = convex_envelope(profile, usage_ratio, node_may_sleep=sleep)
    edges = [int(64_000 * ratio / usage_ratio) for ratio in envelope.utilisation_ratios]
    wide = [
        (low + 1, high - 1) for low, high in pairwise(edges) if high <= 64_000 and high - low > 500
    ]
    low, high = data.draw(st.sampled_from(wide or [(0, 0)]))
    size = 100
    table = NodeTable.of(fleet.nodes)
    for row in (0, 1):
        table.assign(pod_of(f"p{row}", data.draw(st.integers(low, max(low, high - size))), 1), row)
    costs = Envelope(power_of(fleet, usage_ratio=usage_ratio, sleep=sleep)).costs(
        table, pod_of("new", size, 1)
    )

    assert not wide or costs[0] == costs[1]


@pytest.mark.parametrize("price", [0.0, 0.5])
def test_loads_that_save_watts_keep_their_order(price):
    """A curve that falls at first, as some measured ones do, falls at the steepest first."""
    falling = NodePowerProfile(
        name="falling",
        curve=PowerCurve(utilisation_ratios=(0.0, 0.3, 0.6, 1.0), watts=(100.0, 70.0, 60.0, 90.0)),
    )
    fleet = fleet_of((3, 10, 64, falling), (1, 10, 64, NEW))
    table = NodeTable.of(fleet.nodes)
    for row, load in enumerate((0, 3000, 6000)):
        table.assign(pod_of(f"p{row}", load, 1), row)
    rule = Envelope(power_of(fleet, sleep=False), np.array([0.0, price]))
    costs = rule.costs(table, pod_of("new", 1000, 64))

    assert costs[0] < costs[1] < costs[2]


def test_past_the_steep_end_a_cheaper_class_is_taken_first():
    """A node at its most efficient load is left until nothing cheaper has room, then filled."""
    dear = NodePowerProfile(name="dear", curve=PowerCurve.linear(100.0, 400.0))
    fleet = fleet_of((1, 10, 64, KNEE), (1, 10, 64, dear))
    nodes = place(
        Envelope(power_of(fleet)),
        NodeTable.of(fleet.nodes),
        [pod_of(f"p{n}", 1000, 1) for n in range(21)],
    )

    assert nodes == [0] * 9 + [1] * 10 + [0, -1]


@given(
    pods=st.lists(st.tuples(st.integers(50, 4000), st.booleans()), max_size=60),
    sleep=st.booleans(),
)
def test_no_pod_starts_past_the_knee_while_an_awake_node_has_room_below_it(pods, sleep):
    """On one class, a node past its best load takes a pod only if no awake one has room below."""
    fleet = fleet_of((4, 10, 64, KNEE))
    rule, table = Envelope(power_of(fleet, sleep=sleep)), NodeTable.of(fleet.nodes)
    running = []
    for number, (size, leaves) in enumerate(pods):
        pod = pod_of(f"p{number}", size, 1)
        fits, before = feasible(table, pod), table.requested_cpu_millicores.copy()
        below = fits & (table.pod_count > 0) & (before + size <= 10_000 * KNEE_RATIO)
        node = choice(rule, table, pod)
        assert (node >= 0) == fits.any()
        if node >= 0:
            assert before[node] < 10_000 * KNEE_RATIO or not below.any()
            table.assign(pod, node)
            running.append((pod, node))
        if leaves and running:
            table.release(*running.pop(number % len(running)))


@given(
    parts=st.lists(
        st.tuples(st.integers(1, 3), st.sampled_from([4, 8, 16]), st.sampled_from(PROFILES)),
        min_size=1,
        max_size=3,
        unique_by=lambda part: part[1:],
    ),
    usage_ratio=st.sampled_from([0.5, 1.0]),
    sleep=st.booleans(),
    fill=st.floats(0.0, 1.0),
)
def test_filling_a_fleet_costs_what_the_program_says_it_must(parts, usage_ratio, sleep, fill):
    """Identical small pods cost the bound along the envelopes, to a pod per class and near-ties.

    By the curves themselves they cost no more than that and one node per class off its corners.
    """
    fleet = fleet_of(*((count, cores, 64, profile) for count, cores, profile in parts))
    table, groups = NodeTable.of(fleet.nodes), fleet.classes.classes
    pods = int(fill * 2 * sum(group.count * group.cpu_cores for group in groups))
    place(
        Envelope(power_of(fleet, usage_ratio=usage_ratio, sleep=sleep)),
        table,
        [pod_of(f"p{n}", 500, 1) for n in range(pods)],
    )
    bound = PriceProgram(
        groups, shapes_of((0.5, 1 / 1024)), usage_ratio=usage_ratio, nodes_may_sleep=sleep
    ).solve(FleetState.empty(groups), [float(pods)])
    curves = envelopes(fleet, usage_ratio, sleep=sleep, watts_per_gibibyte=[0.0] * len(fleet.nodes))
    loads = usage_ratio * table.requested_cpu_millicores / table.allocatable_cpu_millicores
    watts = sum(curve.watts_at(load) for curve, load in zip(curves, loads, strict=True))
    a_pod = sum(0.5 * max(group.curve.watts) / group.cpu_cores for group in groups)
    grid = np.linspace(0.0, usage_ratio, 161)
    off_corners = sum(
        (group.curve.watts_at_each(grid) - curve.watts_at_each(grid)).max()
        for number, group in enumerate(groups)
        for curve in [curves[int(np.argmax(fleet.classes.class_of_node == number))]]
    )

    assert bound.watts - 1e-3 <= watts <= 1.01 * bound.watts + a_pod
    true = true_watts(fleet, table, usage_ratio=usage_ratio, sleep=sleep)
    assert bound.watts - 1e-3 <= true <= 1.01 * bound.watts + a_pod + off_corners


def test_a_pod_that_needs_much_memory_goes_where_memory_is_worth_less():
    """At prices of memory, heavy pods leave the scarce class to the light ones."""
    fleet = fleet_of((2, 16, 16, OLD), (2, 16, 64, OLD))
    rule = Envelope(power_of(fleet), np.array([3.0, 0.0]))
    table = NodeTable.of(fleet.nodes)

    assert choice(rule, table, pod_of("light", 1000, 128)) < 2
    assert choice(rule, table, pod_of("heavy", 1000, 8192)) >= 2


@given(prices=st.lists(st.floats(0.0, 10.0), min_size=3, max_size=3), sleep=st.booleans())
def test_dearer_memory_never_attracts_a_pod_that_takes_all_of_it(prices, sleep):
    """On nodes alike but for memory prices, a pod that fills the memory goes by these alone."""
    kinds = [replace(OLD, name=name) for name in "abc"]
    fleet = fleet_of(*((1, 16, 32, kind) for kind in kinds))
    rule = Envelope(power_of(fleet, sleep=sleep), np.array(prices))
    costs = rule.costs(NodeTable.of(fleet.nodes), pod_of("p", 1000, 32 * 1024))
    watts = 32 * np.array(prices)

    for one, other in product(range(3), repeat=2):
        # Cores that cost nearly the same share a step.
        assert costs[one] < costs[other] or watts[one] + 1.0 > watts[other]


@given(
    used=st.lists(st.integers(0, 8000), min_size=3, max_size=3),
    price=st.sampled_from([0.0, 0.5]),
    memory=st.integers(1, 4096),
)
def test_a_pod_without_a_cpu_request_is_ranked_like_the_smallest_one(used, price, memory):
    """It costs a finite amount everywhere, in the order of one that requests a millicore."""
    fleet = fleet_of((1, 8, 32, OLD), (1, 8, 32, NEW), (1, 8, 32, STEEP))
    table = NodeTable.of(fleet.nodes)
    for row, millicores in enumerate(used):
        table.assign(pod_of(f"p{row}", millicores, 1), row)
    rule = Envelope(power_of(fleet), np.full(3, price))
    none, least = (rule.costs(table, pod_of("p", size, memory)) for size in (0, 1))

    assert np.isfinite(none).all()
    assert none.tolist() == least.tolist()


@given(load=st.integers(0, 7000))
def test_the_reason_names_the_price_and_the_load(load):
    """The sentence gives the watts per core that the rule ranks by, and a GiB's if it has one."""
    fleet = fleet_of((1, 8, 32, STEEP), (1, 8, 32, NEW))
    table, pod = NodeTable.of(fleet.nodes), pod_of("p", 1000, 1024)
    table.assign(pod_of("a", load, 1), 0)
    plain, priced = (Envelope(power_of(fleet), prices) for prices in (None, np.array([1.25, 0])))

    price = plain.watts_per_core(table, pod)[0]
    assert f"{price:.2f} W" in plain.reason(table, pod, 0)
    assert f"{load / 8000:.0%}" in plain.reason(table, pod, 0)
    assert "GiB" not in plain.reason(table, pod, 0)
    assert "1.25 W" in priced.reason(table, pod, 0)
