"""One leader among several replicas: a thread that claims a Lease, renews it and gives it back.

The rules are in `cluster.kube.leases`. The client library's own elector (37.0) was weighed and
left: it measures with the wall clock, cannot be stopped, and lets a renewal that hangs outlast the
lease.
"""

from __future__ import annotations

import logging
import socket
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from threading import Condition, Event, Thread
from types import TracebackType
from typing import Final, Self

from kubernetes.client import CoordinationV1Api

from cluster.kube.client import JsonObject, KubeClient
from cluster.kube.errors import (
    ConflictError,
    KubeError,
    KubeRequest,
    NotFoundError,
    UnexpectedError,
)
from cluster.kube.leases import (
    JITTER_RATIO_MAX,
    ElectionSettings,
    Lease,
    Move,
    Standing,
    claimed,
    next_step,
    released,
)

_log = logging.getLogger(__name__)
_GROUP: Final = "coordination.k8s.io"
STOP_SECONDS: Final = 5.0


def unique_identity() -> str:
    """Return a name that no other process has, beginning with the host's (in a pod, the pod's)."""
    return f"{socket.gethostname()}_{uuid.uuid4()}"


def boot_seconds() -> float:
    """Return a clock that never goes back, and goes on while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseName:
    """Which Lease is meant."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ElectionStatus:
    """How the election stands.

    Attributes:
        leading: we may act.
        holder: who holds the lease as last seen; empty where nobody does or it is unknown.
        transitions: how often the holder has changed.
        reason: why we did what we did last.
        failures: attempts so far that failed.
        error: why the last attempt failed; None while all is well.
    """

    leading: bool
    holder: str
    transitions: int
    reason: str
    failures: int
    error: KubeError | None


class LeaderElection:
    """A candidate, as a context manager; the lease is given back when the block is left.

    Ask `leading()` before each act: it is answered by the clock, so that a renewal that hangs or a
    process that was paused stops acting all the same. Leave the block only when no act is under
    way, or say `stop(release=False)` before. Give the election a client of its own: a renewal must
    not queue behind other requests.
    """

    def __init__(
        self,
        client: KubeClient,
        lease: LeaseName,
        *,
        rng: Random,
        identity: str = "",
        settings: ElectionSettings | None = None,
        clock: Callable[[], float] = boot_seconds,
    ) -> None:
        self.identity = identity or unique_identity()
        self._client = client
        self._api = CoordinationV1Api(client.api)
        self._lease = lease
        self._rng = rng
        self._settings = settings or ElectionSettings()
        self._clock = clock
        self._stopping = Event()
        self._keeps = False
        self._moved = Condition()
        self._thread: Thread | None = None
        self._standing = Standing()
        self._stored: JsonObject | None = None  # the object of `_standing.lease`, to write over
        self._reason = "not asked yet"
        self._failures = 0
        self._error: KubeError | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to stand for election; a second call does nothing."""
        if self._thread is None:
            name = f"election-{self._lease.name}"
            self._thread = Thread(target=self._run, name=name, daemon=True)
            self._thread.start()

    def stop(self, *, timeout_seconds: float = STOP_SECONDS, release: bool = True) -> bool:
        """Lead no more, give the lease back, end the thread; return whether it ended in time.

        Without `release` the lease runs out by itself: for whoever has an act under way.
        """
        self._keeps = self._keeps or not release
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout_seconds)
        return self._thread is None or not self._thread.is_alive()

    def leading(self) -> bool:
        """Return whether we may act now."""
        return self.leading_seconds() > 0.0

    def leading_seconds(self) -> float:
        """Return for how long we may act without another renewal; 0: not at all."""
        if self._stopping.is_set():
            return 0.0
        return self._standing.leading_seconds(self._clock(), self._settings)

    def wait_until_leading(self, *, timeout_seconds: float) -> bool:
        """Wait until we may act, the election is stopped or the time is up; return `leading()`."""
        with self._moved:
            self._moved.wait_for(
                lambda: self.leading() or self._stopping.is_set(), timeout=timeout_seconds
            )
        return self.leading()

    def status(self) -> ElectionStatus:
        """Return how the election stands."""
        with self._moved:
            lease = self._standing.lease or Lease()
            return ElectionStatus(
                leading=self.leading(),
                holder=lease.holder,
                transitions=lease.transitions,
                reason=self._reason,
                failures=self._failures,
                error=self._error,
            )

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._attempt()
                self._note(None)
            except KubeError as error:
                self._note(error)
            except Exception as error:  # noqa: BLE001 - a thread that dies never stands again
                _log.exception("the election failed in a way that nobody foresaw")
                self._note(UnexpectedError(f"the election failed ({type(error).__name__})"))
            self._stopping.wait(self._pause_seconds())
        self._resign()
        with self._moved:
            self._moved.notify_all()

    def _pause_seconds(self) -> float:
        """Leaders renew in step with their clock; the others come one by one."""
        retry_seconds = self._settings.retry_seconds
        if self._standing.renewed_at_seconds is not None:
            return retry_seconds
        return retry_seconds * (1.0 + JITTER_RATIO_MAX * self._rng.random())

    def _attempt(self) -> None:
        """Look at the lease unless it is ours as we wrote it, and make one step."""
        if self._stored is None or self._standing.renewed_at_seconds is None:
            self._look()
        step = next_step(self._standing, self.identity, self._clock(), self._settings)
        self._reason = step.reason
        if step.move is Move.LOST:
            self._retire()
        elif step.move is not Move.WAIT:
            self._claim()

    def _look(self) -> None:
        try:
            self._stored = self._send("get")
            lease = Lease.from_spec(self._stored.get("spec"))
        except NotFoundError:
            self._stored = lease = None
        self._standing = self._standing.seeing(lease, self._clock())

    def _claim(self) -> None:
        """Write ourselves into the lease over what we have seen, and over nothing newer."""
        led = self._standing.renewed_at_seconds is not None
        lease = claimed(self._standing.lease, self.identity, self._settings, _written_now())
        sent_at = self._clock()
        stored, self._stored = self._stored, None  # whatever fails: look again
        try:
            self._stored = self._write(stored, lease)
        except ConflictError:
            self._reason = "somebody else wrote the lease at the same time"
            return
        with self._moved:
            self._standing = self._standing.having_claimed(lease, sent_at)
            self._moved.notify_all()
        if not led:
            _log.info("%s leads: %s", self.identity, self._reason)

    def _retire(self) -> None:
        """Lead no more, first of all in what `leading()` says."""
        if self._standing.renewed_at_seconds is not None:
            _log.info("%s leads no more: %s", self.identity, self._reason)
        self._standing = self._standing.retired()

    def _resign(self) -> None:
        """Give the lease back if it is ours. Without an answer it runs out by itself."""
        standing, stored = self._standing, self._stored
        self._reason = "asked to stop"
        self._retire()
        leading = standing.leading_seconds(self._clock(), self._settings) > 0.0
        if self._keeps:
            _log.info("the lease runs out by itself: an act is under way")
        elif leading and stored is not None and standing.lease is not None:
            try:
                self._write(stored, released(standing.lease, _written_now()))
            except KubeError as error:
                _log.info("the lease runs out by itself: %s", error)

    def _write(self, stored: JsonObject | None, lease: Lease) -> JsonObject:
        """Create the lease, or replace what it says, guarded by its resource version."""
        if stored is None:
            body: JsonObject = {"metadata": {"name": self._lease.name}, "spec": lease.spec()}
            return self._send("create", body)
        spec = stored.get("spec")
        kept = spec if isinstance(spec, dict) else {}
        return self._send("update", {**stored, "spec": {**kept, **lease.spec()}})

    def _send(self, verb: str, body: JsonObject | None = None) -> JsonObject:
        calls: dict[str, Callable[..., object]] = {
            "get": self._api.read_namespaced_lease,
            "create": self._api.create_namespaced_lease,
            "update": self._api.replace_namespaced_lease,
        }
        named = {"name": self._lease.name} if verb != "create" else {}
        request = KubeRequest(
            server=self._client.server,
            verb=verb,
            resource="leases",
            group=_GROUP,
            namespace=self._lease.namespace,
            **named,
        )
        options: JsonObject = {"namespace": self._lease.namespace, **named}
        if body is not None:
            options["body"] = {"apiVersion": f"{_GROUP}/v1", "kind": "Lease", **body}
        # To connect and to be answered take this long each at most, so that there is time for
        # another attempt before the deadline.
        seconds = self._settings.renew_seconds / 4
        return self._client.ask(calls[verb], request, options, read_timeout_seconds=seconds)

    def _note(self, error: KubeError | None) -> None:
        with self._moved:
            self._failures += error is not None
            if error is not None and str(error) != str(self._error):
                _log.warning("election: %s", error)
            self._error = error


def _written_now() -> str:
    """Return the time as Lease has it; it is for people to read and decides nothing."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
