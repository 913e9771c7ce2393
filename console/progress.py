"""A progress bar on a terminal's stderr; nothing where stderr is not a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from console.output import stderr
from simulator.comparison import Progress as Steps

# A bar that is told of every single pod would cost more than placing it.
STEPS_PER_UPDATE = 50


@contextmanager
def live_steps() -> Iterator[Steps]:
    """Steps of a comparison as bars, one after another."""
    columns = (
        TextColumn("{task.description:>28}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=stderr()) as bars:
        yield _Bars(bars).steps()


class _Bars:
    """Turns begin and advance into rich tasks."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._task: TaskID | None = None
        self._total = 0
        self._done = 0

    def steps(self) -> Steps:
        """What the simulator is given."""
        return Steps(self._begin, self._advance)

    def _begin(self, name: str, total: int) -> None:
        self._task = self._bars.add_task(name, total=total)
        self._total, self._done = total, 0

    def _advance(self, count: int) -> None:
        before = self._done
        self._done += count
        is_due = self._done // STEPS_PER_UPDATE > before // STEPS_PER_UPDATE
        if self._task is not None and (
            is_due or self._done >= self._total or self._total < 1000  # noqa: PLR2004 - short steps update each time
        ):
            self._bars.update(self._task, completed=self._done)
