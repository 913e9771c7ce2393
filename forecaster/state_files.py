"""What a forecaster knows of one partition, in one file that is either whole or not there.

A line that says what this is, a line of JSON with the offset that it stands for and the checksum
of the rest, then arrays as numpy keeps them. A file is written beside the old one, brought to the
disk and then put in its place; one that cannot be read is set aside and told of.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import logging
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt

from energy.errors import InputError, UnavailableError

_log = logging.getLogger(__name__)

MAGIC: Final = b"negawatt forecaster state 1\n"
HEADER_BYTES_MAX: Final = 64 * 1024
LOCK: Final = ".lock"
_MEND: Final = "give --state-directory a folder of ours with room"
_SEPARATOR: Final = "."
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionState:
    """All of one partition as of an offset.

    Attributes:
        offset: the next one to read: everything before it is in here.
        stream: which log that is an offset of (`Consumer.identity`).
        written_at_seconds: Unix time.
        sections: arrays by the part of the service that keeps them, and their names.
    """

    offset: int
    written_at_seconds: float
    stream: str = ""
    sections: Mapping[str, Mapping[str, npt.NDArray[Any]]] = field(default_factory=dict)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Be the only process that keeps its state in a folder while the block lasts.

    Raises:
        InputError: the folder cannot be made or written.
        UnavailableError: another one does already.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("w")
    except OSError as error:
        raise InputError(_unwritable(error), where=str(folder), mend=_MEND) from None
    with lock:  # closed, also by a process that is killed, it is free again
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UnavailableError(
                "another forecaster keeps its state here",
                where=str(folder),
                mend="end that one, or give --state-directory another folder",
            ) from None
        yield


class StateFiles:
    """The state files of one topic in a folder."""

    def __init__(self, folder: Path, topic: str) -> None:
        """Make the folder, and clear away what a process that was killed left half written.

        Raises:
            InputError: the folder cannot be made or written.
        """
        self._folder, self._topic = folder, topic
        self.broken_total = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for left in folder.glob(f"{topic}-*.writing"):
                if not _is_being_written(left):
                    left.unlink(missing_ok=True)
            with TemporaryFile(dir=folder):
                pass  # it can be written to
        except OSError as error:
            if error.errno in _FULL:  # it may have room again when a state is due
                _log.warning("%s: %s", folder, _unwritable(error))
                return
            raise InputError(_unwritable(error), where=str(folder), mend=_MEND) from None

    def path(self, partition: int) -> Path:
        """Where the state of a partition is."""
        return self._folder / f"{self._topic}-{partition}.state"

    def write(self, partition: int, state: PartitionState) -> bool:
        """Keep a state; False where the file has a newer one of the same stream, which stays.

        That is so where this process was thought dead and somebody else reads the partition.

        Raises:
            UnavailableError: it cannot be written; the old file is still there.
        """
        path = self.path(partition)
        try:
            known = _offset_in(path, state.stream)
            if known is not None and known > state.offset:
                _log.warning("%s is newer than what we know, and stays", path)
                return False
            _replace(path, lambda file: self._write(file, partition, state))
        except OSError as error:
            raise UnavailableError(_unwritable(error), where=str(path), mend=_MEND) from None
        return True

    def read(self, partition: int) -> PartitionState | None:
        """The state of a partition; None where there is none, or it was broken and set aside."""
        path = self.path(partition)
        try:
            with path.open("rb") as file:
                return self._parsed(partition, file)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            self.set_aside(partition, str(error))
            return None

    def set_aside(self, partition: int, why: str) -> None:
        """Give a file that does not do another name, and say so; what it knew is built anew."""
        path = self.path(partition)
        aside = path.with_suffix(".broken")
        self.broken_total += 1
        try:
            path.replace(aside)
        except OSError as error:
            _log.warning("%s is broken (%s) and cannot be set aside (%s)", path, why, error)
        else:
            _log.warning("%s is broken (%s) and set aside as %s", path, why, aside.name)

    def _write(self, file: BinaryIO, partition: int, state: PartitionState) -> None:
        """Write all; the checksum takes its place in the head when the rest is there."""
        arrays: Arrays = {
            f"{section}{_SEPARATOR}{name}": array
            for section, named in state.sections.items()
            for name, array in named.items()
        }
        header = {
            "topic": self._topic,
            "partition": partition,
            "offset": state.offset,
            "stream": state.stream,
            "written_at_seconds": state.written_at_seconds,
        }
        body = _Summed(file)
        file.write(_head(header | {"sha256": body.digest()}))
        np.savez(body, **arrays)  # type: ignore[arg-type] # its stub takes the names for options
        file.seek(0)
        file.write(_head(header | {"sha256": body.digest()}))

    def _parsed(self, partition: int, file: BufferedReader) -> PartitionState:
        header, start = _header(file.read(HEADER_BYTES_MAX))
        file.seek(start)
        if hashlib.file_digest(file, "sha256").hexdigest() != header["sha256"]:
            raise ValueError("its checksum does not fit")
        if (header["topic"], header["partition"]) != (self._topic, partition):
            raise ValueError("it is of another partition")
        sections: dict[str, Arrays] = {}
        file.seek(start)
        with np.load(file, allow_pickle=False) as arrays:
            for full in arrays.files:
                section, _, name = full.partition(_SEPARATOR)
                sections.setdefault(section, {})[name] = arrays[full]
        return PartitionState(
            offset=int(header["offset"]),
            written_at_seconds=float(header["written_at_seconds"]),
            stream=str(header.get("stream", "")),
            sections=sections,
        )


class _Summed:
    """Writes to a file and sums up what it is given: no archive need be in memory as a whole.

    It cannot be sought in, so that an archive comes from its beginning to its end.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._sum = hashlib.sha256()

    def digest(self) -> str:
        """The sum of all that was written, always as long."""
        return self._sum.hexdigest()

    def write(self, data: bytes) -> int:
        """Write on."""
        self._sum.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        """Archives ask for it."""
        self._file.flush()

    def read(self, _bytes_max: int = -1) -> bytes:
        """For numpy, which takes nothing for a file that cannot be read."""
        raise OSError("this is only written")


def _head(header: Mapping[str, object]) -> bytes:
    return MAGIC + json.dumps(header).encode() + b"\n"


def _header(data: bytes) -> tuple[dict[str, Any], int]:
    if not data.startswith(MAGIC):
        raise ValueError("it does not begin as a state of this version")
    end = data.find(b"\n", len(MAGIC), HEADER_BYTES_MAX)
    if end < 0:
        raise ValueError("its head has no end")
    header = json.loads(data[len(MAGIC) : end])
    if not isinstance(header, dict):
        raise TypeError("its head is no object")
    return header, end + 1


def _offset_in(path: Path, stream: str) -> int | None:
    """The offset of this stream that a file stands for; None where there is none to be read."""
    try:
        with path.open("rb") as file:
            header = _header(file.read(HEADER_BYTES_MAX))[0]
            return int(header["offset"]) if header.get("stream", "") == stream else None
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _replace(
    path: Path, write: Callable[[BinaryIO], None], sync: Callable[[int], None] = os.fsync
) -> None:
    """Put a file in another's place so that a loss of power leaves one of them, whole."""
    writing = path.with_suffix(f".{os.getpid()}.writing")
    with writing.open("wb") as file:
        write(file)
        file.flush()
        sync(file.fileno())
    writing.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        sync(folder)
    finally:
        os.close(folder)


def _is_being_written(writing: Path) -> bool:
    """Whether a process that lives, and is not this one, writes a file of `_replace`."""
    number = writing.suffixes[-2].removeprefix(".") if len(writing.suffixes) > 1 else ""
    if not number.isdecimal() or int(number) == os.getpid():
        return False
    try:
        os.kill(int(number), 0)
    except PermissionError:
        return True  # somebody else's
    except (ProcessLookupError, OverflowError):
        return False
    return True


def _unwritable(error: OSError) -> str:
    return f"cannot be written ({error.strerror or error})"
