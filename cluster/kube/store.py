"""A thread-safe copy of one resource of the cluster, and the changes that it goes through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class ChangeKind(StrEnum):
    """What happened to one object."""

    ADDED = "added"
    UPDATED = "updated"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(Generic[T]):
    """One object before (None: it is new) and after (None: it is gone)."""

    key: str
    before: T | None
    after: T | None

    @property
    def kind(self) -> ChangeKind:
        """Whether the object came, changed or went."""
        if self.before is None:
            return ChangeKind.ADDED
        return ChangeKind.UPDATED if self.after is not None else ChangeKind.DELETED


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(Generic[T]):
    """A stored value and the resource version it was read at."""

    resource_version: str
    value: T


class ObjectStore(Generic[T]):
    """Objects by key. Each mutation returns the changes it made, so none can be missed."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._entries: dict[str, Entry[T]] = {}

    def replace_all(self, entries: Mapping[str, Entry[T]]) -> list[Change[T]]:
        """Take over a full list; what it lacks has been deleted meanwhile."""
        fresh = dict(entries)
        with self._lock:
            known, self._entries = self._entries, fresh
        gone = [
            Change(key=key, before=entry.value, after=None)
            for key, entry in known.items()
            if key not in fresh
        ]
        came = [
            Change(key=key, before=known[key].value if key in known else None, after=entry.value)
            for key, entry in fresh.items()
            if key not in known or known[key].resource_version != entry.resource_version
        ]
        return gone + came

    def put(self, key: str, entry: Entry[T]) -> list[Change[T]]:
        """Add or replace one object."""
        with self._lock:
            known = self._entries.get(key)
            self._entries[key] = entry
        if known is not None and known.resource_version == entry.resource_version:
            return []
        return [Change(key=key, before=known.value if known else None, after=entry.value)]

    def remove(self, key: str) -> list[Change[T]]:
        """Drop one object; dropping an unknown one is no change."""
        with self._lock:
            known = self._entries.pop(key, None)
        return [Change(key=key, before=known.value, after=None)] if known else []

    def get(self, key: str) -> T | None:
        """Return one object, or None."""
        with self._lock:
            entry = self._entries.get(key)
        return entry.value if entry else None

    def values(self) -> tuple[T, ...]:
        """Return all objects as of now, in the order in which the API server lists them."""
        with self._lock:
            entries = list(self._entries.items())
        # etcd lists by key, so this is API order also after a watch has added objects.
        return tuple(entry.value for _, entry in sorted(entries, key=lambda pair: pair[0]))

    def __len__(self) -> int:
        with self._lock:
            return len(self._entries)
