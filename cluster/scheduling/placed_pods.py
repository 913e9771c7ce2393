"""Which kinds of pods run on which node, kept so that questions about them are arrays.

Pods alike in what others can see of them (namespace, labels, affinity terms, host ports) are
one *kind*. Placing a pod touches one counter of its kind and the arrays of those questions that
were asked before and that the kind answers; nothing grows with the number of pods.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cluster.constraints import HostPort
from cluster.model import Pod
from cluster.scheduling.affinity_terms import NamespaceLabels, ResolvedTerm, resolve
from energy.errors import InputError

# More questions than a cluster has workloads with constraints; beyond it, old ones are forgotten.
_QUESTIONS_MAX = 2048


class TermRole(Enum):
    """What a placed pod's affinity term does to the pods that come after it."""

    REQUIRED = "required affinity"
    REQUIRED_ANTI = "required anti-affinity"
    PREFERRED = "preferred affinity"
    PREFERRED_ANTI = "preferred anti-affinity"


@dataclass(frozen=True, slots=True)
class PlacedTerm:
    """A term that some placed pod holds. `weight` is 1 for required terms."""

    role: TermRole
    term: ResolvedTerm
    weight: int


@dataclass(frozen=True, slots=True)
class PodKind:
    """What other pods' constraints, and this pod's own towards them, can see of a pod."""

    namespace: str
    labels: Mapping[str, str]
    terminating: bool
    terms: tuple[PlacedTerm, ...]
    host_ports: tuple[HostPort, ...]


_Key: TypeAlias = tuple[object, ...]
_Counts: TypeAlias = NDArray[np.int64]


class _Present:
    """A kind that is present: its pods by row, and the arrays it counts in."""

    __slots__ = ("answers", "kind", "rows")

    def __init__(self, kind: PodKind) -> None:
        self.kind = kind
        self.rows: dict[int, int] = {}
        self.answers: list[tuple[_Counts, int]] = []


class _HeldTerm:
    """For each node, how many of its pods hold the term; and how many kinds do."""

    __slots__ = ("counts", "kinds")

    def __init__(self, nodes: int) -> None:
        self.counts: _Counts = np.zeros(nodes, np.int64)
        self.kinds = 0


class PlacedPods:
    """Counts of pod kinds by node, and arrays that answer questions about them."""

    def __init__(self, nodes: int, namespace_labels: NamespaceLabels) -> None:
        self.namespace_labels = namespace_labels
        self._nodes = nodes
        self._present: dict[_Key, _Present] = {}
        self._questions: dict[object, tuple[_Counts, Callable[[PodKind], int]]] = {}
        self._held: dict[PlacedTerm, _HeldTerm] = {}
        self._matching: dict[_Key, list[tuple[PlacedTerm, _Counts]]] = {}

    def add(self, pod: Pod, index: int) -> None:
        """Count `pod` on row `index`."""
        key = key_of(pod)
        present = self._present.get(key)
        if present is None:
            present = self._admit(kind_of(pod), key)
        present.rows[index] = present.rows.get(index, 0) + 1
        for counts, weight in present.answers:
            counts[index] += weight

    def remove(self, pod: Pod, index: int) -> None:
        """Undo `add`; a pod of a kind that is not on the row is refused."""
        key = key_of(pod)
        present = self._present.get(key)
        pods = present.rows.get(index, 0) if present else 0
        if present is None or not pods:
            raise InputError(
                f"pod {pod.namespace}/{pod.name} is not on row {index}",
                mend="release a pod from the node that it was assigned to",
            )
        for counts, weight in present.answers:
            counts[index] -= weight
        if pods > 1:
            present.rows[index] = pods - 1
            return
        del present.rows[index]
        if not present.rows:
            # A departed kind is forgotten, or unique labels would make this grow for ever.
            del self._present[key]
            self._forget_terms(present.kind)

    def on_rows(self, row_of: Mapping[int, int], moved: PlacedPods) -> PlacedPods:
        """`moved`, which is empty, with the same pods in other rows.

        Those whose row is not in `row_of` are left out.
        """
        for key, present in self._present.items():
            rows = {row_of[row]: pods for row, pods in present.rows.items() if row in row_of}
            if rows:
                admitted = moved._admit(present.kind, key)
                admitted.rows = rows
                for counts, weight in admitted.answers:
                    for row, pods in rows.items():
                        counts[row] += weight * pods
        return moved

    def _admit(self, kind: PodKind, key: _Key) -> _Present:
        present = self._present[key] = _Present(kind)
        for counts, weight_of in self._questions.values():
            if weight := weight_of(kind):
                present.answers.append((counts, weight))
        for term in kind.terms:
            held = self._held.get(term)
            if held is None:
                held = self._held[term] = _HeldTerm(self._nodes)
                self._matching.clear()
            held.kinds += 1
            present.answers.append((held.counts, 1))
        return present

    def _forget_terms(self, kind: PodKind) -> None:
        for term in kind.terms:
            held = self._held[term]
            held.kinds -= 1
            if not held.kinds:
                del self._held[term]
                self._matching.clear()

    def count(self, question: object, weight_of: Callable[[PodKind], int]) -> _Counts:
        """For each node the sum of `weight_of(kind)` over its pods.

        The array is kept up to date from now on: read it at once, never write it.

        Args:
            question: hashable; equal questions must have equal `weight_of`.
            weight_of: how much one pod of a kind counts; 0 for not at all.
        """
        asked = self._questions.get(question)
        if asked is not None:
            return asked[0]
        if len(self._questions) >= _QUESTIONS_MAX:
            self._forget_questions()
        counts = np.zeros(self._nodes, np.int64)
        self._questions[question] = (counts, weight_of)
        for present in self._present.values():
            if weight := weight_of(present.kind):
                present.answers.append((counts, weight))
                for row, pods in present.rows.items():
                    counts[row] += weight * pods
        return counts

    def forget_answers(self) -> None:
        """Count anew what is asked from now on: the labels of namespaces have changed."""
        self._forget_questions()
        self._matching.clear()

    def _forget_questions(self) -> None:
        forgotten = {id(counts) for counts, _ in self._questions.values()}
        for present in self._present.values():
            kept = [answer for answer in present.answers if id(answer[0]) not in forgotten]
            present.answers = kept
        self._questions.clear()

    @property
    def any_terms(self) -> bool:
        """Whether any placed pod holds a pod affinity or anti-affinity term."""
        return bool(self._held)

    def terms_about(self, pod: Pod) -> list[tuple[PlacedTerm, _Counts]]:
        """The terms of placed pods that mean `pod`, each with its holders by node."""
        key: _Key = (pod.namespace, frozenset(pod.labels.items()))
        matching = self._matching.get(key)
        if matching is None:
            if len(self._matching) >= _QUESTIONS_MAX:
                self._matching.clear()
            matching = self._matching[key] = [
                (placed, held.counts)
                for placed, held in self._held.items()
                if placed.term.matches(pod.namespace, pod.labels, self.namespace_labels)
            ]
        return matching


def key_of(pod: Pod) -> _Key:
    """A hashable key, equal for two pods exactly when others see the same in both."""
    affinity = pod.affinity
    return (
        pod.namespace,
        frozenset(pod.labels.items()) if pod.labels else None,
        pod.terminating,
        (affinity.pod, affinity.pod_anti) if affinity else None,
        pod.host_ports,
    )


def kind_of(pod: Pod) -> PodKind:
    """What others can see of `pod`."""
    return PodKind(
        namespace=pod.namespace,
        labels=pod.labels,
        terminating=pod.terminating,
        terms=tuple(_terms_of(pod)),
        host_ports=pod.host_ports,
    )


def _terms_of(pod: Pod) -> Iterable[PlacedTerm]:
    affinity = pod.affinity
    if affinity is None:
        return
    if affinity.pod:
        for required in affinity.pod.required:
            yield PlacedTerm(TermRole.REQUIRED, resolve(required, pod), 1)
        for weighted in affinity.pod.preferred:
            yield PlacedTerm(TermRole.PREFERRED, resolve(weighted.term, pod), weighted.weight)
    if affinity.pod_anti:
        for required in affinity.pod_anti.required:
            yield PlacedTerm(TermRole.REQUIRED_ANTI, resolve(required, pod), 1)
        for weighted in affinity.pod_anti.preferred:
            yield PlacedTerm(TermRole.PREFERRED_ANTI, resolve(weighted.term, pod), weighted.weight)
