"""Prices of the running mix: of what runs and of the open nodes, and of nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from fleet_power import power_of
from hypothesis import given, settings
from hypothesis import strategies as st
from price_cases import STEEP
from small_fleets import NEW, OLD, fleet_of

from cluster.scheduling.table import NodeTable
from pricing.mix_pricing import SOLVE_EVERY_SECONDS, MixPricing
from pricing.prices import PriceSource
from simulator.pod_file import pod_of

# The good class has little memory, so that memory has a price.
FLEET = fleet_of((3, 16, 16, NEW), (3, 16, 64, OLD), (2, 8, 64, STEEP))
POWER = power_of(FLEET)
KINDS = st.tuples(st.sampled_from([500, 1000, 3000]), st.sampled_from([256, 2048, 6144]))
MIXES = st.lists(KINDS, min_size=1, max_size=25)


def pods_of(mix):
    """Pods of (millicores, mebibytes) kinds."""
    return [pod_of(f"p{number}", cpu, memory) for number, (cpu, memory) in enumerate(mix)]


def priced(pods, table=None, now_seconds=0.0):
    """The pricing of a mix."""
    pricing = MixPricing(POWER)
    for pod in pods:
        pricing.placed(pod)
    pricing.refresh(table or NodeTable.of(FLEET.nodes), now_seconds)
    return pricing


def same(one, other):
    """Whether two pricings have the same prices."""
    return (
        one.prices.watts_per_core == pytest.approx(other.prices.watts_per_core, abs=1e-6)
    ) and one.prices.watts_per_gibibyte == pytest.approx(other.prices.watts_per_gibibyte, abs=1e-6)


@settings(max_examples=40)
@given(mix=MIXES, order=st.randoms(), data=st.data())
def test_prices_depend_on_the_mix_and_not_on_where_or_in_which_order_it_runs(mix, order, data):
    """Pods spread over other nodes, or come in another order, at the same prices."""
    pods, table = pods_of(mix), NodeTable.of(FLEET.nodes)
    for pod in pods:
        table.assign(pod, data.draw(st.integers(0, len(FLEET.nodes) - 1)))
    shuffled = pods.copy()
    order.shuffle(shuffled)

    assert same(priced(pods), priced(shuffled, table, 777.0))


@settings(max_examples=40)
@given(mix=MIXES, others=MIXES, order=st.randoms())
def test_pods_that_came_and_left_leave_no_trace(mix, others, order):
    """Whatever the order of comings and goings, the prices are those of the pods that stay."""
    staying = pods_of(mix)
    leaving = [pod_of(f"q{number}", cpu, memory) for number, (cpu, memory) in enumerate(others)]
    comings = staying + leaving
    order.shuffle(comings)
    pricing = MixPricing(POWER)
    for pod in comings:
        pricing.placed(pod)
    order.shuffle(leaving)
    for pod in leaving:
        pricing.left(pod)
    pricing.refresh(NodeTable.of(FLEET.nodes), 0.0)

    assert same(pricing, priced(staying))
    assert pricing.prices.placed_counts.sum() + pricing.prices.solution.unplaced_counts.sum() == (
        pytest.approx(len(staying))
    )


@settings(max_examples=20)
@given(mix=MIXES)
def test_prices_stand_still_while_nothing_changes(mix):
    """Solved again and again, the same mix has the same prices and the rule ranks alike."""
    pricing, table = priced(pods_of(mix)), NodeTable.of(FLEET.nodes)
    before, rule = pricing.prices, pricing.rule
    for turn in range(1, 4):
        pricing.refresh(table, turn * SOLVE_EVERY_SECONDS)

    assert pricing.rule is not rule
    assert pricing.prices.watts_per_gibibyte.tolist() == before.watts_per_gibibyte.tolist()
    for cpu, memory in {*mix, (0, 100)}:
        pod = pod_of("new", cpu, memory)
        assert pricing.rule.costs(table, pod).tolist() == rule.costs(table, pod).tolist()


def test_the_mix_is_priced_when_it_is_time_or_twice_as_large():
    """Between solves the rule stays the very same, unless the number of pods doubles."""
    pricing, table = priced(pods_of([(1000, 2048)] * 4)), NodeTable.of(FLEET.nodes)
    rule = pricing.rule
    for number in range(3):
        pricing.placed(pod_of(f"q{number}", 1000, 2048))
        pricing.refresh(table, SOLVE_EVERY_SECONDS - 1.0)
    assert pricing.rule is rule

    pricing.placed(pod_of("q3", 1000, 2048))
    pricing.refresh(table, SOLVE_EVERY_SECONDS - 1.0)
    assert pricing.rule is not rule


def test_an_empty_mix_has_no_prices_and_needs_none():
    """Before the first pod there is the plain envelope; after the last one, the last prices."""
    table, pricing = NodeTable.of(FLEET.nodes), MixPricing(POWER)
    pricing.refresh(table, 0.0)
    assert pricing.prices is None
    assert np.isfinite(pricing.rule.costs(table, pod_of("p", 1000, 1024))).all()

    (pod,) = pods_of([(1000, 2048)])
    pricing.placed(pod)
    pricing.refresh(table, 1.0)
    prices = pricing.prices
    pricing.left(pod)
    pricing.refresh(table, 1e6)
    assert pricing.prices is prices


@settings(max_examples=40)
@given(mix=MIXES, cordoned=st.sets(st.integers(0, len(FLEET.nodes) - 1)))
def test_cordoned_nodes_are_not_counted(mix, cordoned):
    """The optimum wakes no more nodes of a class than are open, and places pods on no others."""
    table = NodeTable.of(FLEET.nodes)
    for row in cordoned:
        table.cordon(row)
    prices = priced(pods_of(mix), table).prices
    open_nodes = np.zeros(3)
    for row in set(range(len(FLEET.nodes))) - cordoned:
        open_nodes[FLEET.classes.class_of_node[row]] += 1

    assert prices.source is PriceSource.SOLVED
    assert (prices.awake_nodes <= open_nodes + 1e-6).all()
    assert prices.placed_counts[:, open_nodes == 0].sum() == pytest.approx(0.0, abs=1e-6)


def test_heavy_pods_make_the_memory_of_the_good_class_dear():
    """Where memory has a price a heavy pod avoids the class that a light pod still takes."""
    pricing = priced(pods_of([(1000, 256), (1000, 6144)] * 8))
    table = NodeTable.of(FLEET.nodes)
    light, heavy = (
        FLEET.classes.class_of_node[pricing.rule.costs(table, pod_of("new", 1000, memory)).argmin()]
        for memory in (256, 12_288)
    )

    assert pricing.prices.watts_per_gibibyte[0] > 0.0
    assert light == 0
    assert heavy > 0
