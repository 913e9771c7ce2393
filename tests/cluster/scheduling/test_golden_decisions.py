"""kube-scheduler 1.36's own decisions, replayed (see ../golden/decisions.go).

The recorded objects are read as the product reads a cluster's. Only the siblings that built-in
spreading looks at come from the tests' own reading of the recorded Services.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kube_objects import pod_of

from cluster.kube.convert import read_node, read_pod
from cluster.model import Node, Pod
from cluster.scheduling.feasibility import feasible, reasons
from cluster.scheduling.node_order import node_order
from cluster.scheduling.profile import (
    SchedulerProfile,
    ScoringStrategy,
    ScoringStrategyType,
    ShapePoint,
)
from cluster.scheduling.scheduler import plugin_scores, schedule_one, why_pending
from cluster.scheduling.table import NodeTable
from cluster.scheduling.tie import TieState

CHECKOUT = Path(__file__).parents[3]
RECORDED_VERSION = "v1.36.4"
GOLDEN = Path(__file__).parents[1] / "golden" / "decisions.jsonl.gz"

PROFILES = {
    "default": SchedulerProfile.default(),
    "most-allocated": SchedulerProfile.most_allocated(),
    "energy-tiers": SchedulerProfile.energy_tiers(ScoringStrategyType.MOST_ALLOCATED),
    "ratio": SchedulerProfile(
        strategy=ScoringStrategy(
            type=ScoringStrategyType.REQUESTED_TO_CAPACITY_RATIO,
            resources=(("cpu", 3), ("memory", 2), ("example.com/gpu", 5)),
            shape=(ShapePoint(0, 2), ShapePoint(33, 9), ShapePoint(100, 0)),
        ),
        balanced_resources=("cpu", "memory", "example.com/gpu"),
    ),
}
# What this project leaves out gives every node the same score in these clusters.
LEFT_OUT = {"DynamicResources", "ImageLocality"}

with gzip.open(GOLDEN, "rt", encoding="utf-8") as lines:
    CLUSTERS: list[dict[str, Any]] = [json.loads(line) for line in lines]


def node_read(json: dict[str, Any]) -> Node:
    """Read a recorded Node as the product does."""
    reading = read_node(json)
    assert reading.value is not None
    assert not reading.doubts
    return reading.value


def pod_read(json: dict[str, Any], services: Iterable[dict[str, Any]]) -> Pod:
    """Read a recorded Pod as the product does, and what spreads it by its Services."""
    reading = read_pod(json)
    assert reading.value is not None
    assert not reading.doubts
    siblings = pod_of(json, services).default_spread_selector
    return replace(reading.value, default_spread_selector=siblings)


def replay(cluster: dict[str, Any]) -> Iterator[tuple[NodeTable, Pod, dict[str, Any]]]:
    """Give the state, the pod and kube-scheduler's verdict before each decision."""
    services = cluster.get("services", ())
    nodes = node_order([node_read(node) for node in cluster["nodes"]])
    table = NodeTable.of(nodes, cluster["namespaces"])
    for placed in cluster["placed"] or ():
        table.assign(pod_read(placed, services), table.index_of[placed["spec"]["nodeName"]])
    for decision in cluster["decisions"]:
        pod = pod_read(decision["pod"], services)
        yield table, pod, decision
        if decision["chosen"]:
            table.assign(pod, table.index_of[decision["chosen"]])


def test_the_recorded_decisions_are_of_the_pinned_kubernetes() -> None:
    """Whoever raises the version has the real scheduler decide anew (golden/decisions.go)."""
    pinned = (CHECKOUT / "deploy" / "local" / "kubernetes" / "go.mod").read_text(encoding="utf-8")
    assert f"k8s.io/kubernetes {RECORDED_VERSION}\n" in pinned


@pytest.fixture(params=CLUSTERS, ids=lambda cluster: f"seed-{cluster['seed']}")
def cluster(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Give one recorded cluster."""
    recorded: dict[str, Any] = request.param
    return recorded


def test_the_node_chosen_is_the_one_that_kube_scheduler_chose(cluster: dict[str, Any]) -> None:
    """Filters, scores, sampling, node order and the tie rule agree to the last tie."""
    profile, tie_state = PROFILES[cluster["profile"]], TieState()
    for table, pod, decision in replay(cluster):
        placement = schedule_one(table, pod, profile, tie_state)
        assert (placement.node_name if placement else "") == decision["chosen"], pod.name


def test_every_plugin_gives_kube_schedulers_score(cluster: dict[str, Any]) -> None:
    """Weighted scores agree on every candidate, to the last integer."""
    profile = PROFILES[cluster["profile"]]
    for table, pod, decision in replay(cluster):
        if "scores" not in decision:
            continue
        rows = np.array([table.index_of[name] for name in decision["feasible"]])
        ours = {
            name: (weight * score + np.zeros(len(rows), np.int64)).tolist()
            for name, weight, score in plugin_scores(table, pod, profile, rows)
        }
        theirs = decision["scores"]
        assert ours.keys() >= theirs.keys() - LEFT_OUT, pod.name
        for name, score in ours.items():
            assert score == theirs.get(name, [0] * len(rows)), (pod.name, name)
        for name in LEFT_OUT & theirs.keys():
            assert len(set(theirs[name])) == 1


def test_every_node_is_refused_for_kube_schedulers_reasons(cluster: dict[str, Any]) -> None:
    """Mask and wording agree, and so does the sentence on a pod that stays pending."""
    profile = PROFILES[cluster["profile"]]
    for table, pod, decision in replay(cluster):
        found = dict(zip(table.index_of, reasons(table, pod), strict=True))
        mask = dict(zip(table.index_of, feasible(table, pod).tolist(), strict=True))
        assert mask == {name: not why for name, why in found.items()}
        if "reasons" in decision:
            told = {name: set(found[name]) for name in decision["reasons"]}
            assert told == {name: set(why) for name, why in decision["reasons"].items()}, pod.name
            fitting = {name for name, fits in mask.items() if fits}
            assert fitting == set(decision.get("feasible") or ()), pod.name
        if decision.get("message"):
            assert why_pending(table, pod, profile) == decision["message"]
