"""Kubernetes API objects (plain JSON) as values of `cluster.model`, for oracles in tests.

Written apart from the product's own reading of API objects, so that neither hides the other's
mistakes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

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
from cluster.model import Node, Pod
from cluster.quantities import Quantity, parse
from cluster.requests import ContainerRequests, effective_requests, resources_of
from cluster.selectors import LabelSelector, Operator, Requirement

Json = Mapping[str, Any]

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def node_of(json: Json) -> Node:
    """Read a Node."""
    allocatable = _quantities(json["status"]["allocatable"])
    spec = json.get("spec", {})
    return Node(
        name=json["metadata"]["name"],
        allocatable=resources_of(allocatable),
        pods_max=allocatable["pods"].value(),
        labels=json["metadata"].get("labels", {}),
        taints=tuple(
            Taint(taint["key"], taint.get("value", ""), TaintEffect(taint["effect"]))
            for taint in spec.get("taints", ())
        ),
        unschedulable=spec.get("unschedulable", False),
    )


def pod_of(json: Json, services: Iterable[Json] = ()) -> Pod:
    """Read a Pod; its built-in spreading is by the Services that select it."""
    spec, metadata = json["spec"], json["metadata"]
    labels = metadata.get("labels", {})
    requests = effective_requests(
        map(_container, spec["containers"]),
        map(_container, spec.get("initContainers", ())),
        overhead=_quantities(spec.get("overhead", {})),
        pod_level=_quantities(spec.get("resources", {}).get("requests", {})),
    )
    return Pod(
        namespace=metadata["namespace"],
        name=metadata["name"],
        requests=requests.requests,
        nonzero_requests=requests.nonzero_requests,
        scored_requests=requests.scored_requests,
        labels=labels,
        node_selector=spec.get("nodeSelector", {}),
        affinity=_affinity(spec["affinity"]) if "affinity" in spec else None,
        tolerations=tuple(_toleration(each) for each in spec.get("tolerations", ())),
        topology_spread=tuple(_spread(c) for c in spec.get("topologySpreadConstraints", ())),
        host_ports=tuple(_host_ports(spec)),
        terminating=bool(metadata.get("deletionTimestamp")),
        uid=metadata.get("uid", ""),
        gated=bool(spec.get("schedulingGates")),
        default_spread_selector=_default_selector(metadata["namespace"], labels, services),
    )


def _quantities(json: Json) -> dict[str, Quantity]:
    return {name: parse(str(text)) for name, text in json.items()}


def _container(json: Json) -> ContainerRequests:
    requests = json.get("resources", {}).get("requests", {})
    restartable = json.get("restartPolicy") == "Always"
    return ContainerRequests(requests=_quantities(requests), restartable=restartable)


def _toleration(json: Json) -> Toleration:
    effect = json.get("effect")
    return Toleration(
        json.get("key", ""),
        TolerationOperator(json.get("operator", "Equal")),
        json.get("value", ""),
        TaintEffect(effect) if effect else None,
    )


def _host_ports(spec: Json) -> Iterable[HostPort]:
    sidecars = [c for c in spec.get("initContainers", ()) if c.get("restartPolicy") == "Always"]
    for container in [*spec["containers"], *sidecars]:
        for port in container.get("ports", ()):
            if port.get("hostPort"):
                address = port.get("hostIP") or HostPort.__dataclass_fields__["host_ip"].default
                yield HostPort(port["hostPort"], port.get("protocol", "TCP"), address)


def _requirements(json: Iterable[Json]) -> tuple[Requirement, ...]:
    return tuple(
        Requirement(each["key"], Operator(each["operator"]), tuple(each.get("values", ())))
        for each in json
    )


def _selector(json: Json | None) -> LabelSelector | None:
    if json is None:
        return None
    expressions = _requirements(json.get("matchExpressions", ()))
    return LabelSelector.of(json.get("matchLabels", {}), *expressions)


def _node_term(json: Json) -> NodeSelectorTerm:
    return NodeSelectorTerm(
        match_expressions=_requirements(json.get("matchExpressions", ())),
        match_fields=_requirements(json.get("matchFields", ())),
    )


def _pod_term(json: Json) -> PodAffinityTerm:
    return PodAffinityTerm(
        topology_key=json["topologyKey"],
        label_selector=_selector(json.get("labelSelector")),
        namespaces=frozenset(json.get("namespaces", ())),
        namespace_selector=_selector(json.get("namespaceSelector")),
        match_label_keys=tuple(json.get("matchLabelKeys", ())),
        mismatch_label_keys=tuple(json.get("mismatchLabelKeys", ())),
    )


def _node_affinity(json: Json) -> NodeAffinity:
    required = json.get(_REQUIRED)
    return NodeAffinity(
        required=tuple(map(_node_term, required["nodeSelectorTerms"])) if required else None,
        preferred=tuple(
            PreferredNodeTerm(weight=each["weight"], term=_node_term(each["preference"]))
            for each in json.get(_PREFERRED, ())
        ),
    )


def _pod_affinity(json: Json) -> PodAffinity:
    return PodAffinity(
        required=tuple(map(_pod_term, json.get(_REQUIRED, ()))),
        preferred=tuple(
            WeightedPodAffinityTerm(weight=each["weight"], term=_pod_term(each["podAffinityTerm"]))
            for each in json.get(_PREFERRED, ())
        ),
    )


def _affinity(json: Json) -> Affinity:
    node, pod, anti = (json.get(key) for key in ("nodeAffinity", "podAffinity", "podAntiAffinity"))
    return Affinity(
        node=_node_affinity(node) if node else None,
        pod=_pod_affinity(pod) if pod else None,
        pod_anti=_pod_affinity(anti) if anti else None,
    )


def _spread(json: Json) -> TopologySpreadConstraint:
    return TopologySpreadConstraint(
        topology_key=json["topologyKey"],
        max_skew=json["maxSkew"],
        when_unsatisfiable=WhenUnsatisfiable(json["whenUnsatisfiable"]),
        label_selector=_selector(json.get("labelSelector")),
        min_domains=json.get("minDomains", 1),
        node_affinity_policy=InclusionPolicy(json.get("nodeAffinityPolicy", "Honor")),
        node_taints_policy=InclusionPolicy(json.get("nodeTaintsPolicy", "Ignore")),
        match_label_keys=tuple(json.get("matchLabelKeys", ())),
    )


def _default_selector(
    namespace: str, labels: Mapping[str, str], services: Iterable[Json]
) -> LabelSelector | None:
    """Merge the selectors of the pod's Services (DefaultSelector; no controllers in the tests)."""
    merged: dict[str, str] = {}
    for service in services:
        selector = service["spec"]["selector"]
        if service["metadata"]["namespace"] == namespace and selector.items() <= labels.items():
            merged |= selector
    return LabelSelector.of(merged) if merged else None
