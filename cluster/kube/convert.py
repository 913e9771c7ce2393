"""The API server's JSON as values of `cluster.model`, and doubts where it could not be understood.

Nothing here raises: one strange object must not hide a cluster. A node that cannot be read is
closed to new pods, and a pod that cannot be read closes the node that it runs on, because
nobody knows what it takes (`cluster.kube.snapshot`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from sys import intern
from types import MappingProxyType
from typing import Generic, TypeVar

from pydantic import ValidationError

from cluster.kube import wire
from cluster.kube.client import JsonObject
from cluster.kube.convert_constraints import (
    affinity_of,
    host_ports_of,
    spread_of,
    taint_of,
    tolerations_of,
)
from cluster.kube.informer import object_key, object_uid
from cluster.model import Node, Owner, Pod, Resources
from cluster.quantities import Quantity, parse
from cluster.requests import (
    ContainerRequests,
    EffectiveRequests,
    effective_requests,
    largest,
    resources_of,
)
from energy.errors import InputError

T = TypeVar("T")

_RESIZE_PENDING, _INFEASIBLE = "PodResizePending", "Infeasible"
_POD_SCHEDULED, _UNSCHEDULABLE = "PodScheduled", "Unschedulable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(Generic[T]):
    """What was made of one object.

    Attributes:
        key: `namespace/name`, or `name`.
        value: None if the object could not be read.
        node_name: where a pod runs, known even if the rest is not.
        uid: a pod's, the same.
        doubts: what was not understood, one line each.
    """

    key: str
    value: T | None
    node_name: str | None = None
    uid: str = ""
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceLabels:
    """A namespace's name and labels, which pod affinity may select."""

    name: str
    labels: Mapping[str, str]


def read_node(item: JsonObject) -> Reading[Node]:
    """A node; one with an absurd size keeps its name and is closed."""
    key, doubts = object_key(item), _Doubts()
    value: Node | None = None
    try:
        found = wire.WireNode.model_validate(item)
        value = _node(found, doubts)
    except (ValidationError, InputError) as error:
        doubts.add(f"closed to new pods: {_why(error)}")
        if key:
            value = Node(name=key, allocatable=Resources(), pods_max=0, unschedulable=True)
    return Reading(key=key, value=value, doubts=doubts.under(f"node {key}"))


def _node(found: wire.WireNode, doubts: _Doubts) -> Node:
    allocatable = _quantities(found.status.allocatable)
    pods = allocatable.get("pods")
    if not allocatable:
        doubts.add("states no allocatable resources")
    return Node(
        name=found.metadata.name,
        allocatable=resources_of(allocatable),
        # Kubernetes, too, takes an unstated number of pods as none.
        pods_max=pods.value() if pods else 0,
        labels=found.metadata.labels,
        annotations=found.metadata.annotations,
        taints=tuple(taint_of(taint, doubts.add) for taint in found.spec.taints),
        unschedulable=found.spec.unschedulable,
    )


def read_pod(item: JsonObject) -> Reading[Pod]:
    """A pod with its effective requests.

    `default_spread_selector` stays None: neither Services nor ReplicaSets or StatefulSets are
    read, so pods without constraints of their own are not spread as kube-scheduler would.
    """
    key, doubts = object_key(item), _Doubts()
    value = None
    try:
        value = _pod(wire.WirePod.model_validate(item), doubts)
    except (ValidationError, InputError) as error:
        doubts.add(f"cannot be read: {_why(error)}")
    spec = item.get("spec")
    node_name = spec.get("nodeName") if isinstance(spec, dict) else None
    return Reading(
        key=key,
        value=value,
        node_name=str(node_name) if node_name else None,
        uid=object_uid(item),
        doubts=doubts.under(f"pod {key}"),
    )


def _pod(found: wire.WirePod, doubts: _Doubts) -> Pod:
    spec, metadata = found.spec, found.metadata
    effective = requests_of(found)
    return Pod(
        namespace=intern(metadata.namespace),
        name=metadata.name,
        requests=_one_copy(effective.requests),
        nonzero_requests=_one_copy(effective.nonzero_requests),
        scored_requests=_one_copy(effective.scored_requests),
        labels=_one_map(tuple(metadata.labels.items())),
        annotations=metadata.annotations,
        node_selector=spec.node_selector,
        affinity=affinity_of(spec.affinity, doubts.add),
        tolerations=_one_copy(tolerations_of(spec.tolerations, doubts.add)),
        topology_spread=spread_of(spec.topology_spread_constraints, doubts.add),
        host_ports=host_ports_of(spec),
        node_name=intern(spec.node_name) if spec.node_name else None,
        owner=_controller(metadata),
        priority=spec.priority,
        scheduler_name=intern(spec.scheduler_name),
        phase=found.status.phase,
        terminating=metadata.deletion_timestamp is not None,
        uid=metadata.uid,
        gated=bool(spec.scheduling_gates),
        refused=not spec.node_name and _is_refused(found.status),
    )


def _is_refused(status: wire.PodStatus) -> bool:
    """Whether the scheduler has looked at the pod and found no node for it."""
    return any(
        condition.type == _POD_SCHEDULED
        and condition.status == "False"
        and condition.reason == _UNSCHEDULABLE
        for condition in status.conditions
    )


def requests_of(pod: wire.WirePod) -> EffectiveRequests:
    """What the pod takes of a node, while it is resized in place too (stable since 1.35).

    Raises:
        InputError: a quantity that is none, or is negative.
    """
    spec, status = pod.spec, pod.status
    infeasible = any(
        condition.type == _RESIZE_PENDING and condition.reason == _INFEASIBLE
        for condition in status.conditions
    )
    held = {one.name: one for one in (*status.init_container_statuses, *status.container_statuses)}

    def requests(container: wire.Container, *, sidecar: bool) -> ContainerRequests:
        wanted = container.resources.requests
        return ContainerRequests(
            requests=_held(wanted, held.get(container.name), infeasible=infeasible),
            restartable=sidecar,
        )

    def initial(container: wire.Container) -> ContainerRequests:
        if container.restart_policy == "Always":
            return requests(container, sidecar=True)
        # An init container that ends cannot be resized.
        return ContainerRequests(requests=_quantities(container.resources.requests))

    pod_level = _held(spec.resources.requests, status, infeasible=infeasible)
    return effective_requests(
        [requests(container, sidecar=False) for container in spec.containers],
        [initial(container) for container in spec.init_containers],
        overhead=_quantities(spec.overhead),
        pod_level={name: pod_level[name] for name in spec.resources.requests if name in pod_level},
    )


def _held(
    wanted: wire.Quantities,
    status: wire.ContainerStatus | wire.PodStatus | None,
    *,
    infeasible: bool,
) -> dict[str, Quantity]:
    """The largest of what is wanted, held and promised; an infeasible wish does not count."""
    spec = _quantities(wanted)
    if status is None or status.resources is None:
        return spec
    held, promised = status.resources.requests, status.allocated_resources
    if held == wanted == promised:
        return spec  # nearly always: nothing is being resized
    return largest({} if infeasible else spec, _quantities(held), _quantities(promised))


def read_namespace(item: JsonObject) -> Reading[NamespaceLabels]:
    """A namespace's labels."""
    key, doubts = object_key(item), _Doubts()
    value = None
    try:
        metadata = wire.WireNamespace.model_validate(item).metadata
        value = NamespaceLabels(name=metadata.name, labels=metadata.labels)
    except ValidationError as error:
        doubts.add(f"cannot be read: {_why(error)}")
    return Reading(key=key, value=value, doubts=doubts.under(f"namespace {key}"))


def _controller(metadata: wire.Metadata) -> Owner | None:
    for owner in metadata.owner_references:
        if owner.controller:
            found: Owner = _one_copy(Owner(kind=owner.kind, name=owner.name))
            return found
    return None


@lru_cache(maxsize=4096)
def _one_copy(value: T) -> T:
    """The first of equal values: the pods of a workload share theirs."""
    return value


@lru_cache(maxsize=4096)
def _one_map(items: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    return MappingProxyType(dict(items))


# A cluster of thousands of pods states a handful of different quantities.
_quantity = lru_cache(maxsize=4096)(parse)


def _quantities(amounts: wire.Quantities) -> dict[str, Quantity]:
    return {name: _quantity(str(amount)) for name, amount in amounts.items()}


def _why(error: ValidationError | InputError) -> str:
    """The first thing that is wrong, with its place in the object."""
    if isinstance(error, InputError):
        return str(error)
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(step) for step in first["loc"])
    return f"{place}: {first['msg']}"


class _Doubts:
    """Collects the doubts about one object."""

    def __init__(self) -> None:
        self._found: list[str] = []

    def add(self, doubt: str) -> None:
        self._found.append(doubt)

    def under(self, subject: str) -> tuple[str, ...]:
        return tuple(f"{subject}: {doubt}" for doubt in self._found)
