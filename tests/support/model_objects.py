"""Short ways to write nodes and pods of `cluster.model` in tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from cluster.constraints import (
    Affinity,
    HostPort,
    InclusionPolicy,
    NodeAffinity,
    NodeSelectorTerm,
    PodAffinity,
    PodAffinityTerm,
    PreferredNodeTerm,
    Taint,
    TaintEffect,
    Toleration,
    TolerationOperator,
    TopologySpreadConstraint,
    WeightedPodAffinityTerm,
    WhenUnsatisfiable,
)
from cluster.model import Node, Pod, Resources
from cluster.scheduling.table import NodeTable
from cluster.selectors import LabelSelector, Operator, Requirement


def amounts(cpu: int = 0, memory: int = 0, **extended: int) -> Resources:
    """Give CPU in millicores, memory in bytes; `gpu=1` is one of `example.com/gpu`."""
    named = {f"example.com/{name}": amount for name, amount in extended.items()}
    return Resources(cpu_millicores=cpu, memory_bytes=memory, extended=named)


def node(name: str, cpu: int = 4000, memory: int = 10_000, **fields: Any) -> Node:
    """Give a node; `gpu` is a number, the rest are fields of Node."""
    gpu = fields.pop("gpu", 0)
    return Node(name=name, allocatable=amounts(cpu, memory, gpu=gpu), **fields)


def pod(cpu: int = 0, memory: int = 0, name: str = "p", **fields: Any) -> Pod:
    """Give a pod of namespace `default`, whose scores count exactly its requests."""
    requests = amounts(cpu, memory, gpu=fields.pop("gpu", 0))
    stated = {"nonzero_requests": requests, "namespace": "default", **fields}
    return Pod(name=name, requests=requests, **stated)


def table_of(nodes: list[Node], placed: Mapping[str, list[Pod]] | None = None) -> NodeTable:
    """Give a table with pods on it, by node name."""
    table = NodeTable.of(nodes)
    for name, pods in (placed or {}).items():
        for each in pods:
            table.assign(each, table.index_of[name])
    return table


sizes = st.builds(
    amounts,
    st.sampled_from([0, 1, 100, 999, 4000, 31_850, 128_000]),
    st.sampled_from([0, 1, 2**20, 10**9, 2**35, 2**40 - 7]),
)
requests = st.builds(
    amounts,
    st.one_of(st.just(0), st.integers(1, 4000)),
    st.one_of(st.just(0), st.integers(1, 2**33)),
    gpu=st.sampled_from([0, 0, 0, 1]),
)


labels = st.fixed_dictionaries(
    {}, optional={"app": st.sampled_from(["web", "db"]), "rev": st.sampled_from(["1", "2"])}
)
_selectors = st.one_of(
    st.none(),
    st.just(LabelSelector()),
    st.sampled_from([LabelSelector.of({"app": "web"}), LabelSelector.of({"app": "db"})]),
    st.just(LabelSelector((Requirement("app", Operator.NOT_IN, ("web",)),))),
)
_topology_keys = st.sampled_from(["zone", "rack"])
_taints = st.builds(
    Taint, st.sampled_from(["a", "b"]), st.sampled_from(["", "x"]), st.sampled_from(TaintEffect)
)
_tolerations = st.builds(
    Toleration,
    st.sampled_from(["", "a", "b", "node.kubernetes.io/unschedulable"]),
    st.sampled_from(TolerationOperator),
    st.sampled_from(["", "x"]),
    st.one_of(st.none(), st.sampled_from(TaintEffect)),
)
_pod_terms = st.builds(
    PodAffinityTerm,
    topology_key=_topology_keys,
    label_selector=_selectors,
    namespaces=st.sampled_from([frozenset[str](), frozenset({"other"})]),
    namespace_selector=st.one_of(
        st.none(), st.just(LabelSelector()), st.just(LabelSelector.of({"team": "b"}))
    ),
)
_pod_affinities = st.builds(
    PodAffinity,
    required=st.lists(_pod_terms, max_size=2).map(tuple),
    preferred=st.lists(
        st.builds(WeightedPodAffinityTerm, weight=st.integers(1, 100), term=_pod_terms), max_size=1
    ).map(tuple),
)
_node_terms = st.builds(
    NodeSelectorTerm,
    match_expressions=st.lists(
        st.sampled_from(
            [
                Requirement("zone", Operator.IN, ("1",)),
                Requirement("zone", Operator.DOES_NOT_EXIST),
                Requirement("rack", Operator.NOT_IN, ("2",)),
                Requirement("rack", Operator.GREATER_THAN, ("1",)),
            ]
        ),
        max_size=2,
    ).map(tuple),
    match_fields=st.sampled_from([(), (Requirement("metadata.name", Operator.NOT_IN, ("n0",)),)]),
)
_node_affinities = st.builds(
    NodeAffinity,
    required=st.one_of(st.none(), st.lists(_node_terms, max_size=2).map(tuple)),
    preferred=st.lists(
        st.builds(PreferredNodeTerm, weight=st.integers(1, 100), term=_node_terms), max_size=2
    ).map(tuple),
)
_spread = st.builds(
    TopologySpreadConstraint,
    topology_key=_topology_keys,
    max_skew=st.integers(1, 2),
    when_unsatisfiable=st.sampled_from(WhenUnsatisfiable),
    label_selector=_selectors,
    min_domains=st.integers(1, 3),
    node_affinity_policy=st.sampled_from(InclusionPolicy),
    node_taints_policy=st.sampled_from(InclusionPolicy),
    match_label_keys=st.sampled_from([(), ("rev",)]),
)
constrained_pods = st.builds(
    Pod,
    namespace=st.sampled_from(["default", "other"]),
    name=st.just("p"),
    requests=requests,
    labels=labels,
    node_selector=st.sampled_from([{}, {}, {"zone": "1"}]),
    affinity=st.one_of(
        st.none(),
        st.builds(
            Affinity,
            node=st.one_of(st.none(), _node_affinities),
            pod=st.one_of(st.none(), _pod_affinities),
            pod_anti=st.one_of(st.none(), _pod_affinities),
        ),
    ),
    tolerations=st.lists(_tolerations, max_size=2).map(tuple),
    topology_spread=st.lists(_spread, max_size=2).map(tuple),
    host_ports=st.lists(
        st.builds(
            HostPort,
            st.integers(80, 81),
            st.sampled_from(["TCP", "UDP"]),
            st.sampled_from(["0.0.0.0", "127.0.0.1"]),  # noqa: S104 - nothing is bound
        ),
        max_size=1,
    ).map(tuple),
    terminating=st.sampled_from([False, False, True]),
    default_spread_selector=st.one_of(st.none(), st.just(LabelSelector.of({"app": "web"}))),
)
plain_pods = st.builds(pod, st.integers(0, 4000), st.integers(0, 2**33), labels=labels)
node_lists = st.lists(
    st.builds(
        dict,
        allocatable=st.one_of(
            sizes, st.builds(amounts, st.just(8000), st.just(2**34), gpu=st.integers(0, 2))
        ),
        pods_max=st.sampled_from([0, 2, 110, 110]),
        labels=st.fixed_dictionaries(
            {},
            optional={
                "zone": st.sampled_from(["1", "2"]),
                "rack": st.sampled_from(["1", "2", "3"]),
                "kubernetes.io/hostname": st.sampled_from(["h1", "h2"]),
            },
        ),
        taints=st.lists(_taints, max_size=1).map(tuple),
        unschedulable=st.sampled_from([False, False, False, True]),
    ),
    min_size=1,
    max_size=6,
).map(lambda fields: [Node(name=f"n{i}", **each) for i, each in enumerate(fields)])
