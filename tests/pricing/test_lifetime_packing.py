"""Packing by lifetimes: the table conserves, the choice is what its definition says, and why."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_fleets import NEW, fleet_of

from cluster.scheduling.table import NodeTable
from energy.errors import InputError
from pricing.lifetime_curve import AHEAD_CELLS, HORIZON_SECONDS
from pricing.lifetime_packing import DepartureTable, choose_by_lifetime, reason_of
from pricing.lifetimes import KnownLifetimes
from pricing.rules import fullness
from simulator.pod_file import pod_of

HOUR = 3600.0
PLACEMENTS = st.lists(st.tuples(st.integers(0, 4), st.integers(60, 300_000)), max_size=25)


def scene(placements, nodes=5):
    """A fleet, its departures and what runs there: (node, lifetime in seconds) per pod."""
    known = {("simulated", f"p{n}"): float(row[1]) for n, row in enumerate(placements)}
    known["simulated", "new"] = 4 * HOUR
    table = NodeTable.of(fleet_of((nodes, 64, 256, NEW)).nodes)
    departures = DepartureTable(nodes, KnownLifetimes(known))
    for number, (node, _) in enumerate(placements):
        subject = pod_of(f"p{number}", 500, 1024)
        table.assign(subject, node)
        departures.placed(subject, node, 0.0)
    return table, departures


@given(PLACEMENTS, PLACEMENTS, st.randoms())
def test_what_has_come_and_gone_leaves_no_trace(before, between, random):
    """Pods placed and released in any order leave every node's prospects as they were."""
    _, departures = scene(before + between)
    _, untouched = scene(before)
    numbers = list(range(len(before), len(before) + len(between)))
    random.shuffle(numbers)
    for number in numbers:
        departures.left(pod_of(f"p{number}", 500, 1024), between[number - len(before)][0])

    everywhere = np.arange(5)
    np.testing.assert_allclose(
        departures.emptied_ratios(everywhere, 0.0), untouched.emptied_ratios(everywhere, 0.0)
    )


@given(PLACEMENTS, st.floats(0.0, 200_000.0))
def test_a_node_empties_when_its_last_pod_leaves(placements, now):
    """With known lifetimes the expectation is the latest departure, within a step of the grid."""
    _, departures = scene(placements)
    latest = np.zeros(5)
    for node, lifetime in placements:
        latest[node] = max(latest[node], lifetime)

    empties_at = departures.empties_at_seconds(np.arange(5), now)
    # Pods that leave within one step of the grid are taken for independent of each other.
    slack = 0.5 * np.maximum(latest - now, 60.0) + 60.0
    assert (np.abs(empties_at - np.maximum(latest, now)) <= slack).all()


@given(PLACEMENTS)
def test_probabilities_are_probabilities(placements):
    """A node empties more surely the longer one waits; a node without pods is empty."""
    _, departures = scene(placements)
    emptied = departures.emptied_ratios(np.arange(5), 0.0)

    assert emptied.shape == (5, AHEAD_CELLS)
    assert ((emptied >= 0) & (emptied <= 1)).all()
    assert (np.diff(emptied, axis=1) >= 0).all()
    bare = sorted(set(range(5)) - {node for node, _ in placements})
    assert (emptied[bare] == 1).all()


@given(PLACEMENTS, st.permutations(range(5)))
def test_the_order_of_nodes_decides_only_between_equals(placements, order):
    """However nodes are numbered, the chosen one is as full and as little extended."""
    pod, everywhere = pod_of("new", 500, 1024), np.arange(5)
    found = []
    for rows in (placements, [(order[node], lifetime) for node, lifetime in placements]):
        table, departures = scene(rows)
        choice = choose_by_lifetime(table, departures, pod, everywhere, 0.0)
        chosen = choice.chosen
        found.append((choice.fullness_ratios[chosen], choice.extension_ratios[chosen]))

    weighed = [full - extension for full, extension in found]
    assert weighed[0] == pytest.approx(weighed[1])


@given(PLACEMENTS)
def test_a_sleeping_node_is_woken_only_if_all_sleep(placements):
    """A node without pods is never chosen while one with pods costs the same."""
    table, departures = scene(placements)
    choice = choose_by_lifetime(table, departures, pod_of("new", 500, 1024), np.arange(5), 0.0)

    assert (table.pod_count[choice.node] > 0) == bool(placements)


@given(st.integers(60, 500_000), st.integers(1, 5))
def test_where_lifetimes_tell_nothing_the_fuller_node_wins(lifetime, pods):
    """Nodes with the same prospects are packed as without lifetimes."""
    table, departures = scene([(node, lifetime) for node in range(5)])
    table.assign(pod_of("big", 1000 * pods, 1024), 3)
    pod = pod_of("new", 500, 1024)

    choice = choose_by_lifetime(table, departures, pod, np.arange(5), 0.0)
    assert choice.node == int(fullness(table, pod, np.arange(5)).argmax()) == 3


def test_pods_that_leave_together_live_together():
    """Of nodes as full as each other the one that stays awake anyway takes the long pod."""
    table, departures = scene([(0, 600), (1, 40 * HOUR), (2, 1200)])
    choice = choose_by_lifetime(table, departures, pod_of("new", 500, 1024), np.arange(5), 0.0)

    assert choice.node == 1
    assert choice.extension_ratios[choice.chosen] == 0.0
    reason = reason_of(choice, departures, pod_of("new", 500, 1024), 0.0)
    assert "expected to stay 4.0 h and the node's others 40.0 h" in reason
    assert "0% of its stay" in reason
    assert "best of 3 awake nodes" in reason


def test_the_reason_names_nodes_that_all_sleep():
    """Nothing speaks for one empty node over another."""
    table, departures = scene([])
    pod = pod_of("new", 500, 1024)
    choice = choose_by_lifetime(table, departures, pod, np.arange(5), 0.0)

    assert "all nodes of this cost are empty" in reason_of(choice, departures, pod, 0.0)


class Stayer:
    """A model that is wrong about young pods and right about old ones."""

    def remaining_seconds(self, pod, age_seconds):
        """Soon at first, long once it has stayed."""
        return 60.0 if age_seconds < HOUR else HORIZON_SECONDS

    def quantile_seconds(self, pod, age_seconds, share):
        """The same."""
        return self.remaining_seconds(pod, age_seconds)

    def leaving_ratios(self, pod, age_seconds):
        """Gone at once at first, never once it has stayed."""
        return np.full(AHEAD_CELLS, 1.0 if age_seconds < HOUR else 0.0)


def test_a_pod_that_outlives_its_prediction_is_asked_about_again():
    """The first guess is corrected without anybody telling the table."""
    departures = DepartureTable(1, Stayer())
    departures.placed(pod_of("new", 500, 1024), 0, 0.0)

    assert departures.empties_at_seconds(np.array([0]), 60.0)[0] == 60.0
    later = departures.empties_at_seconds(np.array([0]), 2 * HOUR)[0]
    assert later == pytest.approx(2 * HOUR + HORIZON_SECONDS)


def test_a_moved_pod_keeps_its_age():
    """What is known of a pod's stay moves with it."""
    departures = DepartureTable(2, Stayer())
    pod = pod_of("new", 500, 1024)
    departures.placed(pod, 0, 0.0)
    began = departures.left(pod, 0)
    departures.placed(pod, 1, 2 * HOUR, age_seconds=2 * HOUR - began)

    assert departures.empties_at_seconds(np.array([0, 1]), 2 * HOUR)[1] > 24 * HOUR


def test_the_table_refuses_what_cannot_have_happened():
    """A pod leaves only where it was, and comes only once."""
    _, departures = scene([(0, 600)])
    pod = pod_of("p0", 500, 1024)

    with pytest.raises(InputError, match="on node 0 already"):
        departures.placed(pod, 0, 1.0)
    with pytest.raises(InputError, match="not on node 3"):
        departures.left(pod, 3)
