"""The fields of Kubernetes' objects that we read, as the API server spells them (core/v1, 1.36).

Everything else in an object is skipped. A field that the server leaves out, or sends as null, has
the value that the API documents for its absence.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

Labels = dict[str, str]
# The API server sends canonical text; hand-written files also hold bare numbers.
Quantities = dict[str, str | int | float]
_DURING = "DuringSchedulingIgnoredDuringExecution"


class Wire(BaseModel):
    """An object of the API."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, data: object) -> object:
        # Go writes a nil slice as null, and older clients wrote empty objects so.
        if isinstance(data, dict):
            return {key: value for key, value in data.items() if value is not None}
        return data


class OwnerReference(Wire):
    """Who made an object; at most one owner is its controller."""

    kind: str
    name: str
    controller: bool = False


class Metadata(Wire):
    """What every object has."""

    name: str
    namespace: str = ""
    uid: str = ""
    labels: Labels = Field(default_factory=dict)
    annotations: Labels = Field(default_factory=dict)
    owner_references: tuple[OwnerReference, ...] = ()
    deletion_timestamp: str | None = None


class WireTaint(Wire):
    """A node's refusal."""

    key: str
    value: str = ""
    effect: str


class NodeSpec(Wire):
    """What an administrator wants of a node."""

    unschedulable: bool = False
    taints: tuple[WireTaint, ...] = ()


class NodeStatus(Wire):
    """What the kubelet says of its node."""

    allocatable: Quantities = Field(default_factory=dict)


class WireNode(Wire):
    """A node."""

    metadata: Metadata
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


class WireToleration(Wire):
    """A pod's acceptance of taints."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""


class Expression(Wire):
    """One requirement of a selector."""

    key: str
    operator: str
    values: tuple[str, ...] = ()


class WireSelector(Wire):
    """A label selector."""

    match_labels: Labels = Field(default_factory=dict)
    match_expressions: tuple[Expression, ...] = ()


class WireNodeTerm(Wire):
    """A node selector term."""

    match_expressions: tuple[Expression, ...] = ()
    match_fields: tuple[Expression, ...] = ()


class NodeSelectorBlock(Wire):
    """Alternatives: one term that matches is enough."""

    node_selector_terms: tuple[WireNodeTerm, ...] = ()


class WirePreferredNodeTerm(Wire):
    """A term with a weight."""

    weight: int
    preference: WireNodeTerm


class WireNodeAffinity(Wire):
    """A pod's wishes about nodes."""

    required: Annotated[NodeSelectorBlock | None, Field(alias="required" + _DURING)] = None
    preferred: Annotated[tuple[WirePreferredNodeTerm, ...], Field(alias="preferred" + _DURING)] = ()


class WirePodTerm(Wire):
    """A wish about neighbours."""

    topology_key: str
    label_selector: WireSelector | None = None
    namespaces: tuple[str, ...] = ()
    namespace_selector: WireSelector | None = None
    match_label_keys: tuple[str, ...] = ()
    mismatch_label_keys: tuple[str, ...] = ()


class WireWeightedPodTerm(Wire):
    """A wish about neighbours, with a weight."""

    weight: int
    pod_affinity_term: WirePodTerm


class WirePodAffinity(Wire):
    """A pod's wishes about its neighbours, towards or away from them."""

    required: Annotated[tuple[WirePodTerm, ...], Field(alias="required" + _DURING)] = ()
    preferred: Annotated[tuple[WireWeightedPodTerm, ...], Field(alias="preferred" + _DURING)] = ()


class WireAffinity(Wire):
    """A pod's affinities."""

    node_affinity: WireNodeAffinity | None = None
    pod_affinity: WirePodAffinity | None = None
    pod_anti_affinity: WirePodAffinity | None = None


class WireSpread(Wire):
    """A topology spread constraint."""

    topology_key: str
    max_skew: int
    when_unsatisfiable: str
    label_selector: WireSelector | None = None
    min_domains: int = 1
    node_affinity_policy: str = "Honor"
    node_taints_policy: str = "Ignore"
    match_label_keys: tuple[str, ...] = ()


class WirePort(Wire):
    """A container's port; only one with a host port takes anything from the node."""

    host_port: int = 0
    protocol: str = "TCP"
    host_ip: Annotated[str, Field(alias="hostIP")] = ""


class WireResources(Wire):
    """Requests, as quantities."""

    requests: Quantities = Field(default_factory=dict)


class Container(Wire):
    """A container or an init container."""

    name: str
    resources: WireResources = WireResources()
    ports: tuple[WirePort, ...] = ()
    restart_policy: str = ""


class SchedulingGate(Wire):
    """Something that must happen before the scheduler looks at a pod."""

    name: str


class PodSpec(Wire):
    """What a pod asks for."""

    scheduling_gates: tuple[SchedulingGate, ...] = ()
    node_name: str = ""
    node_selector: Labels = Field(default_factory=dict)
    affinity: WireAffinity | None = None
    tolerations: tuple[WireToleration, ...] = ()
    topology_spread_constraints: tuple[WireSpread, ...] = ()
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    overhead: Quantities = Field(default_factory=dict)
    resources: WireResources = WireResources()
    priority: int = 0
    scheduler_name: str = "default-scheduler"


class ContainerStatus(Wire):
    """What a container holds now, which differs from its spec while it is resized."""

    name: str
    resources: WireResources | None = None
    allocated_resources: Quantities = Field(default_factory=dict)


class Condition(Wire):
    """One thing that is true of a pod, or not."""

    type: str
    status: str = ""
    reason: str = ""


class PodStatus(Wire):
    """What the kubelet and the scheduler say of a pod."""

    phase: str = "Pending"
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    resources: WireResources | None = None
    allocated_resources: Quantities = Field(default_factory=dict)


class WirePod(Wire):
    """A pod."""

    metadata: Metadata
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class WireNamespace(Wire):
    """A namespace, of which only the labels matter to us."""

    metadata: Metadata
