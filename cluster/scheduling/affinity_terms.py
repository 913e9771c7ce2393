"""Pod affinity terms as kube-scheduler reads them: the pod's own namespace and keys filled in.

Source: k8s.io/kube-scheduler v0.36 framework/types.go (AffinityTerm). `matchLabelKeys` and
`mismatchLabelKeys` are merged into the selector by the API server when a pod is created; doing
it again changes nothing, so pods that never met an API server may use them too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cluster.constraints import PodAffinityTerm
from cluster.model import Pod
from cluster.selectors import LabelSelector, Operator, Requirement

# The API server puts this label on every namespace.
NAMESPACE_NAME_LABEL = "kubernetes.io/metadata.name"

NamespaceLabels = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class ResolvedTerm:
    """A term that needs to know nothing more about the pod that it belongs to."""

    topology_key: str
    selector: LabelSelector | None
    namespaces: frozenset[str]
    namespace_selector: LabelSelector | None

    def matches(
        self, namespace: str, labels: Mapping[str, str], namespace_labels: NamespaceLabels
    ) -> bool:
        """Whether the term means a pod with `labels` in `namespace`."""
        if self.selector is None or not self.selector.matches(labels):
            return False
        if namespace in self.namespaces:
            return True
        if self.namespace_selector is None:
            return False
        known = namespace_labels.get(namespace) or {NAMESPACE_NAME_LABEL: namespace}
        return self.namespace_selector.matches(known)


def resolve(term: PodAffinityTerm, pod: Pod) -> ResolvedTerm:
    """The term of `pod` with its namespace and label keys filled in."""
    namespaces = term.namespaces
    if not namespaces and term.namespace_selector is None:
        namespaces = frozenset((pod.namespace,))
    selector = term.label_selector
    if selector is not None and (term.match_label_keys or term.mismatch_label_keys):
        selector = selector.narrowed(
            *label_key_requirements(term.match_label_keys, pod.labels, Operator.IN),
            *label_key_requirements(term.mismatch_label_keys, pod.labels, Operator.NOT_IN),
        )
    return ResolvedTerm(term.topology_key, selector, namespaces, term.namespace_selector)


def label_key_requirements(
    keys: Iterable[str], labels: Mapping[str, str], operator: Operator
) -> tuple[Requirement, ...]:
    """Requirements that compare each of `keys` with its value in `labels`, absent ones left out."""
    return tuple(Requirement(key, operator, (labels[key],)) for key in keys if key in labels)


def resolve_all(terms: Iterable[PodAffinityTerm], pod: Pod) -> tuple[ResolvedTerm, ...]:
    """All `terms` of `pod`, resolved."""
    return tuple(resolve(term, pod) for term in terms)
