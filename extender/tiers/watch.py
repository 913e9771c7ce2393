"""What the controller follows: nodes and power profiles, and whether both can be trusted now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from time import monotonic
from typing import Final, Self

from cluster.kube.client import NODES, KubeClient
from cluster.kube.errors import KubeError, NotFoundError
from cluster.kube.informer import Informer
from cluster.kube.power_profiles import (
    POWER_PROFILES,
    PowerProfileObserver,
    read_power_profile,
)
from cluster.kube.settings import WatchSettings
from cluster.kube.snapshot import STOP_SECONDS
from cluster.kube.store import Change
from energy.catalogue import Catalogue
from energy.power_profile import PowerProfile
from extender.fleet import ProfileFinder
from extender.tiers.nodes import LabelledNode, read_labelled_node

#: How long the API server may be silent: a quiet cluster says nothing for up to two minutes.
SILENT_SECONDS: Final = 150.0
_PAGE_OBJECTS_MAX: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The cluster as it is known.

    Attributes:
        nodes: in the order of their names.
        finder: finds their power profiles.
        doubts: power profiles that could not be read, one line each.
    """

    nodes: tuple[LabelledNode, ...]
    finder: ProfileFinder
    doubts: tuple[str, ...] = ()


class ClusterWatch:
    """Follows nodes and PowerProfiles, as a context manager; `changed` is called on any change."""

    def __init__(
        self,
        client: KubeClient,
        changed: Callable[[], None],
        *,
        rng: Random,
        written_profiles: Sequence[PowerProfile] = (),
        settings: WatchSettings | None = None,
    ) -> None:
        self._changed = changed
        self._written = tuple(written_profiles)
        self._profiles: tuple[PowerProfile, ...] | None = None
        self._finder = ProfileFinder(Catalogue.shipped())
        self._nodes: Informer[LabelledNode] = Informer(
            client, NODES, read_labelled_node, settings=settings or WatchSettings(), rng=rng
        )
        self._nodes.subscribe(self._node_changed)
        self._profile_observer = PowerProfileObserver(client, rng=rng, settings=settings)
        self._profile_observer.subscribe(lambda _change: changed())

    def __enter__(self) -> Self:
        self._profile_observer.__enter__()
        self._nodes.start()
        return self

    def __exit__(self, *_: object) -> None:
        deadline = monotonic() + STOP_SECONDS
        self._nodes.ask_to_stop()
        self._profile_observer.ask_to_stop()
        for part in (self._nodes, self._profile_observer):
            part.stop(timeout_seconds=max(0.0, deadline - monotonic()))

    @property
    def age_seconds(self) -> float:
        """Since the API server last said anything of nodes; infinite before the first list."""
        return self._nodes.status().age_seconds

    def troubles(self) -> tuple[str, ...]:
        """Why nothing may be concluded from what is known, one line each; empty if all is well.

        Power profiles that cannot be read may be about any node, so then no tier is sure; a
        cluster that does not have the kind has none.
        """
        status = self._nodes.status()
        lines = []
        if status.error is not None:
            lines.append(str(status.error))
        elif not status.synced:
            lines.append("the nodes are not listed yet")
        elif status.age_seconds > SILENT_SECONDS:
            lines.append(f"the API server has been silent for over {SILENT_SECONDS:.0f} s")
        if (line := self._profile_trouble()) is not None:
            lines.append(line)
        return tuple(lines)

    def seen(self) -> Seen:
        """The cluster as of now; ask `troubles` first."""
        found = self._profile_observer.observe()
        profiles = (*self._written, *found.profiles)
        if profiles != self._profiles:
            self._profiles = profiles
            self._finder = ProfileFinder(Catalogue.shipped().with_power_profiles(profiles))
        return Seen(nodes=self._nodes.values(), finder=self._finder, doubts=found.doubts)

    def _node_changed(self, change: Change[LabelledNode]) -> None:
        if change.before != change.after:  # heartbeats change nothing that counts here
            self._changed()

    def _profile_trouble(self) -> str | None:
        error = self._profile_observer.observe().error
        if error is not None:
            return f"power profiles of the cluster are not known: {error}"
        try:
            self._profile_observer.wait_until_known(timeout_seconds=0)
        except KubeError:
            return "the power profiles of the cluster are not listed yet"
        return None


def seen_once(client: KubeClient, written_profiles: Sequence[PowerProfile] = ()) -> Seen:
    """Read nodes and power profiles once.

    Raises:
        KubeError: either cannot be read.
    """
    nodes = [
        read_labelled_node(item)
        for page in client.pages(NODES, page_objects_max=_PAGE_OBJECTS_MAX)
        for item in page.items
    ]
    try:
        readings = [
            read_power_profile(item)
            for page in client.pages(POWER_PROFILES, page_objects_max=_PAGE_OBJECTS_MAX)
            for item in page.items
        ]
    except NotFoundError:
        readings = []  # the kind is not installed
    found = [each.value for each in readings if each.value is not None]
    catalogue = Catalogue.shipped().with_power_profiles((*written_profiles, *found))
    return Seen(
        nodes=tuple(nodes),
        finder=ProfileFinder(catalogue),
        doubts=tuple(doubt for each in readings for doubt in each.doubts),
    )
