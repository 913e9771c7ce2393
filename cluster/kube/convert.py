"""The API server's JSON as values of `cluster.model`, and doubts where it could not be understood.

Nothing here raises: one strange object must not hide a cluster. A node that cannot be read is
closed to new pods, and a pod that cannot be read closes the node that it runs on, because
nobody knows what it takes (`cluster.kube.snapshot`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
from cluster.kube.informer import object_key
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(Generic[T]):
    """What was made of one object.

    Attributes:
        key: `namespace/name`, or `name`.
        value: None if the object could not be read.
        node_name: where a pod runs, known even if the rest is not.
        doubts: what was not understood, one line each.
    """

    key: str
    value: T | None
    node_name: str | None = None
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
    """A pod with its effective requests."""
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
        doubts=doubts.under(f"pod {key}"),
    )


def _pod(found: wire.WirePod, doubts: _Doubts) -> Pod:
    spec, metadata = found.spec, found.metadata
    effective = requests_of(found)
    return Pod(
        namespace=metadata.namespace,
        name=metadata.name,
        requests=effective.requests,
        nonzero_requests=effective.nonzero_requests,
        labels=metadata.labels,
        annotations=metadata.annotations,
        node_selector=spec.node_selector,
        affinity=affinity_of(spec.affinity, doubts.add),
        tolerations=tolerations_of(spec.tolerations, doubts.add),
        topology_spread=spread_of(spec.topology_spread_constraints, doubts.add),
        host_ports=host_ports_of(spec),
        node_name=spec.node_name or None,
        owner=_controller(metadata),
        priority=spec.priority,
        scheduler_name=spec.scheduler_name,
        phase=found.status.phase,
        terminating=metadata.deletion_timestamp is not None,
    )


def requests_of(pod: wire.WirePod) -> EffectiveRequests:
    """What the pod takes of a node, a resize in place included (GA in 1.35).

    Raises:
        InputError: a quantity that is none, or is negative.
    """
    infeasible = any(
        condition.type == _RESIZE_PENDING and condition.reason == _INFEASIBLE
        for condition in pod.status.conditions
    )
    held = {
        one.name: one
        for one in (*pod.status.init_container_statuses, *pod.status.container_statuses)
    }

    def stages(container: wire.Container, *, resizable: bool) -> ContainerRequests:
        spec = _quantities(container.resources.requests)
        status = held.get(container.name)
        requests: Mapping[str, Quantity] = spec
        if resizable and status is not None and status.resources is not None:
            requests = largest(
                {} if infeasible else spec,
                _quantities(status.resources.requests),
                _quantities(status.allocated_resources),
            )
        return ContainerRequests(
            requests=requests, restartable=container.restart_policy == "Always"
        )

    return effective_requests(
        [stages(container, resizable=True) for container in pod.spec.containers],
        [
            stages(container, resizable=container.restart_policy == "Always")
            for container in pod.spec.init_containers
        ],
        overhead=_quantities(pod.spec.overhead),
        pod_level=_quantities(pod.spec.resources.requests),
    )


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
            return Owner(kind=owner.kind, name=owner.name)
    return None


def _quantities(amounts: wire.Quantities) -> dict[str, Quantity]:
    return {name: parse(str(amount)) for name, amount in amounts.items()}


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
