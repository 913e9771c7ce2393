"""The thread that reads measurements, and what the extender makes of them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from threading import Event, Lock, Thread

from energy.drift import Drift, WallReading, observe
from energy.metering import MeterReading
from extender.core import Core
from extender.figures import NodeFigures
from extender.loads import MeasuredLoad
from telemetry.reader import Reader
from telemetry.readings import Readings

_log = logging.getLogger(__name__)

#: How long to wait for the first list of nodes and pods.
UNLISTED_SECONDS = 0.5


class ReadingLoop:
    """Asks a `Reader` again and again; what it finds goes to the core through the inbox."""

    def __init__(self, reader: Reader, *, interval_seconds: float, stale_seconds: float) -> None:
        self._reader = reader
        self._interval_seconds, self._stale_seconds = interval_seconds, stale_seconds
        self._stopping = Event()
        self._thread: Thread | None = None
        self._lock = Lock()
        self._last: Readings | None = None
        self._drifts: dict[str, Drift] = {}
        self._heard_seconds: dict[str, float] = {}
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
        """Seconds since each source last gave anything; infinite if it never did."""
        with self._lock:
            return {name: now_seconds - at for name, at in self._heard_seconds.items()}

    def with_power(
        self, nodes: Mapping[str, NodeFigures], now_seconds: float
    ) -> dict[str, NodeFigures]:
        """Add measured watts and residuals to nodes' figures."""
        with self._lock:
            last, drifts = self._last, dict(self._drifts)
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
                put(partial(self._take_over, core, found))
            except Exception:  # noqa: BLE001 - a thread that dies would leave loads stale for ever
                _log.exception("readings could not be taken")
            self._stopping.wait(self._interval_seconds)

    def _take_over(self, core: Core, found: Readings) -> None:
        """Give loads to the core and compare meters with what the core predicts; on the loop."""
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
        core.readings(loads, measured, found.workloads, notes)
        predicted = core.node_figures()
        with self._lock:
            self._last = found
            self._note_sources(found)
            for name, state in found.nodes.items():
                if state.wall is not None and name in predicted:
                    reading = WallReading(
                        at_seconds=state.wall.at_seconds,
                        wall_watts=state.wall.watts,
                        predicted_watts=predicted[name].predicted_watts,
                    )
                    before = self._drifts.get(name, Drift())
                    self._drifts[name] = observe(before, reading, found.taken_at_seconds)
        self._say(found)

    def _note_sources(self, found: Readings) -> None:
        for status in found.sources:
            self._heard_seconds.setdefault(status.name, float("-inf"))
            if status.nodes:
                self._heard_seconds[status.name] = found.taken_at_seconds

    def _say(self, found: Readings) -> None:
        """Log what newly fails, and not every time."""
        failures = frozenset(found.failures)
        for line in sorted(failures - self._said):
            _log.warning("%s", line)
        self._said = failures
