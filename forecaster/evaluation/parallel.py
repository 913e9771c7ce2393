"""Pieces of work in processes, with one progress and one Ctrl-C for all of them."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import resource_tracker
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Final, Protocol, TypeVar

import numpy as np

T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)

_LOOK_SECONDS: Final = 0.3


class Work(Protocol[T, R_co]):  # type: ignore[misc] # of arguments alone
    """What is done with a piece; it tells of steps that are done. Sent to a process by name."""

    def __call__(self, piece: T, advance: Callable[[int], None], /) -> R_co:
        """Do it."""


def in_processes(
    work: Work[T, R_co], pieces: Sequence[T], jobs: int, advance: Callable[[int], None]
) -> list[R_co]:
    """Results in the order of the pieces.

    Args:
        work: what is done with each.
        pieces: in the order in which they are begun.
        jobs: processes at once.
        advance: told of steps that are done, a few times a second, from a thread of its own.
    """
    import joblib  # one process needs none of it
    from joblib.externals.loky import get_reusable_executor
    from joblib.externals.loky.backend import resource_tracker as tracker_of_loky

    # Each lets interrupts through again once it has started.
    tracker_of_loky.ensure_running()
    resource_tracker.ensure_running()
    with TemporaryDirectory() as folder:
        counts = Path(folder) / "done"
        np.zeros(len(pieces), dtype=np.int64).tofile(counts)
        parts = (joblib.delayed(_one)(work, each, counts, i) for i, each in enumerate(pieces))
        try:
            # Ctrl-C reaches every process of a terminal. Here it ends the work; the others are
            # born deaf to it, since each would print where it was, even while it still imports.
            with _interrupts_held():
                results = joblib.Parallel(n_jobs=min(jobs, len(pieces)), return_as="generator")(
                    parts
                )
            with _followed(counts, advance):
                return list(results)
        finally:
            get_reusable_executor().shutdown(wait=True, kill_workers=True)


def _one(work: Work[T, R_co], piece: T, counts: Path, place: int) -> R_co:
    done = np.memmap(counts, dtype=np.int64, mode="r+")

    def advance(count: int) -> None:
        done[place] += count

    return work(piece, advance)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Whoever is started in this block never hears SIGINT; we do, at its end."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _followed(counts: Path, advance: Callable[[int], None]) -> Iterator[None]:
    """Tell of what processes count while the block lasts, and of the rest at its end."""
    ended = Event()
    follower = Thread(target=_follow, args=(counts, advance, ended), daemon=True)
    follower.start()
    try:
        yield
    finally:
        ended.set()
        follower.join()


def _follow(counts: Path, advance: Callable[[int], None], ended: Event) -> None:
    done = np.memmap(counts, dtype=np.int64, mode="r")
    told, is_last = 0, False
    while not is_last:
        is_last = ended.wait(_LOOK_SECONDS)
        now = int(done.sum())
        if now > told:
            advance(now - told)
            told = now
