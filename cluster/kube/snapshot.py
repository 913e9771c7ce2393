"""One consistent view of the cluster, from informers of its nodes, pods and namespaces."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from random import Random
from time import monotonic
from types import MappingProxyType, TracebackType
from typing import Self

from cluster.kube.client import NAMESPACES, NODES, UNFINISHED_PODS, KubeClient
from cluster.kube.convert import (
    NamespaceLabels,
    Reading,
    read_namespace,
    read_node,
    read_pod,
)
from cluster.kube.errors import KubeError, UnreachableError
from cluster.kube.informer import Informer
from cluster.kube.settings import WatchSettings
from cluster.model import ClusterSnapshot, Node, Pod

#: How long all informers together get to end. Their threads do not keep the process from ending.
STOP_SECONDS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedCluster:
    """A snapshot and how far to trust it.

    Attributes:
        snapshot: its `taken_at_seconds` is when the server last confirmed its oldest part.
        age_seconds: how long ago that was. On a quiet cluster usually up to 60, at most 120.
        doubts: what could not be understood, one line each. A node that may hold more than we
            know is unschedulable in the snapshot.
        errors: why what is followed is not up to date, such as a permission that was taken away;
            empty while all is well.
    """

    snapshot: ClusterSnapshot
    age_seconds: float
    doubts: tuple[str, ...]
    errors: tuple[KubeError, ...] = ()


class ClusterObserver:
    """Informers of everything that a snapshot shows, as one context manager.

    They are independent, so for a moment a pod may name a node that is not there yet, or no more.
    """

    def __init__(
        self, client: KubeClient, *, rng: Random, settings: WatchSettings | None = None
    ) -> None:
        chosen = settings or WatchSettings()
        self._client = client
        self.nodes: Informer[Reading[Node]] = Informer(
            client, NODES, read_node, settings=chosen, rng=rng
        )
        self.pods: Informer[Reading[Pod]] = Informer(
            client, UNFINISHED_PODS, read_pod, settings=chosen, rng=rng
        )
        self.namespaces: Informer[Reading[NamespaceLabels]] = Informer(
            client, NAMESPACES, read_namespace, settings=chosen, rng=rng
        )
        self._informers = (self.namespaces, self.nodes, self.pods)

    def __enter__(self) -> Self:
        for informer in self._informers:
            informer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def ask_to_stop(self) -> None:
        """Let all threads end as soon as they can, and do not wait for them."""
        for informer in self._informers:
            informer.ask_to_stop()

    def stop(self, *, timeout_seconds: float = STOP_SECONDS) -> bool:
        """End all threads; return whether they ended in time, which is one for all of them."""
        self.ask_to_stop()
        deadline = monotonic() + timeout_seconds
        ended = [
            informer.stop(timeout_seconds=max(0.0, deadline - monotonic()))
            for informer in self._informers
        ]
        return all(ended)

    def wait_until_synced(self, *, timeout_seconds: float) -> None:
        """Wait for the first full lists.

        Raises:
            KubeError: a permission is missing, or the time is up.
        """
        deadline = self._client.monotonic() + timeout_seconds
        for informer in self._informers:
            left_seconds = max(0.0, deadline - self._client.monotonic())
            informer.wait_until_synced(timeout_seconds=left_seconds)

    def observe(self, *, now_seconds: float) -> ObservedCluster:
        """Return the cluster as of now (`now_seconds`: Unix time).

        Raises:
            UnreachableError: something was never listed. Nodes without their pods would look
                empty, so there is no such thing as half a snapshot.
        """
        statuses = (self.nodes.status(), self.pods.status(), self.namespaces.status())
        if not all(status.synced for status in statuses):
            error = next((status.error for status in statuses if status.error), None)
            raise error or UnreachableError(
                "the cluster has not been listed yet", mend="wait until the observer is synced"
            )
        age_seconds = max(status.age_seconds for status in statuses)
        return assemble(
            self.nodes.values(),
            self.pods.values(),
            self.namespaces.values(),
            age_seconds=age_seconds,
            now_seconds=now_seconds,
            errors=tuple(status.error for status in statuses if status.error),
        )


def assemble(
    nodes: Iterable[Reading[Node]],
    pods: Iterable[Reading[Pod]],
    namespaces: Iterable[Reading[NamespaceLabels]] = (),
    *,
    age_seconds: float,
    now_seconds: float,
    errors: tuple[KubeError, ...] = (),
) -> ObservedCluster:
    """Put readings together; close every node whose load is not fully known. Pure."""
    nodes, pods, namespaces = tuple(nodes), tuple(pods), tuple(namespaces)
    unknown_load = {pod.node_name for pod in pods if pod.value is None and pod.node_name}
    return ObservedCluster(
        snapshot=ClusterSnapshot(
            nodes=tuple(
                replace(node.value, unschedulable=True)
                if node.value.name in unknown_load
                else node.value
                for node in nodes
                if node.value is not None
            ),
            pods=tuple(pod.value for pod in pods if pod.value is not None),
            namespace_labels=MappingProxyType(
                {
                    namespace.value.name: namespace.value.labels
                    for namespace in namespaces
                    if namespace.value is not None
                }
            ),
            taken_at_seconds=now_seconds - age_seconds,
        ),
        age_seconds=age_seconds,
        doubts=tuple(
            doubt
            for readings in (nodes, pods, namespaces)
            for reading in readings
            for doubt in reading.doubts
        ),
        errors=errors,
    )
