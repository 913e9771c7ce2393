"""Scores of kube-scheduler's own unit tests, its facts re-entered (v1.36, noderesources/*_test.go).

There a pod without requests adds nothing because it has no container; here it states zero.
"""

from __future__ import annotations

import numpy as np
import pytest
from model_objects import node, pod, table_of

from cluster.constraints import Taint, TaintEffect, Toleration
from cluster.model import Node, Pod
from cluster.scheduling.profile import (
    PluginWeights,
    SchedulerProfile,
    ScoringStrategy,
    ScoringStrategyType,
    ShapePoint,
)
from cluster.scheduling.scheduler import total_scores
from cluster.scheduling.scores import balanced_allocation, fit_score, taint_toleration

LEAST = ScoringStrategy()
MOST = ScoringStrategy(type=ScoringStrategyType.MOST_ALLOCATED)
FALLING = ScoringStrategy(
    type=ScoringStrategyType.REQUESTED_TO_CAPACITY_RATIO,
    shape=(ShapePoint(0, 10), ShapePoint(100, 0)),
)
EVEN = [(4000, 10_000), (6000, 10_000)]
LARGE = [(10_000, 20_000), (10_000, 50_000)]


def nodes_of(sizes: list[tuple[int, int]]) -> list[Node]:
    """Give nodes `node1`, `node2` ... of these millicores and bytes."""
    return [node(f"node{i}", cpu, memory) for i, (cpu, memory) in enumerate(sizes, start=1)]


@pytest.mark.parametrize(
    ("strategy", "sizes", "wanted", "placed", "scores"),
    [
        (LEAST, EVEN, (0, 0), {}, [100, 100]),
        (LEAST, EVEN, (3000, 5000), {}, [37, 50]),
        (LEAST, LARGE, (3000, 5000), {"node1": (3000, 0), "node2": (3000, 5000)}, [57, 60]),
        (LEAST, [(4000, 10_000), (4000, 10_000)], (3000, 0), {"node1": (2000, 0)}, [50, 62]),
        (LEAST, [(0, 0), (0, 10_000)], (0, 0), {}, [0, 100]),
        (MOST, EVEN, (3000, 5000), {}, [62, 50]),
        (
            MOST,
            [(10_000, 20_000)] * 2,
            (0, 0),
            {"node1": (6000, 0), "node2": (6000, 5000)},
            [30, 42],
        ),
        (MOST, [(4000, 10_000)], (5000, 5000), {}, [75]),
        (MOST, [(0, 0), (4000, 0)], (2000, 0), {}, [0, 50]),
        (FALLING, EVEN, (3000, 5000), {}, [38, 50]),
        (FALLING, EVEN, (0, 0), {"node1": (3000, 5000), "node2": (3000, 5000)}, [38, 50]),
        (FALLING, EVEN, (0, 0), {}, [100, 100]),
    ],
)
def test_allocation_scores_are_those_of_kube_schedulers_tests(
    strategy: ScoringStrategy,
    sizes: list[tuple[int, int]],
    wanted: tuple[int, int],
    placed: dict[str, tuple[int, int]],
    scores: list[int],
) -> None:
    """Least and most allocated, and the ratio to capacity with its own rounding."""
    table = table_of(nodes_of(sizes), {name: [pod(*size)] for name, size in placed.items()})
    assert fit_score(table, pod(*wanted), slice(None), strategy).tolist() == scores


@pytest.mark.parametrize(
    ("sizes", "wanted", "placed", "scores"),
    [
        (EVEN, (3000, 5000), {}, [68, 75]),
        (
            [(10_000, 20_000)] * 2,
            (3000, 5000),
            {"node1": (3000, 0), "node2": (3000, 5000)},
            [73, 74],
        ),
        (LARGE, (3000, 5000), {"node1": (3000, 0), "node2": (3000, 5000)}, [73, 70]),
        ([(3000, 5000)] * 2, (0, 5000), {"node1": (3000, 0)}, [100, 50]),
        ([(6000, 10_000)] * 2, (3000, 0), {"node1": (3000, 0), "node2": (3000, 5000)}, [62, 62]),
    ],
)
def test_balance_scores_are_those_of_kube_schedulers_tests(
    sizes: list[tuple[int, int]],
    wanted: tuple[int, int],
    placed: dict[str, tuple[int, int]],
    scores: list[int],
) -> None:
    """The balance with the pod against the balance without it, as since 1.35."""
    table = table_of(nodes_of(sizes), {name: [pod(*size)] for name, size in placed.items()})
    balance = balanced_allocation(table, pod(*wanted), slice(None))
    assert balance is not None
    assert balance.tolist() == scores


@pytest.mark.parametrize(
    ("wanted", "placed", "sizes", "scores"),
    [
        (pod(gpu=1), {"n1": [pod(3000, 5000, gpu=3)], "n2": [pod(3000, 5000)]}, (8, 8), [75, 76]),
        (pod(3000, 5000), {}, (8, 0), [56, 56]),
    ],
)
def test_an_extended_resource_counts_only_for_pods_that_request_it(
    wanted: Pod, placed: dict[str, list[Pod]], sizes: tuple[int, int], scores: list[int]
) -> None:
    """Three fractions use the standard deviation, two half their distance."""
    nodes = [node(f"n{i}", 3500, 40_000, gpu=gpu) for i, gpu in enumerate(sizes, start=1)]
    resources = ("cpu", "memory", "example.com/gpu")
    balance = balanced_allocation(table_of(nodes, placed), wanted, slice(None), resources)
    assert balance is not None
    assert balance.tolist() == scores


def test_a_pod_that_requests_nothing_is_not_balanced() -> None:
    """Or all such pods would go to one node (kubernetes/kubernetes issue 129138)."""
    assert balanced_allocation(table_of([node("n")]), pod(), slice(None)) is None


def test_the_short_path_of_two_resources_equals_the_general_one() -> None:
    """A node without memory anywhere forces the general path; the others score the same."""
    rng = np.random.default_rng(7)
    nodes = [
        node(f"n{i}", int(cpu), int(memory))
        for i, (cpu, memory) in enumerate(rng.integers(1, 10**6, (500, 2)))
    ]
    placed = {
        each.name: [pod(int(cpu), int(memory))]
        for each, (cpu, memory) in zip(nodes, rng.integers(0, 10**6, (500, 2)), strict=True)
    }
    wanted = pod(777, 999)
    short = balanced_allocation(table_of(nodes, placed), wanted, slice(None))
    general = balanced_allocation(
        table_of([*nodes, node("odd", 1, 0)], placed), wanted, slice(0, 500)
    )
    assert short is not None
    assert general is not None
    assert short.tolist() == general.tolist()


def test_taints_that_only_discourage_lower_the_score_in_proportion() -> None:
    """The more intolerable taints a node has, the lower is its score."""
    prefer = TaintEffect.PREFER_NO_SCHEDULE
    cpu, disk = Taint("cpu-type", "arm64", prefer), Taint("disk-type", "ssd", prefer)
    table = table_of([node("a"), node("b", taints=(cpu,)), node("c", taints=(cpu, disk))])

    def scores(*tolerations: Toleration) -> list[int]:
        values = taint_toleration(table, pod(tolerations=tolerations), slice(None))
        return np.asarray(values).tolist()

    assert scores() == [100, 50, 0]
    covers = Toleration("cpu-type", value="arm64", effect=prefer)
    assert scores(covers) == [100, 100, 0]
    assert scores(covers, Toleration("disk-type", value="ssd")) == [100, 100, 100]


def test_a_strategy_on_a_resource_that_the_pod_does_not_request_scores_nothing() -> None:
    """Extended resources are passed over; ephemeral storage counts though nobody asks for it."""
    gpu_only = ScoringStrategy(resources=(("example.com/gpu", 1),))
    table = table_of([node("n", gpu=4)])
    assert fit_score(table, pod(), slice(None), gpu_only).tolist() == [0]
    assert fit_score(table, pod(gpu=1), slice(None), gpu_only).tolist() == [75]
    storage = ScoringStrategy(resources=(("ephemeral-storage", 1), ("cpu", 3)))
    assert fit_score(table, pod(2000), slice(None), storage).tolist() == [50]


def test_a_disabled_plugin_says_nothing() -> None:
    """Weight 0 takes a plugin out; without any, all nodes are equal."""
    table = table_of([node("a"), node("b", 8000)])
    none = PluginWeights(
        taint_toleration=0,
        node_affinity=0,
        pod_topology_spread=0,
        inter_pod_affinity=0,
        node_resources_fit=0,
        balanced_allocation=0,
    )
    totals = total_scores(table, pod(1000, 10), SchedulerProfile(weights=none), slice(None), 2)
    assert totals.tolist() == [0, 0]
