"""Follow one resource of the API server: list it, watch it, and catch up after every mishap.

The client library's own informer (37.0) was weighed and left: it lists without pages, reconnects
without waiting, asks for no bookmarks, and cannot say how old its copy is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from threading import Condition, Event, Thread
from typing import Generic, Self, TypeVar

from cluster.kube.client import JsonObject, KubeClient, Resource, WatchEvent, WatchStream
from cluster.kube.errors import (
    GoneError,
    KubeError,
    TooManyRequestsError,
    UnexpectedError,
    UnreachableError,
)
from cluster.kube.pacing import Backoff
from cluster.kube.settings import WatchSettings
from cluster.kube.store import Change, Entry, ObjectStore

T = TypeVar("T")

_log = logging.getLogger(__name__)
# A watch that ends at once without a word is a fault of something in between, not a quiet
# cluster; client-go draws the line at the same second.
_SHORTEST_QUIET_WATCH_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class InformerStatus:
    """How far an informer's copy can be trusted.

    Attributes:
        synced: a full list has been read at least once.
        objects: how many objects the copy holds.
        age_seconds: since the server last said anything; infinite before the first list. On a
            quiet cluster it rises to about 60 between two bookmarks, at most to the
            `silence_seconds_max` after which a silent watch is renewed.
        lists: full lists read so far.
        watches: watches opened so far.
        failures: failed attempts so far.
        handler_failures: exceptions that handlers let out.
        error: why the last attempt failed; None while all is well.
    """

    synced: bool
    objects: int
    age_seconds: float
    lists: int
    watches: int
    failures: int
    handler_failures: int
    error: KubeError | None


class Informer(Generic[T]):
    """A copy of one resource, kept up to date by one background thread.

    `read` turns an object's JSON into a value and must not raise: what cannot be read is a value
    too. Handlers run on the informer's thread, in order, after the store has changed.
    """

    def __init__(
        self,
        client: KubeClient,
        resource: Resource,
        read: Callable[[JsonObject], T],
        *,
        settings: WatchSettings,
        rng: Random,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        """Prepare an informer; `sleep` waits between attempts (default: until `stop`)."""
        self._client = client
        self._resource = resource
        self._read = read
        self._settings = settings
        self._rng = rng
        self._stopping = Event()
        self._sleep = sleep or self._stopping.wait
        self._backoff = Backoff(
            initial_seconds=settings.backoff_initial_seconds,
            max_seconds=settings.backoff_max_seconds,
        )
        self._store: ObjectStore[T] = ObjectStore()
        self._handlers: list[Callable[[Change[T]], None]] = []
        self._thread: Thread | None = None
        self._stream: WatchStream | None = None
        self._resource_version = ""
        self._moved = Condition()  # guards what status() reads and wakes wait_until_synced()
        self._heard_at: float | None = None
        self._listed_at: float | None = None
        self._error: KubeError | None = None
        self._lists = self._watches = self._failures = self._handler_failures = 0

    def subscribe(self, handler: Callable[[Change[T]], None]) -> None:
        """Call `handler` with every change from now on; subscribe before `start`."""
        self._handlers.append(handler)

    def start(self) -> Self:
        """Begin to list and watch in the background; a second call does nothing."""
        if self._thread is None:
            self._stopping.clear()
            name = f"informer-{self._resource.plural}"
            self._thread = Thread(target=self._run, name=name, daemon=True)
            self._thread.start()
        return self

    def ask_to_stop(self) -> None:
        """Let the thread end as soon as it can, and do not wait for it."""
        self._stopping.set()
        if (stream := self._stream) is not None:
            stream.close()

    def stop(self, *, timeout_seconds: float = 10.0) -> bool:
        """End the thread; return whether it ended in time. The copy remains readable.

        One that waits for an answer of the server ends with the answer, or when it gives up.
        """
        self._stopping.set()
        thread, waited_seconds, poll_seconds = self._thread, 0.0, 0.1
        while thread is not None and thread.is_alive() and waited_seconds < timeout_seconds:
            # Again and again, because the thread may be about to open its next watch.
            stream = self._stream
            if stream is not None:
                stream.close()
            thread.join(poll_seconds)
            waited_seconds += poll_seconds
        ended = thread is None or not thread.is_alive()
        if ended:
            self._thread = None
        return ended

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait_until_synced(self, *, timeout_seconds: float) -> None:
        """Wait for the first full list.

        Raises:
            KubeError: the server says no for good (at once), or the time is up.
        """

        def settled() -> bool:
            error = self._error
            return self._listed_at is not None or (error is not None and not error.transient)

        with self._moved:
            self._moved.wait_for(settled, timeout=timeout_seconds)
            if self._listed_at is not None:
                return
            raise self._error or UnreachableError(
                f"no list of {self._resource.plural} within {timeout_seconds:g} s",
                where=self._client.server,
                mend="check that the API server runs",
            )

    def get(self, key: str) -> T | None:
        """Return the object with this key (`namespace/name`, or `name`), or None."""
        return self._store.get(key)

    def values(self) -> tuple[T, ...]:
        """Return all objects as of now, in API order."""
        return self._store.values()

    def status(self) -> InformerStatus:
        """Return how old and how complete the copy is."""
        with self._moved:
            heard_at = self._heard_at
            age = float("inf") if heard_at is None else self._client.monotonic() - heard_at
            return InformerStatus(
                synced=self._listed_at is not None,
                objects=len(self._store),
                age_seconds=age,
                lists=self._lists,
                watches=self._watches,
                failures=self._failures,
                handler_failures=self._handler_failures,
                error=self._error,
            )

    def _run(self) -> None:
        """List and watch until stopped. Failures in a row wait longer and longer."""
        in_a_row = 0
        while not self._stopping.is_set():
            began_at = self._client.monotonic()
            try:
                if self._list_is_due():
                    self._list()
                self._follow()
                in_a_row = 0
            except Exception as error:  # noqa: BLE001 - a thread that dies makes a silent, stale copy
                if self._stopping.is_set():
                    return
                failure = error if isinstance(error, KubeError) else self._unexpected(error)
                lasted_seconds = self._client.monotonic() - began_at
                in_a_row = (
                    1 if lasted_seconds > self._settings.backoff_max_seconds else in_a_row + 1
                )
                self._failed(failure)
                self._wait_after(failure, in_a_row)

    def _unexpected(self, error: Exception) -> UnexpectedError:
        """Make a fault of ours a failure like others, after which everything is listed afresh."""
        _log.error("an informer of %s failed", self._resource.plural, exc_info=error)
        # Taking the watch up again would meet the same event, and each opening would call the
        # copy fresh.
        self._resource_version = ""
        said = " ".join(f"{type(error).__name__}: {error}".split())
        return UnexpectedError(
            f"cannot follow {self._resource.plural}: {said}",
            where=self._client.server,
            mend="this looks like a fault of ours; the log has the details",
        )

    def _wait_after(self, error: KubeError, in_a_row: int) -> None:
        if isinstance(error, GoneError):
            self._resource_version = ""
            if in_a_row == 1:
                return  # compaction is routine: list again at once
        at_least = error.retry_after_seconds if isinstance(error, TooManyRequestsError) else 0.0
        self._sleep(self._backoff.wait_seconds(in_a_row, self._rng, at_least_seconds=at_least))

    def _list_is_due(self) -> bool:
        if not self._resource_version or self._listed_at is None:
            return True
        return self._client.monotonic() - self._listed_at >= self._settings.relist_seconds

    def _list(self) -> None:
        """Read every page, then replace the copy at once: half a list is never visible."""
        entries: dict[str, Entry[T]] = {}
        version = ""
        for page in self._client.pages(
            self._resource, page_objects_max=self._settings.page_objects_max
        ):
            for item in page.items:
                entries[object_key(item)] = self._entry(item)
            version = page.resource_version
            if self._stopping.is_set():
                return
        changes = self._store.replace_all(entries)
        self._resource_version = version
        # Before anybody waits no more: who does may count on all handlers having seen the list.
        self._tell(changes)
        with self._moved:
            self._lists += 1
            self._listed_at = self._client.monotonic()
        self._heard()

    def _follow(self) -> None:
        """Watch from the last resource version until the server ends the watch or it breaks."""
        if self._stopping.is_set():
            return
        lasting_seconds = self._settings.watch_seconds
        # Spread, so that a thousand watches opened together are not renewed together.
        lasting_seconds += self._rng.randrange(lasting_seconds + 1)
        self._stream = stream = self._client.watch(
            self._resource,
            resource_version=self._resource_version,
            lasting_seconds=lasting_seconds,
            silence_seconds_max=self._settings.silence_seconds_max,
            opened=self._opened,
        )
        began_at, events = self._client.monotonic(), 0
        try:
            for event in stream:
                if self._stopping.is_set():
                    return
                self._apply(event)
                events += 1
        finally:
            stream.close()
            self._stream = None
        if stream.silent:
            return  # whether the server lives is for the next watch to find out
        self._heard()
        lasted_seconds = self._client.monotonic() - began_at
        if not events and lasted_seconds < _SHORTEST_QUIET_WATCH_SECONDS:
            raise UnreachableError(
                f"the watch of {self._resource.plural} ended at once, without an event",
                where=self._client.server,
                mend="look at what stands between us and the API server",
            )

    def _apply(self, event: WatchEvent) -> None:
        self._heard()
        version = resource_version(event.item)
        if event.kind in {"ADDED", "MODIFIED"}:
            changes = self._store.put(object_key(event.item), self._entry(event.item))
        elif event.kind == "DELETED":
            changes = self._store.remove(object_key(event.item))
        else:
            changes = []  # a bookmark, or a kind that we do not know: only the version counts
        if version:
            self._resource_version = version
        self._tell(changes)

    def _entry(self, item: JsonObject) -> Entry[T]:
        return Entry(resource_version=resource_version(item), value=self._read(item))

    def _tell(self, changes: list[Change[T]]) -> None:
        for change in changes:
            for handler in self._handlers:
                self._call(handler, change)

    def _call(self, handler: Callable[[Change[T]], None], change: Change[T]) -> None:
        try:
            handler(change)
        except Exception:  # noqa: BLE001 - whatever it is, it is the listener's fault
            # One deaf listener must not make all the others stale.
            _log.exception("a handler of %s failed at %s", self._resource.plural, change.key)
            with self._moved:
                self._handler_failures += 1

    def _opened(self) -> None:
        with self._moved:
            self._watches += 1
        self._heard()

    def _heard(self) -> None:
        with self._moved:
            self._heard_at = self._client.monotonic()
            self._error = None
            self._moved.notify_all()

    def _failed(self, error: KubeError) -> None:
        with self._moved:
            # A kind that is not installed fails for ever in the same words: once is enough.
            known = self._error is not None and str(self._error) == str(error)
            _log.log(logging.DEBUG if known else logging.WARNING, "%s", error)
            self._failures += 1
            self._error = error
            self._moved.notify_all()


def object_key(item: JsonObject) -> str:
    """Return `namespace/name`, or `name` for what has no namespace."""
    metadata = _metadata(item)
    name, namespace = str(metadata.get("name", "")), str(metadata.get("namespace") or "")
    return f"{namespace}/{name}" if namespace else name


def object_uid(item: JsonObject) -> str:
    """Return the object's uid, empty if it has none."""
    return str(_metadata(item).get("uid") or "")


def resource_version(item: JsonObject) -> str:
    """Return the object's resource version, empty if it has none."""
    return str(_metadata(item).get("resourceVersion") or "")


def _metadata(item: JsonObject) -> JsonObject:
    metadata = item.get("metadata")
    return metadata if isinstance(metadata, dict) else {}
