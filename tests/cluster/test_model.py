"""Nodes and pods refuse nonsense and can be hashed, compared and sent to another process."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from model_objects import amounts, node

from cluster.constraints import (
    HostPort,
    NodeSelectorTerm,
    PodAffinityTerm,
    PreferredNodeTerm,
    Toleration,
    TopologySpreadConstraint,
)
from cluster.model import (
    AMOUNT_MAX,
    UNSTATED_CPU_MILLICORES,
    UNSTATED_MEMORY_BYTES,
    ClusterSnapshot,
    Node,
    Pod,
    Resources,
    Workload,
)
from cluster.selectors import Operator, Requirement
from energy.errors import InputError

ROOM = Resources(cpu_millicores=1000, memory_bytes=2**30)


@pytest.mark.parametrize("amount", [-1, 1.5, float("nan"), float("inf"), "1", None, True])
def test_amounts_are_whole_and_not_negative(amount: Any) -> None:
    """NaN, fractions, text, booleans and negative numbers are refused in every place."""
    for fields in (
        {"cpu_millicores": amount},
        {"memory_bytes": amount},
        {"extended": {"example.com/gpu": amount}},
    ):
        with pytest.raises(InputError, match="whole number"):
            Resources(**fields)
    with pytest.raises(InputError, match="whole number"):
        Node(name="n", allocatable=ROOM, pods_max=amount)


@pytest.mark.parametrize("field", ["cpu_millicores", "memory_bytes"])
def test_amounts_that_could_wrap_a_sum_are_refused(field: str) -> None:
    """Two of 2^63 - 1 would add up to -2, and a node that holds both would look empty."""
    for amount in (AMOUNT_MAX + 1, 2**63 - 1, 2**70):
        with pytest.raises(InputError, match=r"at most 2\^50"):
            Resources(**{field: amount})
        with pytest.raises(InputError, match=r"at most 2\^50"):
            Resources(extended={"example.com/gpu": amount})
    assert getattr(Resources(**{field: AMOUNT_MAX}), field) == AMOUNT_MAX


def test_numpy_integers_become_python_integers() -> None:
    """Amounts from an array do not carry a width that could overflow."""
    resources = Resources(cpu_millicores=np.int32(2**31 - 1), memory_bytes=np.int64(5))
    assert type(resources.cpu_millicores) is int
    assert resources == Resources(cpu_millicores=2**31 - 1, memory_bytes=5)


def test_a_resource_of_zero_is_the_same_as_one_not_named() -> None:
    """Equality does not depend on how nothing is written."""
    assert amounts(gpu=0) == amounts()
    assert hash(amounts(gpu=0)) == hash(amounts())


def test_scores_count_unstated_requests_with_kube_schedulers_minimum() -> None:
    """0.1 core and 200 MiB stand in for what a pod of one container leaves out."""
    bare = Pod(namespace="a", name="b", requests=Resources())
    assert bare.nonzero_cpu_millicores == UNSTATED_CPU_MILLICORES
    assert bare.scored_memory_bytes == UNSTATED_MEMORY_BYTES
    stated = Pod(namespace="a", name="b", requests=ROOM, nonzero_requests=amounts(7, 8))
    assert (stated.nonzero_cpu_millicores, stated.scored_memory_bytes) == (7, 8)
    whole = Pod(namespace="a", name="b", requests=ROOM, scored_requests=amounts(9, 10))
    assert (whole.nonzero_cpu_millicores, whole.scored_cpu_millicores) == (1000, 9)


@pytest.mark.parametrize(
    "fields",
    [
        {"node_selector": {"disk": "ssd"}},
        {"tolerations": (Toleration("a"),)},
        {"topology_spread": (TopologySpreadConstraint(topology_key="zone"),)},
        {"host_ports": (HostPort(80),)},
        {"node_name": "n"},
        {"requests": amounts(gpu=1)},
    ],
)
def test_a_pod_knows_whether_it_asks_for_more_than_cpu_and_memory(fields: dict[str, Any]) -> None:
    """The quick path of feasibility relies on this flag."""
    plain = {"namespace": "a", "name": "b", "requests": ROOM}
    assert not Pod(**plain).constrained
    assert Pod(**{**plain, **fields}).constrained


@pytest.mark.parametrize(
    "build",
    [
        lambda: Node(name="", allocatable=ROOM),
        lambda: Pod(namespace="", name="b", requests=ROOM),
        lambda: Pod(namespace="a", name="", requests=ROOM),
        lambda: Workload(namespace="a", kind="Deployment", name="w", replicas=-1),
        lambda: Workload(namespace="a", kind="", name="w", replicas=1),
        lambda: ClusterSnapshot(nodes=(node("n"), node("n"))),
        lambda: HostPort(0),
        lambda: HostPort(65536),
        lambda: PreferredNodeTerm(weight=0, term=NodeSelectorTerm()),
        lambda: PreferredNodeTerm(weight=101, term=NodeSelectorTerm()),
        lambda: PodAffinityTerm(topology_key=""),
        lambda: TopologySpreadConstraint(topology_key=""),
        lambda: TopologySpreadConstraint(topology_key="zone", max_skew=0),
        lambda: NodeSelectorTerm(
            match_fields=(Requirement("metadata.name", Operator.IN, ("a", "b")),)
        ),
        lambda: NodeSelectorTerm(match_fields=(Requirement("spec", Operator.IN, ("a",)),)),
    ],
)
def test_nonsense_is_refused_in_one_line(build: Callable[[], object]) -> None:
    """Whatever the API server would refuse is refused here too."""
    with pytest.raises(InputError) as refusal:
        build()
    assert "\n" not in str(refusal.value)


def test_values_can_be_sent_to_another_process_and_used_as_keys() -> None:
    """Simulations run in several processes; sets and dictionaries of nodes and pods are handy."""
    pod = Pod(namespace="a", name="b", requests=amounts(1, 2, gpu=1), labels={"x": "y"})
    workload = Workload(namespace="a", kind="Deployment", name="w", replicas=2)
    for value in (node("n", labels={"a": "b"}), pod, workload):
        assert pickle.loads(pickle.dumps(value)) == value  # noqa: S301 - we made it ourselves
        assert len({value, value}) == 1
