"""Prices come in time or say that they do not, and move only when there is a reason."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from price_cases import cases, shapes_of
from small_fleets import GIBIBYTE, NEW, OLD, fleet_of

from cluster.model import Resources
from energy.cost import fill_cost_watts_per_core
from energy.errors import InputError
from pricing.fleet_state import FleetState
from pricing.price_program import PriceProgram, Unsolved
from pricing.prices import BidPrices, Pricer, PriceSource

GROUPS = fleet_of((4, 8, 32, OLD), (4, 8, 32, NEW)).classes.classes
EMPTY = FleetState.empty(GROUPS)


class Failing(PriceProgram):
    """A program whose solver can be made to run out of time."""

    late = False

    def solve(self, state, counts, *, deadline_seconds=60.0):
        """Solve, or have no time at all."""
        return super().solve(state, counts, deadline_seconds=-1.0 if self.late else 60.0)


def pricer(**settings):
    """A pricer of two classes and one shape, and its program."""
    program = Failing(GROUPS, shapes_of((1, 2)))
    return Pricer(program, **settings), program


def test_late_prices_are_kept_then_given_up_then_solved_again():
    """Each answer says where its prices come from, and why."""
    subject, program = pricer(stale_seconds=60.0)
    solved = subject.update(EMPTY, [4.0], 0.0)
    program.late = True
    kept = subject.update(EMPTY, [40.0], 30.0)
    stale = subject.update(EMPTY, [40.0], 61.0)
    program.late = False
    again = subject.update(EMPTY, [40.0], 62.0)

    assert [each.source for each in (solved, kept, stale, again)] == [
        PriceSource.SOLVED,
        PriceSource.KEPT,
        PriceSource.FALLBACK,
        PriceSource.SOLVED,
    ]
    assert kept.watts_per_core.tolist() == solved.watts_per_core.tolist()
    assert "in time" in kept.reason
    assert "30 s old" in kept.reason
    assert "61 s old" in stale.reason
    assert stale.watts is None
    assert again.watts > kept.watts


def test_before_the_first_prices_there_is_the_fill_cost():
    """A pricer that never solved falls back to the order of a careful label."""
    subject, program = pricer()
    program.late = True
    prices = subject.update(EMPTY, [4.0], 0.0)

    assert prices.source is PriceSource.FALLBACK
    assert prices.watts_per_core == pytest.approx([295.0 / 8, 245.0 / 8])
    assert prices.watts_per_gibibyte.tolist() == [0.0, 0.0]
    assert (prices.awake_nodes, prices.placed_counts) == (None, None)


@given(
    usage_ratio=st.floats(0.1, 1.0),
    ceiling_ratio=st.floats(0.1, 1.0),
    nodes_may_sleep=st.booleans(),
)
def test_the_fallback_is_the_fill_cost_of_a_requested_core(
    usage_ratio, ceiling_ratio, nodes_may_sleep
):
    """A requested core costs its use times what a used core costs on a full node."""
    prices = BidPrices.fallback(
        GROUPS,
        usage_ratio=usage_ratio,
        ceiling_ratio=ceiling_ratio,
        nodes_may_sleep=nodes_may_sleep,
        reason="asked for",
    )
    full = min(usage_ratio, ceiling_ratio)
    expected = [
        usage_ratio
        * fill_cost_watts_per_core(group.profile, 8, full, node_may_sleep=nodes_may_sleep)
        for group in GROUPS
    ]

    assert prices.watts_per_core == pytest.approx(expected)


def test_a_pod_costs_what_it_requests_at_the_prices():
    """Cores, GiB and extended units, each at its price; an unknown resource costs nothing."""
    prices = BidPrices(
        watts_per_core=np.array([2.0, 4.0]),
        watts_per_gibibyte=np.array([1.0, 0.0]),
        watts_per_extended={"gpu": np.array([10.0, 20.0])},
        source=PriceSource.SOLVED,
        reason="",
    )
    requests = Resources(
        cpu_millicores=500, memory_bytes=3 * GIBIBYTE, extended={"gpu": 2, "other": 1}
    )

    assert prices.pod_watts(requests).tolist() == [24.0, 42.0]


@given(case=cases(), counts=st.lists(st.lists(st.integers(0, 8), min_size=4, max_size=4)))
def test_published_prices_stay_within_the_hysteresis_of_the_solved_ones(case, counts):
    """A class's prices either moved to the new ones or lie within the stated share of them."""
    subject = Pricer(case.program(), deadline_seconds=60.0, hysteresis_ratio=0.1)
    before = subject.update(case.state, case.counts, 0.0)
    for numbers in counts:
        now = subject.update(case.state, np.array(numbers[: len(case.shapes)], dtype=float), 1.0)
        published = np.stack([now.watts_per_core, now.watts_per_gibibyte])
        held = np.stack([before.watts_per_core, before.watts_per_gibibyte])
        solved = np.stack([now.solution.watts_per_core, now.solution.watts_per_gibibyte])

        for group in range(len(case.classes)):
            same = np.array_equal(published[:, group], held[:, group])
            change = np.abs(solved[:, group] - held[:, group])
            small = change <= np.maximum(0.1 * np.maximum(solved, held)[:, group], 0.01)
            assert same if small.all() else np.array_equal(published[:, group], solved[:, group])
        before = now


def test_what_does_not_fit_is_said_with_the_prices():
    """Solved prices of a demand beyond the fleet say how many pods wait, and of overloads."""
    subject, _ = pricer()

    assert "36 pods fit nowhere" in subject.update(EMPTY, [100.0], 0.0).reason
    crowded = replace(EMPTY, awake_nodes=np.ones(2), placed_cpu_cores=np.array([50.0, 0.0]))
    assert "1 of 2 classes" in subject.update(crowded, [1.0], 1.0).reason
    assert subject.update(EMPTY, [1.0], 2.0).reason == "every pod fits"


def test_nonsense_is_refused_and_harms_no_later_prices():
    """A count that is no number raises at once, and the next prices are as before."""
    subject, _ = pricer()
    before = subject.update(EMPTY, [4.0], 0.0)
    with pytest.raises(InputError, match="negative or no number"):
        subject.update(EMPTY, [float("nan")], 1.0)
    after = subject.update(EMPTY, [4.0], 2.0)

    assert after.watts == pytest.approx(before.watts)


def test_prices_that_were_not_settled_in_time_say_so():
    """With time for one solve only, the first's duals are used: valid, and marked."""
    subject, program = pricer()
    ends = iter(["", "late"])
    solve_once = program._run  # noqa: SLF001 - no clock makes only the second solve late
    program._run = lambda end_seconds: solve_once(end_seconds) or next(ends)  # noqa: SLF001
    prices = subject.update(EMPTY, [4.0], 0.0)

    assert prices.source is PriceSource.SOLVED
    assert "settle" in prices.reason
    # Eight nodes asleep, and half of a better one awake and full instead.
    assert prices.watts == pytest.approx(8 * 5 + 245 / 2)


def test_a_solver_that_ends_badly_gives_a_reason():
    """Whatever else a solver may say becomes a fallback with its words."""
    subject, program = pricer()
    program.solve = lambda *_, **__: Unsolved("the solver ended with: unknown")

    assert "unknown" in subject.update(EMPTY, [4.0], 0.0).reason
