"""Feasibility node by node and pod by pod, as one would explain it: slow, and apart from the code.

Written from the Kubernetes documentation's wording of each constraint, without arrays, caches or
kinds of pods, so that a fault in those shows as a difference.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from cluster.constraints import (
    HostPort,
    InclusionPolicy,
    PodAffinity,
    PodAffinityTerm,
    TaintEffect,
    TopologySpreadConstraint,
    WhenUnsatisfiable,
)
from cluster.model import Node, Pod
from cluster.selectors import LabelSelector, Operator, Requirement


@dataclass
class SlowCluster:
    """Nodes and the pods on each, as lists."""

    nodes: list[Node]
    pods: dict[str, list[Pod]] = field(default_factory=lambda: defaultdict(list))
    namespace_labels: dict[str, dict[str, str]] = field(default_factory=dict)

    def feasible(self, pod: Pod) -> list[bool]:
        """Say for each node whether it can take the pod."""
        return [self.fits(pod, node) for node in self.nodes]

    def fits(self, pod: Pod, node: Node) -> bool:
        """Whether the node can take the pod."""
        return (
            (pod.node_name in {None, node.name})
            and self._has_room(pod, node)
            and not self._refuses(pod, node)
            and self._is_wanted(pod, node)
            and self._has_ports(pod, node)
            and all(self._spreads(pod, node, c) for c in self._hard_spread(pod))
            and self._has_company(pod, node)
            and not self._has_bad_company(pod, node)
        )

    def _has_room(self, pod: Pod, node: Node) -> bool:
        here = self.pods[node.name]
        if len(here) >= node.pods_max:
            return False
        wants = {"cpu": pod.requests.cpu_millicores, "memory": pod.requests.memory_bytes}
        wants |= pod.requests.extended
        has = {"cpu": node.allocatable.cpu_millicores, "memory": node.allocatable.memory_bytes}
        has |= node.allocatable.extended
        for name, wanted in wants.items():
            taken = sum(_amount(other, name) for other in here)
            if wanted > 0 and taken + wanted > has.get(name, 0):
                return False
        return True

    def _refuses(self, pod: Pod, node: Node) -> bool:
        taints = [(t.key, t.value, t.effect) for t in node.taints]
        if node.unschedulable:
            taints.append(("node.kubernetes.io/unschedulable", "", TaintEffect.NO_SCHEDULE))
        return any(
            effect is not TaintEffect.PREFER_NO_SCHEDULE and not _tolerates(pod, key, value, effect)
            for key, value, effect in taints
        )

    def _is_wanted(self, pod: Pod, node: Node) -> bool:
        if any(node.labels.get(key) != value for key, value in pod.node_selector.items()):
            return False
        required = pod.affinity.node.required if pod.affinity and pod.affinity.node else None
        if required is None:
            return True
        return any(
            (term.match_expressions or term.match_fields)
            and all(e.matches(node.labels) for e in term.match_expressions)
            and all(f.matches({"metadata.name": node.name}) for f in term.match_fields)
            for term in required
        )

    def _has_ports(self, pod: Pod, node: Node) -> bool:
        taken = [port for other in self.pods[node.name] for port in other.host_ports]
        return not any(_collide(mine, theirs) for mine in pod.host_ports for theirs in taken)

    def _hard_spread(self, pod: Pod) -> list[TopologySpreadConstraint]:
        hard = WhenUnsatisfiable.DO_NOT_SCHEDULE
        return [each for each in pod.topology_spread if each.when_unsatisfiable is hard]

    def _spreads(self, pod: Pod, node: Node, constraint: TopologySpreadConstraint) -> bool:
        key = constraint.topology_key
        if key not in node.labels:
            return False
        selector = constraint.label_selector
        if selector is not None:
            own = [k for k in constraint.match_label_keys if k in pod.labels]
            keys = [Requirement(k, Operator.IN, (pod.labels[k],)) for k in own]
            selector = LabelSelector((*selector.requirements, *keys))
        counts: dict[str, int] = {}
        for each in self.nodes:
            if self._counts(pod, each, constraint):
                domain = each.labels[key]
                found = [p for p in self.pods[each.name] if _is_sibling(p, pod, selector)]
                counts[domain] = counts.get(domain, 0) + len(found)
        least = min(counts.values(), default=0) if len(counts) >= constraint.min_domains else 0
        myself = selector is not None and selector.matches(pod.labels)
        return counts.get(node.labels[key], 0) + myself - least <= constraint.max_skew

    def _counts(self, pod: Pod, node: Node, constraint: TopologySpreadConstraint) -> bool:
        if any(c.topology_key not in node.labels for c in self._hard_spread(pod)):
            return False
        honour = InclusionPolicy.HONOUR
        if constraint.node_affinity_policy is honour and not self._is_wanted(pod, node):
            return False
        open_node = Node(name=node.name, allocatable=node.allocatable, taints=node.taints)
        return constraint.node_taints_policy is not honour or not self._refuses(pod, open_node)

    def _has_company(self, pod: Pod, node: Node) -> bool:
        terms = _required(pod.affinity.pod if pod.affinity else None)
        if not all(term.topology_key in node.labels for term in terms):
            return False
        wanted = [
            (where, other)
            for where, other in self._everyone()
            if all(self._means(term, pod, other) for term in terms)
        ]
        if all(_near(term, node, [where for where, _ in wanted]) for term in terms):
            return True
        nobody = not any(term.topology_key in where.labels for where, _ in wanted for term in terms)
        return nobody and all(self._means(term, pod, pod) for term in terms)

    def _has_bad_company(self, pod: Pod, node: Node) -> bool:
        mine = _required(pod.affinity.pod_anti if pod.affinity else None)
        for where, other in self._everyone():
            theirs = _required(other.affinity.pod_anti if other.affinity else None)
            unwanted = [term for term in mine if self._means(term, pod, other)]
            unwanted += [term for term in theirs if self._means(term, other, pod)]
            if any(_near(term, node, [where]) for term in unwanted):
                return True
        return False

    def _everyone(self) -> Iterator[tuple[Node, Pod]]:
        for node in self.nodes:
            for pod in self.pods[node.name]:
                yield node, pod

    def _means(self, term: PodAffinityTerm, owner: Pod, other: Pod) -> bool:
        if term.label_selector is None or not term.label_selector.matches(other.labels):
            return False
        if not term.namespaces and term.namespace_selector is None:
            return other.namespace == owner.namespace
        labels = self.namespace_labels.get(other.namespace, {})
        by_label = term.namespace_selector is not None and term.namespace_selector.matches(labels)
        return other.namespace in term.namespaces or by_label


def _amount(pod: Pod, name: str) -> int:
    plain = {"cpu": pod.requests.cpu_millicores, "memory": pod.requests.memory_bytes}
    return plain.get(name, pod.requests.extended.get(name, 0))


def _tolerates(pod: Pod, key: str, value: str, effect: TaintEffect) -> bool:
    return any(
        t.effect in {None, effect}
        and t.key in {"", key}
        and (t.operator.value == "Exists" or t.value == value)
        for t in pod.tolerations
    )


def _collide(one: HostPort, other: HostPort) -> bool:
    addresses = {one.host_ip, other.host_ip}
    same = (one.port, one.protocol) == (other.port, other.protocol)
    return same and (len(addresses) == 1 or "0.0.0.0" in addresses)  # noqa: S104 - any address


def _is_sibling(other: Pod, pod: Pod, selector: LabelSelector | None) -> bool:
    if selector is None or not selector.requirements or other.terminating:
        return False
    return other.namespace == pod.namespace and selector.matches(other.labels)


def _required(affinity: PodAffinity | None) -> list[PodAffinityTerm]:
    return list(affinity.required) if affinity else []


def _near(term: PodAffinityTerm, node: Node, others: list[Node]) -> bool:
    here = node.labels.get(term.topology_key)
    return here is not None and any(o.labels.get(term.topology_key) == here for o in others)
