"""What the core knows of the cluster's objects: nodes, namespaces, and the pods that wait."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from cluster.model import Node, Pod

_NO_LABELS: Mapping[str, str] = MappingProxyType({})
FINISHED = frozenset({"Succeeded", "Failed"})


class ClusterView:
    """Copies of nodes, namespaces and waiting pods; one thread owns it.

    Attributes:
        nodes: by name.
        waiting: pods that no node has, by `namespace/name`.
        queue: those of them that one of our schedulers will come to, as rules should see them.
    """

    def __init__(self, scheduler_names: Collection[str] | None) -> None:
        """Follow what these schedulers place; None for all of them."""
        self._scheduler_names = None if scheduler_names is None else frozenset(scheduler_names)
        self.nodes: dict[str, Node] = {}
        self.namespace_labels: dict[str, Mapping[str, str]] = {}
        self.waiting: dict[str, Pod] = {}
        self.queue: dict[str, Pod] = {}

    def labels_of(self, namespace: str) -> Mapping[str, str]:
        """Labels of a namespace; none if it is not known."""
        return self.namespace_labels.get(namespace, _NO_LABELS)

    def sorted_nodes(self) -> list[Node]:
        """All nodes in API order."""
        return [self.nodes[name] for name in sorted(self.nodes)]

    def is_ours(self, pod: Pod) -> bool:
        """Whether one of our schedulers places the pod."""
        return self._scheduler_names is None or pod.scheduler_name in self._scheduler_names

    def waits(self, key: str, pod: Pod, needed: Pod | None) -> None:
        """A pod waits; ``needed`` is how rules should see it, None if it is not ranked."""
        self.waiting[key] = pod
        soon = not (pod.gated or pod.refused or pod.terminating)
        if needed is not None and soon and self.is_ours(pod):
            self.queue[key] = needed
        else:
            self.queue.pop(key, None)

    def waits_no_more(self, key: str) -> None:
        """A pod was bound, or is gone."""
        self.waiting.pop(key, None)
        self.queue.pop(key, None)


def is_finished(pod: Pod) -> bool:
    """Whether a pod takes nothing of its node any more."""
    return pod.phase in FINISHED
