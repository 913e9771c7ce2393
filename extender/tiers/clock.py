"""The time that rests and limits are counted in."""

from __future__ import annotations

from collections.abc import Callable


def steady(now: Callable[[], float], monotonic: Callable[[], float]) -> Callable[[], float]:
    """Unix seconds as of the start, and from then on as time passes.

    A wall clock that is set back by an hour would keep a change made before it in the last minute
    for an hour, and every limit and rest as long. It must not be compared with times of others: the
    wall's may have been wrong at the start, and goes on while a machine is suspended.
    """
    ahead_seconds = now() - monotonic()
    return lambda: ahead_seconds + monotonic()
