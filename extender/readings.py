"""The thread that reads measurements, and what the extender makes of them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from threading import Event, Lock, Thread

from energy.drift import Drift, WallReading, observe
from energy.metering import MeterReading
from extender.core import Core
from extender.figures import NodeFigures
from extender.loads import MeasuredLoad
from telemetry.metrics_api import NOT_INSTALLED
from telemetry.node_load import METRICS_API
from telemetry.reader import Reader
from telemetry.readings import Readings

_log = logging.getLogger(__name__)

#: How long to wait for the first list of nodes and pods.
UNLISTED_SECONDS = 0.5
CPU_LOAD, WALL_POWER, PACKAGE_POWER = "cpu-load", "wall-power", "package-power"


class ReadingLoop:
    """Asks a `Reader` again and again; what it finds goes to the core through the inbox."""

    def __init__(self, reader: Reader, *, interval_seconds: float, stale_seconds: float) -> None:
        self._reader = reader
        self._interval_seconds, self._stale_seconds = interval_seconds, stale_seconds
        self._stopping = Event()
        self._thread: Thread | None = None
        self._lock = Lock()
        self._last: Readings | None = None
        # Both are replaced and never changed, so that whoever holds one may go on reading it.
        self._drifts: Mapping[str, Drift] = {}
        self._heard_seconds: Mapping[str, float] = {}
        self._said: frozenset[str] = frozenset()

    def start(self, put: Callable[[Callable[[], object]], object], core: Core) -> None:
        """Begin to read on a thread of its own."""
        run = partial(self._run, put, core)
        self._thread = Thread(target=run, name="readings", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread once its present round is done."""
        self._stopping.set()

    def ages(self, now_seconds: float) -> dict[str, float]:
        """Seconds since the newest sample of each source; infinite if it never gave any."""
        with self._lock:
            heard = self._heard_seconds
        return {name: max(0.0, now_seconds - at) for name, at in heard.items()}

    def with_power(
        self, nodes: Mapping[str, NodeFigures], now_seconds: float
    ) -> dict[str, NodeFigures]:
        """Add measured watts and residuals to nodes' figures."""
        with self._lock:
            last, drifts = self._last, self._drifts
        found = {}
        for name, figures in nodes.items():
            state = last.nodes.get(name) if last is not None else None
            wall = state.wall if state is not None else None
            if state is None or wall is None or not self._is_fresh(wall, now_seconds):
                found[name] = figures
                continue
            drift = drifts.get(name, Drift())
            found[name] = replace(
                figures,
                measured_watts=wall.watts,
                power_source=state.wall_source,
                residual_watts=drift.residual_watts,
                drifted=drift.is_off(),
            )
        return found

    def _is_fresh(self, reading: MeterReading, now_seconds: float) -> bool:
        return now_seconds - reading.at_seconds <= self._stale_seconds

    def _run(self, put: Callable[[Callable[[], object]], object], core: Core) -> None:
        while not self._stopping.is_set():
            try:
                found = self._reader.read(time.time())
                if not found.nodes:
                    self._stopping.wait(UNLISTED_SECONDS)
                    continue
                self._hand_over(put, core, found)
            except Exception:  # noqa: BLE001 - a thread that dies would leave loads stale for ever
                _log.exception("readings could not be taken")
            self._stopping.wait(self._interval_seconds)

    def _hand_over(
        self, put: Callable[[Callable[[], object]], object], core: Core, found: Readings
    ) -> None:
        """Give loads to the core, and compare meters with what it predicts.

        Only what touches the core is done on the event loop: at 5,000 nodes the rest takes longer
        than a request should wait.
        """
        loads = {
            name: MeasuredLoad(
                cpu_cores=state.load.cpu_cores,
                source=state.load.source,
                measured_at_seconds=found.taken_at_seconds - (state.load.age_seconds or 0.0),
            )
            for name, state in found.nodes.items()
            if state.load.is_measured
        }
        measured = found.usage_ratio if found.usage_ratio_source == "measured" else None
        notes = {name: state.load.notes for name, state in found.nodes.items() if state.load.notes}
        is_metered = any(state.wall is not None for state in found.nodes.values())
        predicted: dict[str, NodeFigures] = {}
        done = Event()

        def predict() -> None:
            try:
                if is_metered:
                    predicted.update(core.node_figures())
            finally:
                done.set()

        # Two pieces, so that a request may come between them.
        put(partial(core.readings, loads, measured, found.workloads, notes))
        put(predict)
        while not done.wait(UNLISTED_SECONDS):
            if self._stopping.is_set():
                return  # the loop may have ended
        self._keep(found, predicted)

    def _keep(self, found: Readings, predicted: Mapping[str, NodeFigures]) -> None:
        drifts = drifts_after(self._drifts, found, predicted)
        heard = heard_after(self._heard_seconds, found)
        with self._lock:
            self._last, self._drifts, self._heard_seconds = found, drifts, heard
        self._say(found)

    def _say(self, found: Readings) -> None:
        """Log what newly fails, and not every time."""
        failures = frozenset(found.failures)
        for line in sorted(failures - self._said):
            _log.warning("%s", line)
        self._said = failures


def drifts_after(
    before: Mapping[str, Drift], found: Readings, predicted: Mapping[str, NodeFigures]
) -> dict[str, Drift]:
    """The drift of each node that there is, once its wall meter was compared."""
    drifts = {name: drift for name, drift in before.items() if name in found.nodes}
    for name, state in found.nodes.items():
        if state.wall is not None and name in predicted:
            reading = WallReading(
                at_seconds=state.wall.at_seconds,
                wall_watts=state.wall.watts,
                predicted_watts=predicted[name].predicted_watts,
            )
            drifts[name] = observe(drifts.get(name, Drift()), reading, found.taken_at_seconds)
    return drifts


def heard_after(before: Mapping[str, float], found: Readings) -> dict[str, float]:
    """When the newest sample of each source was taken, Unix seconds; -inf if there was none yet.

    A quantity that nobody is asked for, or power that no meter ever gave, is no source. Neither is
    metrics.k8s.io where it is not installed, or not asked because Prometheus knows all nodes.
    """
    asked = [status for status in found.sources if status.error != NOT_INSTALLED]
    is_metrics_api_asked = any(status.name == METRICS_API for status in asked)
    heard = {name: at for name, at in before.items() if name != METRICS_API}
    if asked:
        heard.setdefault(CPU_LOAD, float("-inf"))
    if is_metrics_api_asked:
        heard[METRICS_API] = before.get(METRICS_API, float("-inf"))
    for name, at_seconds in _samples(found):
        if name != METRICS_API or is_metrics_api_asked:
            heard[name] = max(at_seconds, heard.get(name, at_seconds))
    return heard


def _samples(found: Readings) -> Iterator[tuple[str, float]]:
    """Each reading that counts: what it is of, and when it was taken."""
    for state in found.nodes.values():
        if state.load.is_measured:
            at_seconds = found.taken_at_seconds - (state.load.age_seconds or 0.0)
            yield CPU_LOAD, at_seconds
            if state.load.source == METRICS_API:
                yield METRICS_API, at_seconds
        if state.wall is not None:
            yield WALL_POWER, state.wall.at_seconds
        if state.package is not None:
            yield PACKAGE_POWER, state.package.at_seconds
