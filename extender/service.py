"""The extender at work: informers, readings, programs and the ledger around the core.

The core belongs to the event loop. Informers, the reader of measurements and the solver run on
threads of their own and leave what they have in the inbox.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from random import Random
from threading import Event, Thread
from typing import Self, TypeVar

from cluster.kube.client import KubeClient
from cluster.kube.convert import NamespaceLabels, Reading
from cluster.kube.errors import KubeError
from cluster.kube.power_profiles import PowerProfileObserver
from cluster.kube.snapshot import STOP_SECONDS, ClusterObserver
from cluster.kube.store import Change
from cluster.model import Node, Pod
from energy.catalogue import Catalogue
from energy.power_profile import PowerProfile
from extender.cluster_view import is_finished
from extender.core import Core
from extender.explanation import Explanation
from extender.figures import Figures
from extender.garbage import GarbageTurns
from extender.inbox import Inbox
from extender.missed_ends import MissedEnds
from extender.rankings import Job, Solved
from extender.readings import ReadingLoop
from extender.scorer import JsonObject, Readiness
from extender.settings import ExtenderSettings
from extender.unreadable import NAMESPACE, NODE, POD, POWER_PROFILE, Unreadable
from ledger.writer import LedgerWriter

T = TypeVar("T")

_log = logging.getLogger(__name__)

SYNC_SECONDS = 60.0
#: How often the first lists are looked for where something keeps them from coming.
UNSYNCED_SECONDS = 1.0
#: How often the core is asked for work that no request triggers.
TURN_SECONDS = 0.05
PROFILE_SECONDS = 5.0
#: A turn that fails would fail again at once, with a traceback: waits double up to this one.
FAILED_TURN_SECONDS_MAX = 60.0
#: How long an informer may hear nothing: a quiet cluster says nothing for up to two minutes.
SILENT_SECONDS = 150.0
#: How often ends of pods are looked for that the ledger could not take.
ENDS_SECONDS = 60.0
#: After which a pod that another replica saw bound is known here, too.
SEEN_SECONDS = 5.0


class Service:
    """A `Scorer` over a live cluster, as an asynchronous context manager."""

    def __init__(  # noqa: PLR0913 - the last four have defaults
        self,
        settings: ExtenderSettings,
        core: Core,
        client: KubeClient,
        *,
        writer: LedgerWriter | None = None,
        read_with: Callable[[ClusterObserver], ReadingLoop] | None = None,
        written_profiles: Sequence[PowerProfile] = (),
        left_running: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        """Prepare; ``left_running`` gives the ids of pods that the ledger takes to run still."""
        self._settings, self._core, self._client = settings, core, client
        self._writer, self._left_running = writer, left_running
        self._written_profiles = tuple(written_profiles)
        self._profiles: tuple[PowerProfile, ...] = ()
        self._unreadable = Unreadable()
        self._said_unsynced = False
        self._stopping = Event()
        self._solver = ThreadPoolExecutor(1, "solver")
        self._tasks: list[asyncio.Task[None]] = []
        rng = Random()  # noqa: S311 - spreads retries, keeps no secret
        self.observer = ClusterObserver(client, rng=rng)
        self.profile_observer = PowerProfileObserver(client, rng=rng)
        self._readings = None if read_with is None else read_with(self.observer)

    async def __aenter__(self) -> Self:
        """Begin to follow the cluster; gives back at once, `readiness` says when it is known."""
        loop = asyncio.get_running_loop()
        self._garbage = GarbageTurns(time.monotonic())
        self._inbox = Inbox(loop)
        put = self._inbox.put
        self.observer.nodes.subscribe(lambda change: put(partial(self._node, change)))
        self.observer.pods.subscribe(lambda change: put(partial(self._pod, change)))
        self.observer.namespaces.subscribe(lambda change: put(partial(self._namespace, change)))
        self.profile_observer.__enter__()
        self.observer.__enter__()
        Thread(target=self._await_sync, name="sync", daemon=True).start()
        if self._readings is not None:
            self._readings.start(put, self._core)
        self._tasks = [asyncio.create_task(self._turn())]
        return self

    async def __aexit__(self, *_: object) -> None:
        """End all threads; the ledger's goes on writing meanwhile."""
        self._stopping.set()
        self.observer.ask_to_stop()
        self.profile_observer.ask_to_stop()
        for task in self._tasks:
            task.cancel()
        if self._readings is not None:
            self._readings.stop()
        await asyncio.get_running_loop().run_in_executor(None, self._stop_informers)
        self._solver.shutdown(wait=False, cancel_futures=True)
        self._garbage.release()

    def _stop_informers(self) -> None:
        """Within one time for all of them: a server that hangs must not keep the process alive."""
        deadline = time.monotonic() + STOP_SECONDS
        for observer in (self.observer, self.profile_observer):
            observer.stop(timeout_seconds=max(0.0, deadline - time.monotonic()))

    # The Scorer, with what only the service knows.

    def prioritize(self, pod: JsonObject, names: Sequence[str]) -> Sequence[int]:
        """See `Core.prioritize`."""
        self._garbage.asked(time.monotonic())
        return self._core.prioritize(pod, names)

    def filter(self, pod: JsonObject, names: Sequence[str]) -> Mapping[str, str]:
        """See `Core.filter`."""
        self._garbage.asked(time.monotonic())
        return self._core.filter(pod, names)

    def explain(self, namespace: str, pod: str) -> Explanation | None:
        """See `Core.explain`."""
        return self._core.explain(namespace, pod)

    def readiness(self) -> Readiness:
        """See `Core.readiness`; an error that keeps the cluster from being known is named."""
        found = self._core.readiness()
        if found.ready:
            return found
        errors = [
            str(status.error)
            for status in (self.observer.nodes.status(), self.observer.pods.status())
            if status.error
        ]
        return Readiness(ready=False, lines=(*found.lines, *errors))

    def silence(self) -> str:
        """Since when the API server has said nothing of nodes or pods; "" while it speaks."""
        informers = (self.observer.nodes, self.observer.pods)
        age_seconds = max(informer.status().age_seconds for informer in informers)
        if not SILENT_SECONDS < age_seconds < math.inf:  # before the first lists it is not known
            return ""
        return f"the API server has said nothing of the cluster for {age_seconds:.0f} s"

    def figures(self) -> Figures:
        """The core's figures with the ages of its sources, the meters and the ledger."""
        found = self._core.figures()
        informers = {
            name: informer.status().age_seconds
            for name, informer in (
                ("nodes", self.observer.nodes),
                ("pods", self.observer.pods),
                ("namespaces", self.observer.namespaces),
            )
        }
        readings: Mapping[str, float] = {}
        nodes = found.nodes
        if self._readings is not None:
            readings = self._readings.ages(time.time())
            nodes = self._readings.with_power(nodes, time.time())
        found = replace(
            found,
            nodes=nodes,
            sources={**informers, **readings},
            stale=_older(informers, SILENT_SECONDS)
            | _older(readings, self._settings.stale_seconds),
            unreadable=self._unreadable.counts(),
        )
        if self._writer is None:
            return found
        return replace(
            found,
            ledger_written=self._writer.written,
            ledger_dropped=self._writer.dropped,
            ledger_forgotten=self._writer.forgotten,
            ledger_pending=self._writer.pending,
        )

    # What informers tell; each runs on the event loop.

    def _node(self, change: Change[Reading[Node]]) -> None:
        reading = change.after
        if self._is_read(NODE, change) and reading is not None and reading.doubts:
            self._unreadable.note(NODE, change.key, reading.doubts)  # it has a name, and is closed
        self._core.node_changed(_value(change.before), _value(change.after))

    def _pod(self, change: Change[Reading[Pod]]) -> None:
        reading = change.after
        if self._is_read(POD, change):
            self._core.pod_changed(change.key, _value(reading))
        else:
            self._core.pod_unreadable(change.key, None if reading is None else reading.node_name)

    def _namespace(self, change: Change[Reading[NamespaceLabels]]) -> None:
        if self._is_read(NAMESPACE, change):  # else it keeps its last labels, and who opted out
            found = _value(change.after)
            self._core.namespace_changed(change.key, None if found is None else found.labels)

    def _is_read(self, kind: str, change: Change[Reading[T]]) -> bool:
        """Whether an object was read, or is gone; one that is neither is noted."""
        reading = change.after
        if reading is None or reading.value is not None:
            if reading is None or not reading.doubts:
                self._unreadable.settle(kind, change.key)
            return True
        self._unreadable.note(kind, change.key, reading.doubts)
        return False

    def _await_sync(self) -> None:
        """Wait for the first lists, then go live and look after ends; on a thread of its own."""
        while not self._stopping.is_set():
            with suppress(KubeError):  # the informer has said it, once
                self.profile_observer.wait_until_known(timeout_seconds=SYNC_SECONDS)
            try:
                self.observer.wait_until_synced(timeout_seconds=SYNC_SECONDS)
            except KubeError as error:
                self._say_unsynced(error)
                self._stopping.wait(UNSYNCED_SECONDS)
            else:
                self._inbox.put(self._look_at_profiles)
                self._inbox.put(self._go_live)
                if self._writer is not None:
                    self._keep_ends(self._writer)
                return

    def _say_unsynced(self, error: KubeError) -> None:
        """Once; an informer that was refused has said so, one that waits for an answer has not."""
        informers = (self.observer.namespaces, self.observer.nodes, self.observer.pods)
        if not self._said_unsynced and not any(one.status().error for one in informers):
            self._said_unsynced = True
            _log.warning("%s", error)

    def _go_live(self) -> None:
        self._core.went_live()
        # What is there now stays: looking through it for garbage would halt requests for long.
        self._garbage.whole(time.monotonic())

    def _keep_ends(self, writer: LedgerWriter) -> None:
        """End the ledger's pods that are gone: they went before us, or their end got lost."""
        ends = MissedEnds(writer, self._left_running, self._running_uids)
        is_well = True
        while True:
            try:
                if ends.is_due():
                    # At first, too: what was bound while we listed comes with the watch.
                    ends.note(wait=lambda: self._stopping.wait(SEEN_SECONDS))
                is_well = True
            except Exception:  # noqa: BLE001 - a thread that ended would note none for ever
                if is_well:
                    _log.exception("pods that ended meanwhile could not be looked for")
                is_well = False
            if self._stopping.wait(ENDS_SECONDS):
                return

    def _running_uids(self) -> frozenset[str] | None:
        """The pods that run, as far as is known; None where the cluster is not followed now."""
        if self._stopping.is_set() or self.observer.pods.status().error or self.silence():
            return None
        readings = self.observer.pods.values()
        if any(reading.value is None and not reading.uid for reading in readings):
            return None  # it may be any
        # One that cannot be read is not gone.
        return frozenset(
            reading.uid
            for reading in readings
            if reading.value is None or not is_finished(reading.value)
        )

    def _look_at_profiles(self) -> None:
        found = self.profile_observer.observe()
        self._unreadable.keep_only(POWER_PROFILE, found.doubts)
        for doubt in found.doubts:
            self._unreadable.note(POWER_PROFILE, doubt, (doubt,))
        profiles = (*self._written_profiles, *found.profiles)
        if profiles != self._profiles:
            self._profiles = profiles
            self._core.catalogue_changed(Catalogue.shipped().with_power_profiles(profiles))

    # What is done beside requests.

    async def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        look_at = 0.0
        wait_seconds = TURN_SECONDS
        while True:
            await asyncio.sleep(wait_seconds)
            try:
                if loop.time() >= look_at:
                    look_at = loop.time() + PROFILE_SECONDS
                    self._look_at_profiles()
                self._core.refresh()
                self._garbage.turn(time.monotonic())
                job = self._core.job()
            except Exception:  # noqa: BLE001 - the turn must go on
                _log.exception("the extender's own turn failed")
                wait_seconds = min(2.0 * wait_seconds, FAILED_TURN_SECONDS_MAX)
                continue
            wait_seconds = TURN_SECONDS
            if job is not None:
                self._solver.submit(self._solve, job)

    def _solve(self, job: Job) -> None:
        """Solve on the solver's thread (the solver itself lets other threads run)."""
        try:
            solved: Solved = job.solve(time.perf_counter)
        except Exception:  # noqa: BLE001 - the turn must go on
            _log.exception("a program could not be solved")
            self._inbox.put(partial(self._core.job_failed, job))
        else:
            self._inbox.put(partial(self._core.solved, solved))


def _older(ages: Mapping[str, float], limit_seconds: float) -> frozenset[str]:
    return frozenset(name for name, age in ages.items() if age > limit_seconds)


def _value(reading: Reading[T] | None) -> T | None:
    return None if reading is None else reading.value
