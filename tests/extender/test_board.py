"""The board's table is what its pods add up to, after whatever order of events."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from core_scenes import CORES, server, task
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cluster.model import Pod
from cluster.scheduling.table import NodeTable
from extender.board import UNKNOWN_ROW, Board

NODES = [f"n{number}" for number in range(4)]
ASSUME_SECONDS = 10.0
CEILING = "ceiling"

keys = st.sampled_from([f"shop/p{number}" for number in range(8)])
pods = st.builds(
    task,
    st.just("p"),
    st.integers(0, 4000),
    st.integers(0, 2**33),
    labels=st.fixed_dictionaries({}, optional={"app": st.sampled_from(["web", "db"])}),
    annotations=st.fixed_dictionaries({}, optional={CEILING: st.sampled_from(["0.3", "0.6"])}),
)


def ceiling_of(pod: Pod) -> float | None:
    """Give the ceiling that the pod is annotated with."""
    said = pod.annotations.get(CEILING)
    return None if said is None else float(said)


def board_of(*names: str) -> Board:
    """Give a board with these nodes."""
    board = Board(ceiling_of)
    board.rebuild([server(name) for name in names], {})
    return board


class BoardMachine(RuleBasedStateMachine):
    """Any order of binds, assumptions, removals, expiries and changes of the fleet.

    The model is two dictionaries; the table is compared with one built afresh from them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.board = Board(ceiling_of)
        self.nodes: list[str] = []
        self.pods: dict[str, tuple[Pod, str]] = {}
        self.assumed: dict[str, float] = {}
        self.seconds = 0.0

    @rule(names=st.sets(st.sampled_from(NODES)))
    def rebuild(self, names: set[str]) -> None:
        """Another set of nodes, maybe none."""
        self.nodes = sorted(names)
        self.board.rebuild([server(name) for name in self.nodes], {})

    @rule(key=keys, pod=pods, node=st.sampled_from([*NODES, "elsewhere"]))
    def bind(self, key: str, pod: Pod, node: str) -> None:
        """A pod is on a node, be it known or not."""
        self.board.put(key, pod, node)
        self.pods[key] = pod, node
        self.assumed.pop(key, None)

    @rule(key=keys, pod=pods, node=st.sampled_from(NODES))
    def assume(self, key: str, pod: Pod, node: str) -> None:
        """A pod will likely be on a node."""
        until = self.seconds + ASSUME_SECONDS
        self.board.put(key, pod, node, assumed_until_seconds=until)
        self.pods[key] = pod, node
        self.assumed[key] = until

    @rule(key=keys)
    def remove(self, key: str) -> None:
        """A pod goes, known or not."""
        found = self.board.remove(key)
        known = self.pods.pop(key, None)
        self.assumed.pop(key, None)
        assert (found is None) == (known is None)
        assert found is None or (found.pod, found.node_name) == known

    @rule(seconds=st.sampled_from([0.0, 1.0, 4.0, ASSUME_SECONDS]))
    def expire(self, seconds: float) -> None:
        """Time passes."""
        self.seconds += seconds
        late = {key for key, until in self.assumed.items() if until <= self.seconds}
        assert {key for key, _ in self.board.expire(self.seconds)} == late
        for key in late:
            del self.pods[key], self.assumed[key]

    @precondition(lambda self: self.nodes)
    @rule(place=st.integers(0, 3), cordoned=st.booleans())
    def replace(self, place: int, cordoned: bool) -> None:  # noqa: FBT001 - drawn by name
        """A node is cordoned, or not any more."""
        name = self.nodes[place % len(self.nodes)]
        self.board.replace_node(server(name, unschedulable=cordoned))

    @invariant()
    def counts_agree(self) -> None:
        """As many pods as were put and not taken off."""
        assert len(self.board) == len(self.pods)
        assert self.board.assumed == len(self.assumed)

    @invariant()
    def table_is_the_sum_of_the_pods(self) -> None:
        """Column by column against a table made of the survivors alone."""
        if not self.nodes:
            assert self.board.table is None
            return
        table, afresh = self.board.table, NodeTable.of([server(name) for name in self.nodes])
        for pod, node in self.pods.values():
            if node in afresh.index_of:
                afresh.assign(pod, afresh.index_of[node])
        for column in ("requested", "nonzero_requested", "pod_count", "free_pods"):
            np.testing.assert_array_equal(getattr(table, column), getattr(afresh, column), column)
        free = CORES * 1000 - table.requested_cpu_millicores
        np.testing.assert_array_equal(table.free_cpu_millicores, free)

    @invariant()
    def ceilings_are_the_least_of_each_node(self) -> None:
        """Infinite where no pod of the node has one."""
        least = dict.fromkeys(self.nodes, math.inf)
        carried = 0
        for pod, node in self.pods.values():
            if node in least and (ceiling := ceiling_of(pod)) is not None:
                least[node] = min(least[node], ceiling)
                carried += 1
        assert self.board.ceiling_ratio.tolist() == [least[name] for name in self.nodes]
        assert self.board.ceilings == carried


TestBoardMachine = BoardMachine.TestCase
TestBoardMachine.settings = settings(stateful_step_count=25)


def test_a_pod_counts_once_its_node_is_known() -> None:
    """It was bound before its node was told of, and keeps its room when others come."""
    board = board_of("n0")
    standing = board.put("shop/p", task("p", 3000), "n1")
    assert standing.row == UNKNOWN_ROW
    board.rebuild([server("n0"), server("n1")], {})
    assert board.table.requested_cpu_millicores.tolist() == [0, 3000]


def test_a_bind_ends_an_assumption() -> None:
    """It counts once, where it was bound, and does not expire."""
    board = board_of("n0", "n1")
    pod = task("p", 3000)
    board.put("shop/p", pod, "n0", assumed_until_seconds=5.0)
    board.put("shop/p", replace(pod, node_name="n1"), "n1")
    assert board.expire(100.0) == []
    assert board.table.requested_cpu_millicores.tolist() == [0, 3000]


def test_an_assumption_that_is_put_back_still_ends_in_time() -> None:
    """As an explanation does: it takes the pod off, looks, and puts it back as it was."""
    board = board_of("n0")
    board.put("shop/p", task("p"), "n0", assumed_until_seconds=5.0)
    board.put("shop/q", task("q"), "n0", assumed_until_seconds=9.0)
    standing = board.remove("shop/p")
    until = standing.assumed_until_seconds
    board.put("shop/p", standing.pod, standing.node_name, assumed_until_seconds=until)
    assert [key for key, _ in board.expire(5.0)] == ["shop/p"]


def test_a_namespaces_labels_reach_the_table() -> None:
    """For the namespace selectors of affinity terms."""
    board = Board(ceiling_of)
    board.rebuild([server("n0")], {"shop": {"team": "a"}})
    assert board.table.namespace_labels == {"shop": {"team": "a"}}
