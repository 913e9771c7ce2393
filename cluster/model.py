"""Frozen values: resources, nodes, pods, workloads and a snapshot of a cluster.

Requests are *effective* requests (see `cluster.requests`): init containers, sidecars and
overhead are already accounted for. Construction refuses nonsense with one clear line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import index

from cluster.constraints import (
    Affinity,
    HostPort,
    Taint,
    Toleration,
    TopologySpreadConstraint,
)
from cluster.selectors import LabelSelector
from energy.errors import InputError

# What kube-scheduler's scores assume for a container that states no request: 0.1 core, 200 MiB.
# Source: k8s.io/kubernetes v1.36 pkg/scheduler/util/pod_resources.go.
UNSTATED_CPU_MILLICORES = 100
UNSTATED_MEMORY_BYTES = 200 * 1024 * 1024


# A quadrillion bytes is more than any node has. Thousands of such pods on one node do not wrap a
# sum of 64 bits, and a node whose sum wraps would look empty.
AMOUNT_MAX = 2**50


def _amount(value: object, what: str) -> int:
    """`value` as a whole number that a node could have."""
    number = _whole(value, what)
    if number > AMOUNT_MAX:
        raise InputError(f"{what} must be at most 2^50, not {number}")
    return number


def _whole(value: object, what: str) -> int:
    """`value` as a non-negative Python int; refuses fractions, NaN, booleans and text."""
    try:
        number = index(value)  # type: ignore[arg-type]  # index itself says whether it may
    except TypeError:
        raise InputError(f"{what} must be a whole number, not {value!r}") from None
    if isinstance(value, bool) or number < 0:
        raise InputError(f"{what} must be a whole number of at least 0, not {value!r}")
    return number


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Amounts of CPU (millicores), memory (bytes) and extended resources (their own units).

    `extended` also carries `ephemeral-storage` and huge pages, in bytes. A resource with
    amount 0 is the same as one not named, so it is dropped. No amount may exceed `AMOUNT_MAX`.
    """

    cpu_millicores: int = 0
    memory_bytes: int = 0
    extended: Mapping[str, int] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        set_field = object.__setattr__
        set_field(self, "cpu_millicores", _amount(self.cpu_millicores, "CPU millicores"))
        set_field(self, "memory_bytes", _amount(self.memory_bytes, "memory bytes"))
        if self.extended:
            amounts = {name: _amount(amount, name) for name, amount in self.extended.items()}
            set_field(self, "extended", {name: n for name, n in amounts.items() if n})


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A machine as the API server describes it. `allocatable` is what pods may request."""

    name: str
    allocatable: Resources
    pods_max: int = 110
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False

    def __post_init__(self) -> None:
        if not self.name:
            raise InputError("a node needs a name")
        object.__setattr__(self, "pods_max", _whole(self.pods_max, f"pods of node {self.name}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The controller that made a pod, in the pod's namespace."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod, placed (`node_name`) or waiting.

    `nonzero_requests` is what kube-scheduler's scores count of a placed pod; left out, it is
    `requests` with 0.1 core and 200 MiB in place of a zero, which is exact for pods of one
    container. `scored_requests` is what they count of the pod while it is placed; left out, it
    is the same. `cluster.requests` computes all three from containers.
    `gated`: the scheduler does not look at it yet; `refused`: it did, and found no node.
    `default_spread_selector` selects the siblings of the pod's Services and controller; only a
    pod that has one is subject to kube-scheduler's built-in spreading constraints.
    """

    namespace: str
    name: str
    requests: Resources
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
    node_selector: Mapping[str, str] = field(default_factory=dict, hash=False)
    affinity: Affinity | None = None
    tolerations: tuple[Toleration, ...] = ()
    topology_spread: tuple[TopologySpreadConstraint, ...] = ()
    host_ports: tuple[HostPort, ...] = ()
    node_name: str | None = None
    owner: Owner | None = None
    priority: int = 0
    scheduler_name: str = "default-scheduler"
    phase: str = "Pending"
    terminating: bool = False
    uid: str = ""
    gated: bool = False
    refused: bool = False
    nonzero_requests: Resources | None = None
    scored_requests: Resources | None = None
    default_spread_selector: LabelSelector | None = None
    # Derived once, because the hot path asks for them at every decision.
    nonzero_cpu_millicores: int = field(init=False, repr=False, compare=False)
    nonzero_memory_bytes: int = field(init=False, repr=False, compare=False)
    scored_cpu_millicores: int = field(init=False, repr=False, compare=False)
    scored_memory_bytes: int = field(init=False, repr=False, compare=False)
    constrained: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not (self.name and self.namespace):
            raise InputError("a pod needs a namespace and a name")
        counted = self.nonzero_requests
        cpu, memory = self.requests.cpu_millicores, self.requests.memory_bytes
        if counted is None:
            cpu, memory = cpu or UNSTATED_CPU_MILLICORES, memory or UNSTATED_MEMORY_BYTES
        else:
            cpu, memory = counted.cpu_millicores, counted.memory_bytes
        set_field = object.__setattr__
        set_field(self, "nonzero_cpu_millicores", cpu)
        set_field(self, "nonzero_memory_bytes", memory)
        scored = self.scored_requests
        set_field(self, "scored_cpu_millicores", scored.cpu_millicores if scored else cpu)
        set_field(self, "scored_memory_bytes", scored.memory_bytes if scored else memory)
        set_field(self, "constrained", self._asks_more_than_resources())

    def _asks_more_than_resources(self) -> bool:
        return bool(
            self.node_selector
            or self.affinity
            or self.topology_spread
            or self.host_ports
            or self.tolerations
            or self.requests.extended
            or self.node_name
            or self.default_spread_selector
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Something that keeps `replicas` pods alike: a Deployment, StatefulSet, Job and so on."""

    namespace: str
    kind: str
    name: str
    replicas: int
    selector: LabelSelector | None = None
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not (self.name and self.namespace and self.kind):
            raise InputError("a workload needs a namespace, a kind and a name")
        replicas = _whole(self.replicas, f"replicas of {self.namespace}/{self.name}")
        object.__setattr__(self, "replicas", replicas)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSnapshot:
    """What the cluster looked like at `taken_at_seconds` (Unix time). Nodes in API order."""

    nodes: tuple[Node, ...]
    pods: tuple[Pod, ...] = ()
    workloads: tuple[Workload, ...] = ()
    namespace_labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict, hash=False)
    taken_at_seconds: float = 0.0

    def __post_init__(self) -> None:
        names = {node.name for node in self.nodes}
        if len(names) != len(self.nodes):
            raise InputError("two nodes of a snapshot have the same name")
