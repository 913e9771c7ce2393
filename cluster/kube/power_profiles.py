"""PowerProfile custom resources, followed as they come, change and go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random
from types import TracebackType
from typing import Final, Self

from kubernetes.client import ApiClient, CustomObjectsApi

from cluster.kube.client import JsonObject, KubeClient, Resource
from cluster.kube.convert import Reading
from cluster.kube.errors import KubeError, NotFoundError
from cluster.kube.informer import Informer, object_key
from cluster.kube.settings import WatchSettings
from cluster.kube.snapshot import STOP_SECONDS
from cluster.kube.store import Change
from energy.errors import InputError
from energy.power_profile import PowerProfile, parsed_power_profile

GROUP: Final = "negawatt.dev"
_VERSION: Final = "v1alpha1"
_PLURAL: Final = "powerprofiles"
# What a file may hold, too; the API server adds more to every object.
_DOCUMENT: Final = ("apiVersion", "kind", "spec")
_METADATA: Final = ("name", "labels", "annotations")


def _endpoint(api: ApiClient) -> Callable[..., object]:
    return partial(CustomObjectsApi(api).list_cluster_custom_object, GROUP, _VERSION, _PLURAL)


POWER_PROFILES: Final = Resource(plural=_PLURAL, endpoint=_endpoint, group=GROUP)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedPowerProfiles:
    """The profiles that the cluster holds.

    Attributes:
        profiles: in the order of their names.
        doubts: which resources could not be read and why, one line each.
        installed: False while the API server does not know the kind: then there are no profiles.
        error: why the copy is not up to date; None while all is well, or the kind is unknown.
    """

    profiles: tuple[PowerProfile, ...]
    doubts: tuple[str, ...] = ()
    installed: bool = True
    error: KubeError | None = None


class PowerProfileObserver:
    """An informer of PowerProfiles, as a context manager.

    Where the kind is not installed it asks again now and then (after
    `WatchSettings.backoff_max_seconds` at the latest), so that a later installation is noticed.
    """

    def __init__(
        self, client: KubeClient, *, rng: Random, settings: WatchSettings | None = None
    ) -> None:
        self._informer: Informer[Reading[PowerProfile]] = Informer(
            client,
            POWER_PROFILES,
            read_power_profile,
            settings=settings or WatchSettings(),
            rng=rng,
        )

    def __enter__(self) -> Self:
        self._informer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def ask_to_stop(self) -> None:
        """Let the thread end as soon as it can, and do not wait for it."""
        self._informer.ask_to_stop()

    def stop(self, *, timeout_seconds: float = STOP_SECONDS) -> bool:
        """End the thread; return whether it ended in time."""
        return self._informer.stop(timeout_seconds=timeout_seconds)

    def subscribe(self, handler: Callable[[Change[Reading[PowerProfile]]], None]) -> None:
        """Call `handler` with every change; subscribe before the block is entered."""
        self._informer.subscribe(handler)

    def wait_until_known(self, *, timeout_seconds: float) -> None:
        """Wait until the profiles are listed, or known not to be installed.

        Raises:
            KubeError: a permission is missing, or the time is up.
        """
        try:
            self._informer.wait_until_synced(timeout_seconds=timeout_seconds)
        except NotFoundError:
            return

    def observe(self) -> ObservedPowerProfiles:
        """Return the profiles as of now; none before the first list."""
        error = self._informer.status().error
        missing = isinstance(error, NotFoundError)
        # Whoever takes the kind away takes its objects away.
        readings = () if missing else self._informer.values()
        return ObservedPowerProfiles(
            profiles=tuple(each.value for each in readings if each.value is not None),
            doubts=tuple(doubt for each in readings for doubt in each.doubts),
            installed=not missing,
            error=None if missing else error,
        )


def read_power_profile(item: JsonObject) -> Reading[PowerProfile]:
    """Read a custom resource as the same document in a file is read; never raises."""
    key = object_key(item)
    metadata = item.get("metadata")
    kept = metadata if isinstance(metadata, dict) else {}
    document: JsonObject = {name: item[name] for name in _DOCUMENT if name in item}
    document["metadata"] = {name: kept[name] for name in _METADATA if name in kept}
    try:
        value = parsed_power_profile(document, where=f"PowerProfile {key}")
    except InputError as error:
        return Reading(key=key, value=None, doubts=(str(error),))
    return Reading(key=key, value=value)
