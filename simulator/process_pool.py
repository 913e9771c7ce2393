"""Independent pieces of work on several processes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.connection import wait
from typing import TypeVar

Work = TypeVar("Work")
Result = TypeVar("Result")


def run_all(
    function: Callable[[Work], Result],
    work: Sequence[Work],
    *,
    processes: int,
    advance: Callable[[int], None],
) -> list[Result]:
    """``function`` of each piece, in the order of the pieces, which begin in that order.

    Args:
        function: of a module, since it is sent to other processes by name.
        work: what it is called with.
        processes: how many at once; with one, everything happens in this process.
        advance: told of every piece that is done, for a progress bar.
    """
    if processes == 1:
        results = []
        for piece in work:
            results.append(function(piece))
            advance(1)
        return results
    others = set(active_children())
    # Spawned, not forked: HiGHS and numpy hold threads that a fork would copy half alive.
    with ProcessPoolExecutor(
        processes, mp_context=get_context("spawn"), initializer=_end_with_parent
    ) as pool:
        try:
            futures = [pool.submit(function, piece) for piece in work]
            for future in as_completed(futures):
                future.result()
                advance(1)
        except BaseException:
            # Pieces that have not begun must not begin, and those that have must not go on: one
            # may take minutes, and whoever stopped the command is not waiting for it.
            pool.shutdown(wait=False, cancel_futures=True)
            children = set(active_children()) - others
            for child in children:
                child.terminate()
            for child in children:
                child.join()
            raise
        return [future.result() for future in futures]


def _end_with_parent() -> None:
    """End this process when its parent is gone, however that ended: nobody would read its work."""
    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
