"""Garbage is searched in turns: no long search starts by itself, and nothing is kept for good."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from extender.garbage import (
    QUIET_SECONDS,
    SEARCHES_MAX,
    THRESHOLDS,
    WHOLE_SECONDS,
    GarbageTurns,
)


class Cycle:
    """An object that only a search can free."""

    def __init__(self) -> None:
        self.self = self


@pytest.fixture
def turns() -> Iterator[GarbageTurns]:
    """Return the turns of a process that starts now; afterwards all is as before."""
    usual = gc.get_threshold()
    started = GarbageTurns(0.0)
    yield started
    started.release()
    assert gc.get_threshold() == usual
    assert gc.get_freeze_count() == 0


def fill() -> list[list[int]]:
    """Return so many objects that the middle generation is searched often enough for a turn."""
    count = (SEARCHES_MAX + 2) * (THRESHOLDS[0] + 1) * (THRESHOLDS[1] + 2)
    return [[number] for number in range(count)]


def test_the_long_search_starts_in_a_turn_alone(turns: GarbageTurns) -> None:
    """And its outcome is frozen, so that the next goes through what came since."""
    turns.whole(0.0)
    before, frozen = gc.get_stats()[2]["collections"], gc.get_freeze_count()

    kept = fill()
    assert gc.get_stats()[2]["collections"] == before

    turns.turn(1.0)
    assert gc.get_stats()[2]["collections"] == before + 1
    # Not to the object: in a whole run of tests others come and go meanwhile.
    assert gc.get_freeze_count() > frozen + 0.9 * len(kept)
    turns.turn(1.0)
    assert gc.get_stats()[2]["collections"] == before + 1


def test_cycles_that_were_frozen_are_found_when_all_is_quiet(turns: GarbageTurns) -> None:
    """Not while somebody asks."""
    one = Cycle()
    there = weakref.ref(one)
    turns.whole(0.0)
    del one

    turns.asked(WHOLE_SECONDS)
    turns.turn(WHOLE_SECONDS + QUIET_SECONDS - 1)
    assert there() is not None
    turns.turn(WHOLE_SECONDS + QUIET_SECONDS)
    assert there() is None
