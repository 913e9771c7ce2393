"""Profiles: what they refuse, and that ours is the one written down for kube-scheduler."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from model_objects import node, pod, table_of

from cluster.scheduling.profile import (
    ENERGY_TIER_LABEL,
    SchedulerProfile,
    ScoringStrategy,
    ScoringStrategyType,
    ShapePoint,
)
from cluster.scheduling.scheduler import plugin_scores, schedule_one
from cluster.scheduling.tie import TieRule, TieState
from energy.errors import InputError

RATIO = ScoringStrategyType.REQUESTED_TO_CAPACITY_RATIO


@pytest.mark.parametrize(
    "build",
    [
        lambda: ScoringStrategy(resources=()),
        lambda: ScoringStrategy(resources=(("cpu", 0),)),
        lambda: ScoringStrategy(resources=(("cpu", 101),)),
        lambda: ScoringStrategy(type=RATIO),
        lambda: ScoringStrategy(shape=(ShapePoint(0, 0),)),
        lambda: ScoringStrategy(type=RATIO, shape=(ShapePoint(50, 0), ShapePoint(50, 1))),
        lambda: ScoringStrategy(type=RATIO, shape=(ShapePoint(101, 0),)),
        lambda: ScoringStrategy(type=RATIO, shape=(ShapePoint(0, 11),)),
        lambda: SchedulerProfile.default(percentage_of_nodes_to_score=101),
    ],
)
def test_configurations_that_kube_scheduler_refuses_are_refused(
    build: Callable[[], object],
) -> None:
    """As its validation does."""
    with pytest.raises(InputError):
        build()


@pytest.mark.shared
def test_energy_tiers_are_those_of_the_written_configuration(shared_folder: Path) -> None:
    """Label, weights and the plugin's weight agree with the file that kube-scheduler reads."""
    path = shared_folder / "recipes" / "kubernetes" / "scheduler-energy-tiers.yaml"
    written = yaml.safe_load(path.read_text(encoding="utf-8"))["profiles"][0]
    ours = SchedulerProfile.energy_tiers()
    assert ours.added_affinity is not None
    preferred = "preferredDuringSchedulingIgnoredDuringExecution"
    terms = written["pluginConfig"][0]["args"]["addedAffinity"][preferred]
    theirs = [
        (term["weight"], each["key"], each["operator"], tuple(each["values"]))
        for term in terms
        for each in term["preference"]["matchExpressions"]
    ]
    assert theirs == [
        (term.weight, each.key, each.operator.value, each.values)
        for term in ours.added_affinity.preferred
        for each in term.term.match_expressions
    ]
    enabled = {each["name"]: each["weight"] for each in written["plugins"]["score"]["enabled"]}
    assert enabled == {"NodeAffinity": ours.weights.node_affinity}


def test_a_tier_outranks_the_filling_of_nodes_and_no_label_comes_last() -> None:
    """Tiers rank first, then MostAllocated fills within a tier."""
    nodes = [
        node("none"),
        node("tier-1", labels={ENERGY_TIER_LABEL: "1"}),
        node("tier-0", labels={ENERGY_TIER_LABEL: "0"}),
        node("tier-0-fuller", labels={ENERGY_TIER_LABEL: "0"}),
    ]
    placed = {"none": [pod(2000, 5000)], "tier-0-fuller": [pod(1000, 2500)]}
    table = table_of(nodes, placed)
    profile = SchedulerProfile.energy_tiers(ScoringStrategyType.MOST_ALLOCATED)
    scores = {
        name: score for name, _, score in plugin_scores(table, pod(500, 1250), profile, slice(None))
    }
    tiers = scores["NodeAffinity"]
    assert not isinstance(tiers, int)
    assert tiers.tolist() == [0, 90, 100, 100]
    order = []
    wanted = pod(500, 1250)
    for _ in range(15):
        placement = schedule_one(table, wanted, profile, TieState())
        assert placement is not None
        assert placement.node_name in placement.reason
        table.assign(wanted, placement.index)
        order.append(placement.node_name)
    assert list(dict.fromkeys(order)) == ["tier-0-fuller", "tier-0", "tier-1"]


def test_an_extenders_points_are_added_to_the_plugins() -> None:
    """The scheduler adds them unclamped; the only feasible node is not scored at all."""
    from numpy.random import default_rng

    table = table_of([node("a"), node("b"), node("c")])
    state = TieState(TieRule.RANDOM, default_rng(1))
    profile = SchedulerProfile.default()
    for favourite in range(3):
        placement = schedule_one(
            table, pod(1), profile, state, lambda _t, _p, rows, best=favourite: (rows == best) * 50
        )
        assert placement is not None
        assert placement.index == favourite
        assert placement.tied_count == 1
    for row in (1, 2):
        table.cordon(row)
    alone = schedule_one(table, pod(1), profile, state)
    assert alone is not None
    assert alone.score is None
    assert "only node" in alone.reason
