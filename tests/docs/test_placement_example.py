"""Who goes where in the worked example, as the page on placement tells it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import repository

from energy.catalogue import Catalogue
from simulator.comparison import StreamScenario, run_policy
from simulator.fleet import read_fleet
from simulator.pod_file import read_pods
from simulator.policy import Setting
from simulator.recorded import recorded_stream

EXAMPLE = repository.ROOT / "docs/explanation/placement-example"


def placed(policy):
    """How many pods of each kind a policy puts on each server, with sleep and full use."""
    fleet = read_fleet(EXAMPLE / "nodes.csv", Catalogue.shipped(), np.random.default_rng(0))
    recorded = recorded_stream(read_pods(EXAMPLE / "pods.csv"), fleet, None)
    scenario = StreamScenario(
        name="example",
        fleet=fleet,
        stream=recorded.stream,
        setting=Setting(usage_ratio=1.0, nodes_may_sleep=True),
        seed=1,
        start_seconds=0.0,
        end_seconds=recorded.end_seconds,
    )
    nodes = run_policy(scenario, policy, clock=lambda: 0.0).node_of_pod.tolist()
    return Counter(
        (pod.name.partition("-")[0], fleet.nodes[node].name)
        for pod, node in zip(recorded.stream.pods, nodes, strict=True)
    )


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        ("most-allocated", {("cache", "middle"): 2, ("web", "middle"): 2, ("web", "old"): 2}),
        ("marginal", {("cache", "best"): 2, ("web", "old"): 1}),
        ("efficiency-order", {("cache", "best"): 2, ("web", "best"): 8, ("batch", "best"): 0}),
        ("negawatt", {("cache", "middle"): 2, ("web", "best"): 12, ("batch", "best"): 7}),
    ],
)
def test_pods_go_where_the_page_says(policy, told):
    """The pods that the page follows are on the servers that it names."""
    found = placed(policy)

    assert {key: found[key] for key in told} == told


def test_the_label_strands_the_cores_that_the_page_counts():
    """Two caches and eight web pods fill the memory of best, and leave 57.6 cores."""
    found = placed("efficiency-order")
    caches, webs = found["cache", "best"], found["web", "best"]

    assert caches * 80 + webs * 12 == 256
    assert 128 - caches * 4.8 - webs * 7.6 == pytest.approx(57.6)
