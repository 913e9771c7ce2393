"""The extender in the loop ranks as the rule does, through eleven levels and whole points."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from energy.catalogue import Catalogue
from simulator.churn import ShapeTable
from simulator.engine import run
from simulator.extender_chooser import EXTENDER_WEIGHT, PROFILE
from simulator.fleet import named_fleet
from simulator.pod_file import pod_of
from simulator.policies import POLICIES
from simulator.policy import Setting
from simulator.standard_comparison import final_watts
from simulator.stream import burst

CONFIGURATIONS = Path(__file__).resolve().parents[2] / "deploy" / "scheduler"
SETTING = Setting(usage_ratio=1.0, nodes_may_sleep=True)


@pytest.mark.parametrize("name", ["default-scheduler.yaml", "second-scheduler.yaml"])
def test_it_is_told_what_the_shipped_configuration_says(name: str) -> None:
    """A weight that changes there must change here."""
    found = yaml.safe_load((CONFIGURATIONS / name).read_text())
    weights = {
        one["name"]: one["weight"] for one in found["profiles"][0]["plugins"]["score"]["enabled"]
    }
    assert found["extenders"][0]["weight"] == EXTENDER_WEIGHT
    assert found["percentageOfNodesToScore"] == PROFILE.percentage_of_nodes_to_score
    assert weights["TaintToleration"] == PROFILE.weights.taint_toleration
    assert weights["NodeAffinity"] == PROFILE.weights.node_affinity
    assert weights["PodTopologySpread"] == PROFILE.weights.pod_topology_spread
    assert weights["InterPodAffinity"] == PROFILE.weights.inter_pod_affinity
    assert weights["NodeResourcesFit"] == PROFILE.weights.node_resources_fit


def small_pods(count: int, seed: int):
    """Pods so small against the nodes that one is less than a point of MostAllocated."""
    rng = np.random.default_rng(seed)
    return [
        pod_of(f"p{i}", int(rng.choice([500, 1000, 4000])), int(rng.choice([1024, 8192, 30720])))
        for i in range(count)
    ]


def openb_pods(count: int, seed: int):
    """Pods of openb's sizes that fit a middling node."""
    table = ShapeTable.shipped()
    fits = (table.cpu_millicores <= 56_000) & (table.memory_mebibytes <= 192 * 1024)
    weights = table.weights * fits / (table.weights @ fits)
    shapes = np.random.default_rng(seed).choice(len(table.weights), count, p=weights)
    return [
        pod_of(f"p{i}", int(table.cpu_millicores[s]), int(table.memory_mebibytes[s]))
        for i, s in enumerate(shapes)
    ]


@pytest.mark.parametrize("spacing_seconds", [0.0, 5.0])
@pytest.mark.parametrize("pods_of", [openb_pods, small_pods])
def test_eleven_ranks_cost_little_beside_the_rule_itself(pods_of, spacing_seconds: float) -> None:
    """Far below MostAllocated alone, also where pods are too small for its whole points."""
    fleet = named_fleet("20/30/10", Catalogue.shipped())
    stream = burst(pods_of(150, seed=5))
    stream = replace(stream, arrival_seconds=np.arange(150) * spacing_seconds)
    watts = {}
    for name in ("negawatt", "extender", "most-allocated"):
        chooser = POLICIES[name].build(fleet, SETTING, 1)
        record = run(fleet.nodes, stream, chooser, end_seconds=2000.0, clock=lambda: 0.0)
        assert record.pending_pods == 0
        watts[name] = final_watts(record, fleet, SETTING)[0]
    assert watts["extender"] == pytest.approx(watts["negawatt"], rel=0.03)
    assert watts["extender"] < 0.9 * watts["most-allocated"]
