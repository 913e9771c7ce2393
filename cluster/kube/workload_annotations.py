"""Our annotations on Deployments and StatefulSets, followed as they come and change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from random import Random
from types import TracebackType
from typing import Final, Self

from kubernetes.client import ApiClient, AppsV1Api

from cluster.kube.client import JsonObject, KubeClient, Resource
from cluster.kube.errors import KubeError
from cluster.kube.informer import Informer, object_key
from cluster.kube.settings import WatchSettings
from cluster.kube.snapshot import STOP_SECONDS

PREFIX: Final = "negawatt.dev/"


def _deployments(api: ApiClient) -> Callable[..., object]:
    return AppsV1Api(api).list_deployment_for_all_namespaces


def _stateful_sets(api: ApiClient) -> Callable[..., object]:
    return AppsV1Api(api).list_stateful_set_for_all_namespaces


KINDS: Final = {
    "Deployment": Resource(plural="deployments", endpoint=_deployments, group="apps"),
    "StatefulSet": Resource(plural="statefulsets", endpoint=_stateful_sets, group="apps"),
}
Annotated = tuple[str, Mapping[str, str]]


class WorkloadAnnotations:
    """Informers of both kinds, as a context manager; they keep nothing but our annotations."""

    def __init__(
        self, client: KubeClient, *, rng: Random, settings: WatchSettings | None = None
    ) -> None:
        self._informers: tuple[Informer[Annotated], ...] = tuple(
            Informer(
                client,
                resource,
                partial(annotations_of, kind),
                settings=settings or WatchSettings(),
                rng=rng,
            )
            for kind, resource in KINDS.items()
        )

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
        for informer in self._informers:
            informer.ask_to_stop()
        for informer in self._informers:
            informer.stop(timeout_seconds=STOP_SECONDS)

    def annotations(self) -> Mapping[str, Mapping[str, str]]:
        """Our annotations by `namespace/Kind/name`, of workloads that have some."""
        values = (value for informer in self._informers for value in informer.values())
        return {key: found for key, found in values if found}

    def errors(self) -> tuple[KubeError, ...]:
        """Why the copy is not up to date; empty while it is."""
        found = (informer.status().error for informer in self._informers)
        return tuple(error for error in found if error is not None)

    def wait_until_synced(self, *, timeout_seconds: float) -> None:
        """Wait until both kinds are listed. Raises KubeError."""
        for informer in self._informers:
            informer.wait_until_synced(timeout_seconds=timeout_seconds)


def annotations_of(kind: str, item: JsonObject) -> Annotated:
    """A workload's key and those of its annotations that are ours; never raises."""
    metadata = item.get("metadata")
    given = metadata.get("annotations") if isinstance(metadata, dict) else None
    found = given if isinstance(given, dict) else {}
    namespace, _, name = object_key(item).rpartition("/")
    return f"{namespace}/{kind}/{name}", {
        str(label): str(value) for label, value in found.items() if str(label).startswith(PREFIX)
    }
