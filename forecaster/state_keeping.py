"""When the state of partitions is written, and that their offsets are committed only afterwards.

Arrays are copied on the forecaster's thread and written on another, so that forecasts go on. What
is revoked, and all at the end, is written at once. While minutes of a partition still wait to be
handed on, its state is not written: what comes after the last one is read again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias

from energy.errors import UnavailableError
from forecaster.core import Core
from forecaster.state_files import PartitionState, StateFiles
from telemetry.stream.interface import Batch

Commit: TypeAlias = Callable[[Batch], None]
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Writing:
    partition: int
    offset: int
    done: Future[bool]


class StateKeeping:
    """Keeps the partitions of one consumer. For the forecaster's thread."""

    def __init__(
        self, files: StateFiles, core: Core, interval_seconds: float, now: Callable[[], float]
    ) -> None:
        self._files, self._core, self._now = files, core, now
        self._interval_seconds = interval_seconds
        self._written_at: dict[int, float] = {}
        self._kept: dict[int, int] = {}
        self._writing: _Writing | None = None
        self._stream = ""
        self._pool = ThreadPoolExecutor(1, "state")
        self.written_total = self.failures_total = 0
        self.last_error = ""
        self._uncommitted = ""

    def load(self, partition: int, stream: str) -> int | None:
        """Take what is known of a partition; the offset in this stream to go on from.

        None without a file, and where it was kept of another stream: an offset there says nothing
        here. What it knows is taken all the same.
        """
        self._stream = stream
        state = self._files.read(partition)
        self._written_at[partition] = self._now()
        if state is None:
            return None
        try:
            self._core.restore(partition, state.sections)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            self._files.set_aside(partition, f"it does not fit this version: {error}")
            return None
        if state.stream != stream:
            _log.info("the state of partition %d is of another stream; its offset not", partition)
            return None
        self._kept[partition] = state.offset
        return state.offset

    def turn(self, positions: Mapping[int, int], commit: Commit) -> None:
        """Commit what was written, and write what is due next."""
        if self._writing is not None:
            if not self._writing.done.done():
                return
            self._finish(commit)
        now = self._now()
        unkept: frozenset[int] | None = None
        for partition in sorted(positions, key=lambda each: self._written_at.get(each, 0.0)):
            age_seconds = now - self._written_at.get(partition, 0.0)
            if 0 <= age_seconds < self._interval_seconds:  # negative: the clock was ahead
                return
            unkept = self._core.unkept() if unkept is None else unkept
            if partition in unkept:
                continue
            self._written_at[partition] = now
            if self._kept.get(partition) == positions[partition]:
                continue  # nothing came
            offset, state = positions[partition], self._state(partition, positions[partition])
            done = self._pool.submit(self._files.write, partition, state)
            self._writing = _Writing(partition, offset, done)
            return

    def keep(
        self, positions: Mapping[int, int], partitions: Collection[int], commit: Commit
    ) -> None:
        """Write these partitions now, and commit them: they go to somebody else, or we end."""
        if self._writing is not None:
            self._finish(commit)
        unkept = self._core.unkept()
        for partition in partitions:
            if partition not in positions:
                continue
            if partition in unkept:
                _log.info("partition %d is read again from its last state on", partition)
                continue
            offset = positions[partition]
            try:
                # Named by nobody, so that the next one comes when this one's memory is free.
                written = self._files.write(partition, self._state(partition, offset))
            except UnavailableError as error:
                self._failed(str(error))
                continue
            self._written(partition, offset, commit, is_kept=written)

    def forget(self, partitions: Collection[int]) -> None:
        """These partitions are not ours any more."""
        for partition in partitions:
            self._written_at.pop(partition, None)
            self._kept.pop(partition, None)

    def age_seconds(self) -> float | None:
        """How long ago the oldest of our files was written or read; None without partitions."""
        oldest = min(self._written_at.values(), default=None)
        return None if oldest is None else max(0.0, self._now() - oldest)

    def close(self) -> None:
        """End the writing thread, when it has written what it was given."""
        self._pool.shutdown()

    def _state(self, partition: int, offset: int) -> PartitionState:
        sections = self._core.export(partition)
        return PartitionState(
            offset=offset,
            written_at_seconds=self._now(),
            stream=self._stream,
            sections=sections,
        )

    def _finish(self, commit: Commit) -> None:
        writing, self._writing = self._writing, None
        if writing is None:
            return
        try:
            written = writing.done.result()
        except UnavailableError as error:
            self._failed(str(error))
            return
        self._written(writing.partition, writing.offset, commit, is_kept=written)

    def _written(self, partition: int, offset: int, commit: Commit, *, is_kept: bool) -> None:
        if not is_kept:
            self._failed(f"the file of partition {partition} is newer, and stays")
            return
        self.written_total += 1
        self.last_error = ""
        self._kept[partition] = offset
        try:
            commit(Batch(positions={partition: offset}))
            self._uncommitted = ""
        except UnavailableError as error:  # the file has the offset; a later commit makes up
            if not self._uncommitted:  # else every partition would say the same
                _log.warning("offsets are in the states' files, not committed: %s", error)
            self._uncommitted = str(error)

    def _failed(self, error: str) -> None:
        self.failures_total += 1
        if not self.last_error:
            _log.warning("state is not kept: %s", error)
        self.last_error = error
