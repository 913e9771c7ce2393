"""Short ways to write nodes and pods of `cluster.model` in tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from cluster.model import Node, Pod, Resources
from cluster.scheduling.table import NodeTable


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
