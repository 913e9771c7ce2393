"""Policies by name: what may be asked for, what moves cost and lose, what lifetimes change."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest
from small_fleets import NEW, OLD, fleet_of, stream_of

from energy.catalogue import Catalogue
from energy.errors import InputError
from simulator.accounting import account
from simulator.chooser import NodeEvent, NodeEventKind
from simulator.churn import Churn, ShapeTable, churn_stream
from simulator.engine import run
from simulator.fleet import named_fleet
from simulator.policies import POLICIES, policy_names
from simulator.policy import Setting

SLEEP = Setting(usage_ratio=1.0, nodes_may_sleep=True)
SETTINGS = (SLEEP, Setting(usage_ratio=0.5, nodes_may_sleep=False))
HOURS, RATE = 10.0, 0.25
VARIANTS = (
    "negawatt:once",
    "negawatt:demand-none",
    "negawatt:two-classes",
    "negawatt:demand-past",
    "lifetimes:known",
    "lifetimes:shuffled",
    "envelope+moves5",
    "negawatt+moves5",
)


@cache
def churn():
    """A fleet and ten hours of pods that come and go."""
    fleet = named_fleet("20/30/10", Catalogue.shipped())
    rng = np.random.default_rng([11, 0])
    return fleet, churn_stream(ShapeTable.shipped(), fleet, Churn(load_ratio=0.3, hours=HOURS), rng)


@cache
def outcome(name, setting=SLEEP):
    """The record of a policy on the churn, and its energy."""
    fleet, stream = churn()
    chooser = POLICIES[name].build(fleet, setting, 1)
    chooser.foresee(stream)
    record = run(
        POLICIES[name].nodes(fleet, setting),
        stream,
        chooser,
        end_seconds=HOURS * 3600.0,
        clock=lambda: 0.0,
        mover=POLICIES[name].build_mover(fleet, setting, chooser),
    )
    energy = account(
        record, fleet.profiles, fleet.cpu_cores,
        usage_ratio=setting.usage_ratio, nodes_may_sleep=setting.nodes_may_sleep,
    )  # fmt: skip
    return record, energy


def test_a_policy_with_moves_is_named_by_its_base_and_its_rate():
    """Names with a rate are found, place as their base, and are listed by no `all`."""
    assert policy_names("envelope+moves0.25,default,bound") == (
        "envelope+moves0.25", "default", "bound",
    )  # fmt: skip
    assert POLICIES["envelope+moves0.25"].name == "envelope+moves0.25"
    assert not any("+moves" in name for name in policy_names("all"))
    assert set(VARIANTS).isdisjoint(policy_names("all"))


@pytest.mark.parametrize("rate", ["x", "", "-1", "nan", "inf", "1+moves1"])
def test_a_rate_that_is_none_is_refused_in_one_line(rate):
    """Nonsense behind +moves ends in one line that repeats it."""
    with pytest.raises(InputError) as caught:
        policy_names(f"envelope+moves{rate}")
    assert "\n" not in str(caught.value)
    assert f"envelope+moves{rate}" in str(caught.value)


@pytest.mark.parametrize("name", ["+moves1", "nonsense+moves1", "nonsense", " , "])
def test_a_name_that_is_none_is_refused_in_one_line(name):
    """Nonsense ends in one line that names it and what would do."""
    with pytest.raises(InputError) as caught:
        policy_names(name)
    assert "\n" not in str(caught.value)
    assert name.strip(" ,") in str(caught.value)
    assert {*POLICIES, *POLICIES.others} <= set(re.findall(r"[\w:-]+", str(caught.value)))


def test_what_is_no_change_of_a_listed_policy_is_offered_too():
    """Tiers, the extender and the prediction service are policies that users may want."""
    assert POLICIES.others == (
        "tiers",
        "tiers:memory",
        "extender",
        "predict-regressor",
        "predict-forest",
    )


@pytest.mark.parametrize("base", ["default", "most-allocated", "random", "round-robin"])
def test_a_policy_without_a_rule_moves_nothing_and_says_so(base):
    """kube-scheduler alone says nothing of moves: the name is refused before anything runs."""
    with pytest.raises(InputError, match="no policy is named") as caught:
        policy_names(f"{base}+moves0.5")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("base", ["envelope", "efficiency-order", "lifetimes"])
def test_moves_stay_within_their_budget_and_waste_no_pod(base):
    """No more evictions than the rate; the same pods run as long as without moves."""
    moved, energy = outcome(f"{base}+moves{RATE}")
    still, before = outcome(base)

    assert energy.evictions > 0
    # Nothing was saved up before the start; ticks see the pods of their own moment.
    assert energy.evictions_per_pod_day <= 1.05 * RATE
    assert energy.evictions == len(moved.move_seconds)
    assert before.evictions == 0
    assert moved.pending_pods == still.pending_pods == 0
    assert moved.placed_seconds.tolist() == still.placed_seconds.tolist()
    assert energy.running_pod_seconds == pytest.approx(before.running_pod_seconds)


def test_moves_save_energy_where_placement_keeps_what_they_emptied():
    """Emptied nodes stay empty under the rule that chose the moves: the energy falls."""
    assert outcome(f"envelope+moves{RATE}")[1].energy_joules < outcome("envelope")[1].energy_joules


def test_no_budget_is_no_move():
    """With a rate of nought, pods stand where they would without."""
    moved, _ = outcome("envelope+moves0")
    still, _ = outcome("envelope")

    assert moved.node_of_pod.tolist() == still.node_of_pod.tolist()
    assert len(moved.move_seconds) == 0


def test_lifetimes_break_ties_by_what_is_known_of_them():
    """Known, predicted and shuffled, all pods run equally long, but not in the same places."""
    names = ("lifetimes", "lifetimes:known", "lifetimes:shuffled")
    runs = [outcome(name) for name in names]
    served = outcome("priced-envelope")[1].running_pod_seconds

    for record, energy in runs:
        assert record.pending_pods == 0
        assert energy.running_pod_seconds == pytest.approx(served)
    places = {tuple(record.node_of_pod.tolist()) for record, _ in runs}
    assert len(places) == len(names)


@pytest.mark.parametrize(
    "name",
    [name for name, policy in POLICIES.items() if not policy.heeds_sleep],
)
def test_a_policy_places_alike_where_it_says_that_it_heeds_nothing(name):
    """What a policy does not heed changes none of its placements."""
    policy = POLICIES[name]
    usage_ratio = 1.0 if policy.heeds_usage else 0.5
    other = Setting(usage_ratio=usage_ratio, nodes_may_sleep=False)
    assert policy.setting_key(other) == policy.setting_key(SLEEP)
    here, there = outcome(name)[0], outcome(name, other)[0]

    assert there.node_of_pod.tolist() == here.node_of_pod.tolist()
    assert there.change_cpu_millicores.tolist() == here.change_cpu_millicores.tolist()


@pytest.mark.parametrize("name", [*POLICIES, *VARIANTS])
@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.sleep)
def test_every_policy_outlives_idle_hours_full_queues_and_empty_nodes(name, setting):
    """Nodes fail without a pod hours after the last arrival, a pod that fits nowhere waits."""
    fleet = fleet_of((2, 8, 32, OLD), (2, 8, 32, NEW))
    rows = [(0.0, 60.0, 1000, 1024)] * 30 + [(9000.0, 500.0, 9000, 1024)] * 12
    rows += [(20_000.0, 1e5, 0, 0), (20_001.0, 1e5, 7000, 512)]
    stream = stream_of(rows)
    events = [
        NodeEvent(seconds=seconds, node=node, kind=kind)
        for seconds, node, kind in (
            (8000.0, 0, NodeEventKind.FAIL),
            (8000.0, 3, NodeEventKind.DRAIN),
            (8500.0, 3, NodeEventKind.RETURN),
            (25_000.0, 1, NodeEventKind.FAIL),
            (26_000.0, 2, NodeEventKind.FAIL),
            (27_000.0, 3, NodeEventKind.FAIL),
            (28_000.0, 0, NodeEventKind.RETURN),
        )
    ]
    chooser = POLICIES[name].build(fleet, setting, 1)
    chooser.foresee(stream)
    record = run(
        POLICIES[name].nodes(fleet, setting),
        stream,
        chooser,
        end_seconds=30_000.0,
        clock=lambda: 0.0,
        events=events,
        mover=POLICIES[name].build_mover(fleet, setting, chooser),
    )

    assert record.pending_pods == 12
    assert record.node_of_pod[-2:].tolist() == [0, 0]
    served = account(
        record, fleet.profiles, fleet.cpu_cores,
        usage_ratio=setting.usage_ratio, nodes_may_sleep=setting.nodes_may_sleep,
    ).running_pod_seconds  # fmt: skip
    # The last two are without a node for 1000 s, from the last failure to the return.
    assert served == pytest.approx(30 * 60.0 + 9000.0 + 8999.0)
