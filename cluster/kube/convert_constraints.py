"""A pod's and a node's constraints, from the API's spelling to `cluster.constraints`.

A value newer than we are must not make a node look good. So what cannot be understood turns into
its strictest reading, and a doubt that names it: an unknown taint repels, an unknown toleration
tolerates nothing, a required term that cannot be evaluated matches no node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import TypeVar

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
from cluster.kube import wire
from cluster.selectors import LabelSelector, Operator, Requirement
from energy.errors import InputError

Doubt = Callable[[str], None]
E = TypeVar("E", bound=StrEnum)

_ALL_ADDRESSES = "0.0.0.0"  # noqa: S104 - what an absent hostIP means; nothing is bound here
_MATCHES_NO_NODE = NodeSelectorTerm()


def taint_of(taint: wire.WireTaint, doubt: Doubt) -> Taint:
    """An unknown effect repels like NoSchedule."""
    effect = _known(TaintEffect, taint.effect, TaintEffect.NO_SCHEDULE, "taint effect", doubt)
    return Taint(taint.key, taint.value, effect)


def tolerations_of(
    tolerations: Iterable[wire.WireToleration], doubt: Doubt
) -> tuple[Toleration, ...]:
    """Those that we understand; Lt and Gt (alpha in 1.36) are not among them."""
    understood = []
    for toleration in tolerations:
        try:
            understood.append(
                Toleration(
                    key=toleration.key,
                    operator=TolerationOperator(toleration.operator or "Equal"),
                    value=toleration.value,
                    effect=TaintEffect(toleration.effect) if toleration.effect else None,
                )
            )
        except ValueError as error:
            doubt(f"toleration of {toleration.key or 'everything'} ignored: {error}")
    return tuple(understood)


def affinity_of(affinity: wire.WireAffinity | None, doubt: Doubt) -> Affinity | None:
    """All three kinds; None for a pod that states none."""
    if affinity is None:
        return None
    return Affinity(
        node=_node_affinity(affinity.node_affinity, doubt),
        pod=_pod_affinity(affinity.pod_affinity),
        pod_anti=_pod_affinity(affinity.pod_anti_affinity),
    )


def _node_affinity(affinity: wire.WireNodeAffinity | None, doubt: Doubt) -> NodeAffinity | None:
    if affinity is None:
        return None
    required = None
    if affinity.required is not None:
        required = tuple(
            _node_term(term, doubt) or _MATCHES_NO_NODE
            for term in affinity.required.node_selector_terms
        )
    preferred = []
    for weighted in affinity.preferred:
        term = _node_term(weighted.preference, doubt)
        if term is not None:
            preferred.append(PreferredNodeTerm(weight=weighted.weight, term=term))
    return NodeAffinity(required=required, preferred=tuple(preferred))


def _node_term(term: wire.WireNodeTerm, doubt: Doubt) -> NodeSelectorTerm | None:
    """None for a term that cannot be evaluated; kube-scheduler skips such a term as well."""
    try:
        return NodeSelectorTerm(
            match_expressions=_requirements(term.match_expressions),
            match_fields=_requirements(term.match_fields),
        )
    except ValueError as error:
        doubt(f"node selector term that matches no node: {error}")
        return None


def _pod_affinity(affinity: wire.WirePodAffinity | None) -> PodAffinity | None:
    if affinity is None:
        return None
    return PodAffinity(
        required=tuple(_pod_term(term) for term in affinity.required),
        preferred=tuple(
            WeightedPodAffinityTerm(weight=one.weight, term=_pod_term(one.pod_affinity_term))
            for one in affinity.preferred
        ),
    )


def _pod_term(term: wire.WirePodTerm) -> PodAffinityTerm:
    return PodAffinityTerm(
        topology_key=term.topology_key,
        label_selector=selector_of(term.label_selector),
        namespaces=frozenset(term.namespaces),
        namespace_selector=selector_of(term.namespace_selector),
        match_label_keys=term.match_label_keys,
        mismatch_label_keys=term.mismatch_label_keys,
    )


def selector_of(selector: wire.WireSelector | None) -> LabelSelector | None:
    """None stays None: the absent selector matches nothing, the empty one everything.

    Raises:
        InputError: an operator or values that label selectors do not have.
    """
    if selector is None:
        return None
    return LabelSelector.of(selector.match_labels, *_requirements(selector.match_expressions))


def _requirements(expressions: Iterable[wire.Expression]) -> tuple[Requirement, ...]:
    return tuple(Requirement(one.key, _operator(one.operator), one.values) for one in expressions)


def _operator(text: str) -> Operator:
    try:
        return Operator(text)
    except ValueError:
        raise InputError(f"unknown operator {text}") from None


def spread_of(
    constraints: Iterable[wire.WireSpread], doubt: Doubt
) -> tuple[TopologySpreadConstraint, ...]:
    """Unknown words mean the strict case, or what the API documents as the default."""
    must = WhenUnsatisfiable.DO_NOT_SCHEDULE
    honour, ignore = InclusionPolicy.HONOUR, InclusionPolicy.IGNORE
    return tuple(
        TopologySpreadConstraint(
            topology_key=one.topology_key,
            max_skew=one.max_skew,
            when_unsatisfiable=_known(
                WhenUnsatisfiable, one.when_unsatisfiable, must, "whenUnsatisfiable", doubt
            ),
            label_selector=selector_of(one.label_selector),
            min_domains=one.min_domains,
            node_affinity_policy=_known(
                InclusionPolicy, one.node_affinity_policy, honour, "nodeAffinityPolicy", doubt
            ),
            node_taints_policy=_known(
                InclusionPolicy, one.node_taints_policy, ignore, "nodeTaintsPolicy", doubt
            ),
            match_label_keys=one.match_label_keys,
        )
        for one in constraints
    )


def host_ports_of(spec: wire.PodSpec) -> tuple[HostPort, ...]:
    """What containers and sidecars take of their node (kube-scheduler's GetHostPorts, 1.36)."""
    sidecars = (one for one in spec.init_containers if one.restart_policy == "Always")
    taken = {
        HostPort(port.host_port, port.protocol or "TCP", port.host_ip or _ALL_ADDRESSES): None
        for container in (*sidecars, *spec.containers)
        for port in container.ports
        if port.host_port > 0
    }
    return tuple(taken)


def _known(kind: type[E], text: str, otherwise: E, what: str, doubt: Doubt) -> E:
    try:
        return kind(text)
    except ValueError:
        doubt(f"unknown {what} {text!r}, taken as {otherwise}")
        return otherwise
