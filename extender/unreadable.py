"""Objects of the cluster that could not be read: each is said once, and all are counted."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

_log = logging.getLogger(__name__)

POD: Final = "pod"
NODE: Final = "node"
NAMESPACE: Final = "namespace"
POWER_PROFILE: Final = "power-profile"
KINDS: Final = (POD, NODE, NAMESPACE, POWER_PROFILE)


class Unreadable:
    """The keys that cannot be read now, by kind. As many as there are such objects at most."""

    def __init__(self) -> None:
        self._keys: dict[str, set[str]] = {kind: set() for kind in KINDS}

    def note(self, kind: str, key: str, doubts: Iterable[str]) -> None:
        """Note an object that could not be read; a line in the log the first time."""
        if key not in self._keys[kind]:
            self._keys[kind].add(key)
            _log.warning("%s", "; ".join(doubts) or f"the {kind} {key} cannot be read")

    def settle(self, kind: str, key: str) -> None:
        """Note that an object was read, or is gone."""
        self._keys[kind].discard(key)

    def keep_only(self, kind: str, keys: Iterable[str]) -> None:
        """Settle all others of a kind."""
        self._keys[kind].intersection_update(keys)

    def counts(self) -> dict[str, int]:
        """How many there are, by kind."""
        return {kind: len(keys) for kind, keys in self._keys.items()}
