"""Which minutes are due: pure, whatever was done in whatever order."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.errors import InputError
from telemetry.bridge.figures import BridgeFigures
from telemetry.bridge.minutes import (
    MINUTES_MAX,
    MinuteRange,
    MinuteSet,
    due,
    latest_complete,
)
from telemetry.bridge.state_file import BridgeState, StateFile

ranges = st.builds(
    lambda first, width: MinuteRange(first, first + width), st.integers(0, 200), st.integers(0, 30)
)


def minutes_of(found: MinuteSet | MinuteRange) -> list[int]:
    """List the minutes one by one."""
    if isinstance(found, MinuteRange):
        return list(range(found.first, found.last + 1))
    return [minute for each in found.ranges for minute in minutes_of(each)]


@given(st.lists(ranges, max_size=10), ranges)
def test_sets_of_minutes_are_sets_of_minutes(parts: list[MinuteRange], bounds: MinuteRange) -> None:
    """As Python's own sets would have it, and no two ranges touch."""
    done = MinuteSet.of(parts)
    plain = {minute for part in parts for minute in minutes_of(part)}

    assert minutes_of(done) == sorted(plain)
    assert len(done) == len(plain)
    assert minutes_of(done.within(bounds)) == sorted(plain & set(minutes_of(bounds)))
    assert minutes_of(done.missing_in(bounds)) == sorted(set(minutes_of(bounds)) - plain)
    assert minutes_of(done.without(MinuteSet((bounds,)))) == sorted(plain - set(minutes_of(bounds)))
    assert minutes_of(done.with_range(bounds)) == sorted(plain | set(minutes_of(bounds)))
    ends = [(each.first, each.last) for each in done.ranges]
    assert all(last + 1 < first for (_, last), (first, _) in pairwise(ends))


@given(st.lists(ranges, max_size=10), st.integers(0, 250), st.integers(0, 250), st.integers(1, 40))
def test_what_is_due_is_exactly_what_is_missing(
    parts: list[MinuteRange], since: int, latest: int, piece: int
) -> None:
    """Each minute once, in small pieces, the newest few alone and then the oldest ones."""
    done = MinuteSet.of(parts)
    found = due(done, since=since, latest=latest, piece_minutes=piece)

    wanted = set(range(since, latest + 1)) - set(minutes_of(done))
    assert sorted(m for each in found for m in minutes_of(each)) == sorted(wanted)
    assert all(len(each) <= piece for each in found)
    assert list(found[1:]) == sorted(found[1:])
    if latest in wanted:
        assert found[0].last == latest
        assert len(found[0]) <= 10


def test_the_newest_hours_come_before_the_rest_of_the_past() -> None:
    """What forecasts look at most, then the oldest first."""
    found = due(MinuteSet(), since=0, latest=999, piece_minutes=200)

    ends = [(each.first, each.last) for each in found]
    assert ends == [(990, 999), (600, 799), (800, 989), (0, 199), (200, 399), (400, 599)]


def test_nothing_older_than_eight_days_is_due() -> None:
    """The forecaster would not look at it."""
    found = due(MinuteSet(), since=0, latest=1_000_000, piece_minutes=1_000_000)

    assert sum(len(each) for each in found) == MINUTES_MAX


@pytest.mark.parametrize(
    ("now_seconds", "minute"), [(600, 9), (614.9, 9), (615, 10), (674.9, 10), (0, -1)]
)
def test_a_minute_is_complete_a_while_after_its_end(now_seconds: float, minute: int) -> None:
    """Minute 10 ends at 600 s; scrapes take 15 s to arrive."""
    assert latest_complete(now_seconds, 15) == minute


STATE = BridgeState(since=5, done=MinuteSet.of([MinuteRange(7, 9), MinuteRange(20, 20)]))


def test_a_state_is_kept_for_the_same_work(tmp_path: Path) -> None:
    """Other queries, or another stream, begin anew."""
    path = tmp_path / "new" / "state.json"
    file = StateFile(path, of="this")

    assert file.read() is None
    file.require_writable()
    file.write(STATE)

    assert StateFile(path, of="this").read() == STATE
    assert StateFile(path, of="that").read() is None
    assert [one.name for one in path.parent.iterdir()] == ["state.json"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"version": 1}',
        json.dumps({"version": 2, "of": "this", "since": 1, "done": []}),
        json.dumps({"version": 1, "of": "this", "since": 1, "done": [[9, 7]]}),
        "\x00\x01",
    ],
)
def test_a_state_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    """Reading the history again does no harm; refusing to start would."""
    path = tmp_path / "state.json"
    path.write_text(text)

    assert StateFile(path, of="this").read() is None


def test_a_place_that_cannot_be_written_to_is_refused_at_once(tmp_path: Path) -> None:
    """Before anything is read."""
    (tmp_path / "file").touch()
    file = StateFile(tmp_path / "file" / "state.json", of="this")

    for attempt in (file.require_writable, lambda: file.write(STATE)):
        with pytest.raises(InputError, match=r"cannot be written to .*--state-file"):
            attempt()


@pytest.mark.parametrize(
    ("figures", "is_fetching"),
    [
        (BridgeFigures(), True),
        (BridgeFigures(minutes=10, minutes_missing=11_510), True),
        (BridgeFigures(minutes=360, minutes_missing=11_160), False),
        (BridgeFigures(minutes=90, minutes_missing=0), False),
        (BridgeFigures(minutes=10, minutes_missing=11_510, troubles=("away",)), False),
        (BridgeFigures(minutes=0, minutes_missing=11_520, troubles=("away",)), True),
    ],
)
def test_the_newest_hours_are_waited_for(figures: BridgeFigures, is_fetching: bool) -> None:  # noqa: FBT001
    """By a forecaster that learns from the past at once; from the first on."""
    assert figures.is_fetching is is_fetching
