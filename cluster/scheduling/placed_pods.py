"""Which kinds of pods run on which node, kept so that questions about them are arrays.

Pods alike in what others can see of them (namespace, labels, affinity terms, host ports) are
one *kind*. Placing a pod touches one counter of its kind and the arrays of those questions that
were asked before and that the kind answers; nothing grows with the number of pods.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cluster.constraints import HostPort, PodAffinity
from cluster.model import Pod
from energy.errors import InputError


@dataclass(frozen=True, slots=True)
class PodKind:
    """What other pods' constraints, and this pod's own towards them, can see of a pod."""

    namespace: str
    labels: tuple[tuple[str, str], ...]
    terminating: bool
    pod_affinity: PodAffinity | None
    pod_anti_affinity: PodAffinity | None
    host_ports: tuple[HostPort, ...]


# The key is what `kind_of` computes without building a PodKind, for speed.
_Key: TypeAlias = tuple[object, ...]


class _Counted:
    """One question: for each node, the weighted number of pods whose kind answers it."""

    __slots__ = ("counts", "weight_of")

    def __init__(self, nodes: int, weight_of: Callable[[PodKind], int]) -> None:
        self.counts = np.zeros(nodes, np.int64)
        self.weight_of = weight_of


class _Kind:
    """A kind that is present: pods by row, and the questions it answers with their weights."""

    __slots__ = ("answers", "kind", "rows")

    def __init__(self, kind: PodKind) -> None:
        self.kind = kind
        self.rows: dict[int, int] = {}
        self.answers: list[tuple[NDArray[np.int64], int]] = []


class PlacedPods:
    """Counts of pod kinds by node, and arrays that answer questions about them."""

    def __init__(self, nodes: int) -> None:
        self._nodes = nodes
        self._kinds: dict[_Key, _Kind] = {}
        self._questions: dict[object, _Counted] = {}
        self.opinionated: dict[_Key, _Kind] = {}
        """The kinds that have pod affinity or anti-affinity terms of their own."""

    def add(self, pod: Pod, index: int) -> None:
        """Count `pod` on row `index`."""
        key = key_of(pod)
        entry = self._kinds.get(key)
        if entry is None:
            entry = self._admit(pod, key)
        entry.rows[index] = entry.rows.get(index, 0) + 1
        for counts, weight in entry.answers:
            counts[index] += weight

    def remove(self, pod: Pod, index: int) -> None:
        """Undo `add`; a pod of a kind that is not on the row is refused."""
        key = key_of(pod)
        entry = self._kinds.get(key)
        present = entry.rows.get(index, 0) if entry else 0
        if entry is None or not present:
            raise InputError(
                f"pod {pod.namespace}/{pod.name} is not on row {index}",
                mend="release a pod from the node that it was assigned to",
            )
        if present > 1:
            entry.rows[index] = present - 1
        else:
            del entry.rows[index]
        for counts, weight in entry.answers:
            counts[index] -= weight
        if not entry.rows:
            # A departed kind is forgotten, or unique labels would make the table grow for ever.
            del self._kinds[key]
            self.opinionated.pop(key, None)

    def _admit(self, pod: Pod, key: _Key) -> _Kind:
        entry = self._kinds[key] = _Kind(kind_of(pod))
        if entry.kind.pod_affinity or entry.kind.pod_anti_affinity:
            self.opinionated[key] = entry
        for question in self._questions.values():
            if weight := question.weight_of(entry.kind):
                entry.answers.append((question.counts, weight))
        return entry

    def count(self, question: object, weight_of: Callable[[PodKind], int]) -> NDArray[np.int64]:
        """For each node the sum of `weight_of(kind)` over its pods.

        The array is kept up to date from now on: read it, never write it.

        Args:
            question: hashable; equal questions must have equal `weight_of`.
            weight_of: how much one pod of a kind counts; 0 for not at all.
        """
        asked = self._questions.get(question)
        if asked is None:
            asked = self._questions[question] = _Counted(self._nodes, weight_of)
            for entry in self._kinds.values():
                if weight := weight_of(entry.kind):
                    entry.answers.append((asked.counts, weight))
                    for row, pods in entry.rows.items():
                        asked.counts[row] += weight * pods
        return asked.counts

    def kinds_with_terms(self) -> list[PodKind]:
        """The kinds present that have pod affinity or anti-affinity terms of their own."""
        return [entry.kind for entry in self.opinionated.values()]


def key_of(pod: Pod) -> _Key:
    """A hashable key, equal for two pods exactly when their kinds are equal."""
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
    affinity = pod.affinity
    return PodKind(
        namespace=pod.namespace,
        labels=tuple(sorted(pod.labels.items())),
        terminating=pod.terminating,
        pod_affinity=affinity.pod if affinity else None,
        pod_anti_affinity=affinity.pod_anti if affinity else None,
        host_ports=pod.host_ports,
    )
