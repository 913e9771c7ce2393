"""The development sets, as traces: each from its original file to a CSV `timestamp,value`."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from energy.errors import InputError
from forecaster.horizons import MINUTE_SECONDS

#: NASA's two outages: the one hurricane Erin forced, and the end of July. Every other gap is short.
NASA_OUTAGE_MINUTES_MIN: Final = 1000
#: The feed carries no timestamps; its daily gaps end at whole days, so it starts at midnight.
TWITTER_START: Final = datetime(2021, 8, 1, tzinfo=UTC)
#: No timestamps either, and nothing that would tell the day.
ALIBABA_START: Final = datetime(2021, 1, 1, tzinfo=UTC)

Floats = npt.NDArray[np.float64]
Minutes = npt.NDArray[np.int64]
#: Unix time / 60 of the starts of the minutes that have a value, and the values.
Points = tuple[Minutes, Floats]


@dataclass(frozen=True, slots=True)
class Converted:
    """A trace that was written.

    Attributes:
        name: of the trace.
        file: where it is.
        minutes: from the first to the last.
        rows: of these have a value.
    """

    name: str
    file: Path
    minutes: int
    rows: int


def find_sources(places: Sequence[Path]) -> Mapping[str, Path]:
    """Find the originals that are known, by the name of their trace, in files and folders.

    Raises:
        InputError: a place does not exist, or holds none.
    """
    found: dict[str, Path] = {}
    for place in places:
        if not place.exists():
            raise InputError("does not exist", where=str(place), mend="name a file or a folder")
        files = sorted(place.rglob("*")) if place.is_dir() else [place]
        here = {SOURCES[file.name][0]: file for file in files if file.name in SOURCES}
        if not here:
            raise InputError(
                "holds no development set", where=str(place), mend=f"known: {', '.join(SOURCES)}"
            )
        found |= here
    return found


def convert(name: str, source: Path, folder: Path) -> Converted:
    """Write FOLDER/NAME.csv.gz; the same bytes for the same source.

    Raises:
        InputError: the source is not what its name says, or the folder cannot be written to.
    """
    starts, values = points(source)
    file = folder / f"{name}.csv.gz"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_trace(file, starts, values)
    except OSError as error:
        raise InputError(
            f"cannot be written to ({error.strerror})", where=str(file), mend="name another folder"
        ) from None
    return Converted(name, file, int(starts[-1] - starts[0]) + 1, len(starts))


_BROKEN: Final = (
    *(OSError, ValueError, KeyError, IndexError, EOFError),
    *(tarfile.TarError, zlib.error, StopIteration),
)


def points(source: Path) -> Points:
    """Read an original: starts of minutes and values.

    Raises:
        InputError: it is not what its name says.
    """
    _, read = SOURCES[source.name]
    try:
        starts, values = read(source)
        _ = starts[0]  # an IndexError where there is nothing
    except _BROKEN as error:
        raise InputError(
            f"is not the original ({error})", where=str(source), mend="fetch it again"
        ) from None
    return starts, values


def write_trace(file: Path, starts: Minutes, values: Floats) -> None:
    """Write rows `timestamp,value`, gzipped, without a time of its own."""
    lines = ["timestamp,value\n"]
    for start, value in zip(starts.tolist(), values.tolist(), strict=True):
        when = datetime.fromtimestamp(start * MINUTE_SECONDS, UTC)
        lines.append(f"{when:%Y-%m-%dT%H:%M:%SZ},{value:.12g}\n")
    file.write_bytes(gzip.compress("".join(lines).encode(), mtime=0))


def _nasa(source: Path) -> Points:
    """Requests a minute. Minutes without any are absent in the source: 0 here, outages excepted."""
    with gzip.open(source, "rt", newline="") as stream:
        rows = [(_minute(row["minute"]), float(row["count"])) for row in csv.DictReader(stream)]
    starts = np.array([start for start, _ in rows], dtype=np.int64)
    values = np.array([value for _, value in rows])
    every = np.arange(starts[0], starts[-1] + 1)
    counts = np.zeros(len(every))
    counts[starts - starts[0]] = values
    is_absent = np.zeros(len(every), dtype=np.bool_)
    for before, after in pairwise(starts):
        if after - before > NASA_OUTAGE_MINUTES_MIN:
            is_absent[before + 1 - starts[0] : after - starts[0]] = True
    return every[~is_absent], counts[~is_absent]


def _twitter(source: Path) -> Points:
    """Messages a minute, summed from seconds; what is left over of the last minute is dropped."""
    with tarfile.open(fileobj=io.BytesIO(bz2.decompress(source.read_bytes()))) as archive:
        member = next(item for item in archive.getmembers() if item.isfile())
        stream = archive.extractfile(member)
        seconds = np.array(stream.read().split() if stream else [], dtype=np.float64)
    whole = len(seconds) // MINUTE_SECONDS
    values = seconds[: whole * MINUTE_SECONDS].reshape(whole, MINUTE_SECONDS).sum(axis=1)
    return _from(TWITTER_START, whole), values


def _microsoft(source: Path) -> Points:
    """A rate a minute, as it is."""
    with source.open(newline="", encoding="utf-8") as stream:
        rows = [
            (_minute(row["TimeStamp"]), float(row["Value"])) for row in csv.DictReader(stream)
        ]  # fmt: skip
    starts = np.array([start for start, _ in rows], dtype=np.int64)
    return starts, np.array([value for _, value in rows])


def _alibaba(source: Path) -> Points:
    """A call rate a minute, below the name of its service."""
    values = np.array(source.read_text(encoding="utf-8").split()[1:], dtype=np.float64)
    return _from(ALIBABA_START, len(values)), values


def _from(start: datetime, count: int) -> Minutes:
    first = int(start.timestamp()) // MINUTE_SECONDS
    return np.arange(first, first + count, dtype=np.int64)


def _minute(text: str) -> int:
    time = datetime.fromisoformat(text)
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()) // MINUTE_SECONDS


def _names() -> Iterator[tuple[str, tuple[str, Callable[[Path], Points]]]]:
    yield "nasa_per_minute.csv.gz", ("nasa", _nasa)
    yield "twitter_per_second_workload.tbz2", ("twitter", _twitter)
    for name in ("mongo-01", "mongo-02", "ingress-01", "ingress-03"):
        yield f"{name}.csv", (name, _microsoft)
    yield "ms_call_rate_6d9c26b9.txt", ("alibaba-msrtqps", _alibaba)


#: File name of an original -> name of the trace, and how it is read.
SOURCES: Final = dict(_names())
