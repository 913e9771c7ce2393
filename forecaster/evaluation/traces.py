"""Traces: a CSV `timestamp,value` with a step of 1 to 5 minutes, and its view minute by minute.

The timestamp names the start of a step: ISO 8601 (UTC where it names no zone) or Unix time in
seconds or milliseconds. A step without a row, or with an empty or NaN value, is absent. Rows may
come in any order; of several of one step the last counts, as where a local clock was set back. Rows
off the grid of the first by more than a quarter of a step belong to the next step on it: nothing is
known long before it was measured.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from energy.errors import InputError
from forecaster.horizons import BUCKET_MINUTES, MINUTE_SECONDS

COLUMNS: Final = ("timestamp", "value")
STEP_MINUTES_MAX: Final = 5
#: How long after its place on the grid a row may end, in steps: it is known that much too soon.
LATE_RATIO_MAX: Final = 0.25
#: How far the mean distance of two rows may be from the step, in steps: a recorder whose minute
#: takes 61 seconds has one of minutes; one of every 50 seconds would lose a row in six.
STEP_ASTRAY_RATIO_MAX: Final = 0.05
#: As the engine has it: beyond this a number is a broken exporter's.
VALUE_MAX: Final = 1e12
MINUTES_MAX: Final = 2 * 366 * 24 * 60
#: Unix time in seconds reaches this in the year 5138; in milliseconds it passed it in 1973.
_SECONDS_MAX: Final = 1e11
_ABSENT: Final = frozenset({"", "nan", "null", "none", "na"})
_FORM: Final = "write a CSV with the columns timestamp,value"

Floats = npt.NDArray[np.float64]
Minutes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Trace:
    """A series, minute by minute without holes.

    A step longer than a minute is shown as that many minutes of its value: the best that is known
    of each of them. It becomes known when its last minute ends.

    Attributes:
        name: of the file, without its endings.
        step_minutes: 1 to 5.
        first_minute: number of the first minute (Unix time / 60 of its end).
        values: float[n], in the file's unit; NaN: absent.
        notes: what had to be done to the rows before they were a series.
    """

    name: str
    step_minutes: int
    first_minute: int
    values: Floats
    notes: tuple[str, ...] = ()

    @property
    def minutes(self) -> Minutes:
        """int64[n], the numbers of the minutes."""
        return np.arange(self.first_minute, self.first_minute + len(self.values), dtype=np.int64)


def read_traces(files: Sequence[Path]) -> tuple[Trace, ...]:
    """Read several files.

    Raises:
        InputError: one cannot be used, or two have one name.
    """
    traces = tuple(read_trace(file) for file in files)
    names = [trace.name for trace in traces]
    for file, name in zip(files, names, strict=True):
        if names.count(name) > 1:
            raise InputError(
                f"two traces are called {name}", where=str(file), mend="rename one of the files"
            )
    return traces


def read_trace(file: Path) -> Trace:
    """Read one file, plain or gzipped.

    Raises:
        InputError: it cannot be read, or is no trace; the message names the line.
    """
    seconds, values = _columns(_text(file), str(file))
    if len(seconds) < 2:  # noqa: PLR2004 - one point has no step
        raise InputError(
            f"has {len(seconds)} rows", where=str(file), mend="a trace needs two at the least"
        )
    return _on_minutes(trace_name(file), seconds, values, str(file))


def trace_name(file: Path) -> str:
    """Name a trace after its file: `shop.csv.gz` is shop."""
    return file.name.removesuffix(".gz").removesuffix(".csv")


def _text(file: Path) -> str:
    try:
        content = file.read_bytes()
        if content.startswith(b"\x1f\x8b"):
            content = gzip.decompress(content)
        return content.decode("utf-8-sig")
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"cannot be read ({reason})", where=str(file), mend="name a CSV file"
        ) from None
    except UnicodeDecodeError:
        raise InputError("is not text", where=str(file), mend=_FORM) from None


def _columns(text: str, where: str) -> tuple[Floats, Floats]:
    """Unix seconds and values of the rows."""
    rows = _rows(text, where)
    heading = [cell.strip().lower() for cell in next(rows, (1, []))[1]]
    if not set(COLUMNS) <= set(heading):
        raise InputError(f"has no columns {','.join(COLUMNS)}", where=where, mend=_FORM)
    when, what = (heading.index(column) for column in COLUMNS)
    seconds, values = [], []
    for number, row in rows:
        place = f"{where}, line {number}"
        if len(row) <= max(when, what):
            raise InputError("has too few columns", where=place, mend=_FORM)
        seconds.append(_seconds(row[when].strip(), place))
        values.append(_value(row[what].strip(), place))
    return np.array(seconds), np.array(values)


def _rows(text: str, where: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        for row in reader:
            if any(row):
                yield reader.line_num, row
    except csv.Error as error:
        raise InputError(
            f"is no CSV ({error})", where=f"{where}, line {reader.line_num}", mend=_FORM
        ) from None


def _seconds(text: str, place: str) -> float:
    try:
        number = float(text)
    except ValueError:
        try:
            time = datetime.fromisoformat(text.removesuffix(" UTC"))
        except ValueError:
            raise InputError(
                f"{text!r} is no time", where=place, mend="use ISO 8601 or Unix seconds"
            ) from None
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    if not 0 <= number < _SECONDS_MAX * 1000:
        raise InputError(f"{text!r} is no time", where=place, mend="use ISO 8601 or Unix seconds")
    return number / 1000 if number >= _SECONDS_MAX else number


def _value(text: str, place: str) -> float:
    if text.lower() in _ABSENT:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        raise InputError(
            f"{text!r} is no number", where=place, mend="leave an absent value empty"
        ) from None
    if not 0 <= value <= VALUE_MAX:
        raise InputError(
            f"{text} is no rate", where=place, mend=f"rates lie between 0 and {VALUE_MAX:g}"
        )
    return value


def _on_minutes(name: str, seconds: Floats, values: Floats, where: str) -> Trace:
    """Lay the steps on minutes; a step of several minutes is repeated."""
    ordered = np.argsort(seconds, kind="stable")
    backwards = int((np.diff(seconds) < 0).sum())
    seconds, values = seconds[ordered], values[ordered]
    step = _step_minutes(seconds, where)
    places, moved = _places(seconds, step)
    if (places[-1] + 1) * step > MINUTES_MAX:
        raise InputError("is longer than two years", where=where, mend="cut it")
    steps = np.full(int(places[-1]) + 1, np.nan)
    known = ~np.isnan(values)
    steps[places[known]] = values[known]  # of several in one place the last is kept
    if np.isnan(steps).all():
        raise InputError("has no value", where=where, mend=_FORM)
    first = int(seconds[0]) // MINUTE_SECONDS + 1
    if step == BUCKET_MINUTES:
        # Steps of five minutes end where forecasts are made; the calendar moves by four minutes
        # at the most.
        first -= (first - 1) % BUCKET_MINUTES
    notes = _notes(backwards, int((np.diff(places) == 0).sum()), moved)
    return Trace(name, step, first, np.repeat(steps, step), notes)


def _notes(backwards: int, twice: int, moved: int) -> tuple[str, ...]:
    said = (
        (backwards, "time runs backwards {} times: the rows were sorted"),
        (twice, "{} rows have the time of another: the last counts"),
        (moved, "{} rows lie off the grid: they belong to the step after"),
    )
    return tuple(text.format(f"{count:,}") for count, text in said if count)


def _step_minutes(seconds: Floats, where: str) -> int:
    """The step that most rows keep; of two equally common ones the shorter."""
    apart = np.diff(seconds)
    apart = apart[apart > 0] if (apart > 0).any() else apart
    rounded = np.rint(apart / MINUTE_SECONDS).astype(np.int64)
    differences, counts = np.unique(rounded, return_counts=True)
    step = int(differences[counts.argmax()])
    # Rows that come now early, now late are astray in both directions: their mean is not.
    astray_seconds = abs(float(apart[rounded == step].mean()) - step * MINUTE_SECONDS)
    is_whole = astray_seconds <= STEP_ASTRAY_RATIO_MAX * step * MINUTE_SECONDS
    if not (1 <= step <= STEP_MINUTES_MAX and is_whole):
        usual = float(np.median(apart[rounded == step]))
        shown = f"{step} minutes" if step and is_whole else f"{usual:g} seconds"
        raise InputError(
            f"has a step of {shown}", where=where, mend=f"use 1 to {STEP_MINUTES_MAX} minutes"
        )
    return step


def _places(seconds: Floats, step: int) -> tuple[Minutes, int]:
    """Numbers of the steps from the first on, and how many rows lie off the grid."""
    exact = (seconds - seconds[0]) / (step * MINUTE_SECONDS)
    places: Minutes = np.ceil(exact - LATE_RATIO_MAX).astype(np.int64)
    return places, int((places - exact > LATE_RATIO_MAX).sum())
