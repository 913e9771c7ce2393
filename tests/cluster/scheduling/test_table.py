"""The table of nodes: what it refuses, and how it changes."""

from __future__ import annotations

import pytest
from model_objects import node, pod, table_of

from cluster.constraints import Taint
from cluster.model import AMOUNT_MAX, ClusterSnapshot
from cluster.scheduling import placed_pods
from cluster.scheduling.feasibility import feasible
from cluster.scheduling.table import NodeTable
from energy.errors import InputError


def test_a_table_needs_nodes_with_different_names() -> None:
    """Zero nodes and two of a name are input that cannot be used."""
    with pytest.raises(InputError, match="there are no nodes"):
        NodeTable.of([])
    with pytest.raises(InputError, match="same name"):
        NodeTable.of([node("a"), node("a")])
    with pytest.raises(InputError, match="more than 2"):
        NodeTable.of([node("a", pods_max=2**63)])


def test_the_largest_requests_do_not_wrap_a_sum() -> None:
    """A node that is full beyond all measure never looks empty."""
    table = table_of([node("a")], {"a": [pod(AMOUNT_MAX, AMOUNT_MAX, gpu=AMOUNT_MAX)] * 1000})

    assert table.requested_memory_bytes.tolist() == [1000 * AMOUNT_MAX]
    assert (table.free_cpu_millicores < 0).all()
    assert (table.free_extended("example.com/gpu") < 0).all()
    assert not feasible(table, pod(1)).any()


def test_what_was_not_assigned_cannot_be_released() -> None:
    """A wrong release would silently make room; the columns stay as they were."""
    table = table_of([node("a"), node("b")], {"a": [pod(100)]})
    for wrong in (
        lambda: table.release(pod(100), 1),
        lambda: table.release(pod(labels={"x": "y"}), 0),
    ):
        with pytest.raises(InputError, match="is not on row"):
            wrong()
    assert table.free_cpu_millicores.tolist() == [3900, 4000]


def test_a_snapshot_becomes_a_table_of_the_pods_that_still_hold_resources() -> None:
    """Finished pods, waiting pods and pods of unknown nodes take nothing."""
    pods = (
        pod(1, name="runs", node_name="a", phase="Running"),
        pod(10, name="done", node_name="a", phase="Succeeded"),
        pod(100, name="failed", node_name="a", phase="Failed"),
        pod(1000, name="waits"),
        pod(2000, name="lost", node_name="gone"),
    )
    table = NodeTable.of_snapshot(ClusterSnapshot(nodes=(node("a"),), pods=pods))
    assert table.requested_cpu_millicores.tolist() == [1]
    assert table.pod_count.tolist() == [1]


def test_a_replaced_node_is_judged_by_its_new_self_and_keeps_its_pods() -> None:
    """Cached answers about the nodes are forgotten."""
    table = table_of([node("a"), node("b")], {"a": [pod(3000)]})
    probe = pod(2000, node_selector={"disk": "ssd"})
    assert feasible(table, probe).tolist() == [False, False]
    table.replace_node(0, node("a", 5000, labels={"disk": "ssd"}, gpu=2))
    assert feasible(table, probe).tolist() == [True, False]
    assert feasible(table, pod(gpu=2)).tolist() == [True, False]
    table.replace_node(0, node("a", 5000, taints=(Taint("a"),)))
    assert feasible(table, pod()).tolist() == [False, True]
    assert feasible(table, pod(gpu=2)).tolist() == [False, False]
    assert table.version == 2
    with pytest.raises(InputError, match="row 0 is a, not c"):
        table.replace_node(0, node("c"))


def test_answers_stay_right_after_more_questions_than_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Old questions are forgotten, not answered from stale arrays."""
    monkeypatch.setattr(placed_pods, "_QUESTIONS_MAX", 3)
    table = table_of([node("a")])

    def count(app: str) -> int:
        counts = table.placed.count(app, lambda kind: int(kind.labels.get("app") == app))
        return int(counts[0])

    apps = [str(i) for i in range(10)]
    for number, app in enumerate(apps):
        for _ in range(number):
            table.assign(pod(labels={"app": app}), 0)
    assert [count(app) for app in apps] == list(range(10))
    table.release(pod(labels={"app": "9"}), 0)
    assert [count(app) for app in reversed(apps)] == [8, *range(8, -1, -1)]


def test_kinds_that_left_are_forgotten() -> None:
    """Pods with unique labels do not make the table grow for ever."""
    table = table_of([node("a")])
    for i in range(100):
        unique = pod(labels={"id": str(i)})
        table.assign(unique, 0)
        table.release(unique, 0)
    assert not table.placed._present  # noqa: SLF001 - what must not grow is inside
