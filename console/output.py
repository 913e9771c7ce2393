"""Where a command's result goes: a table for people, JSON for programs, a file written whole."""

from __future__ import annotations

import json
import math
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from errno import EISDIR
from pathlib import Path
from typing import TextIO, cast

import typer
from rich.console import Console

from energy.errors import InputError

PIPE_COLUMNS = 160
COLUMNS_MIN = 100
TABLE, JSON, HTML, MARKDOWN = "table", "json", "html", "markdown"


def require_format(text: str, allowed: Sequence[str]) -> str:
    """The output format that was asked for.

    Raises:
        InputError: the command has no such output.
    """
    if text not in allowed:
        raise InputError(
            f"there is no output {text!r}", where="--output", mend=f"use {', '.join(allowed)}"
        )
    return text


def stdout() -> Console:
    """For results. Wide enough for every column: on a narrow terminal lines wrap, no figure is cut.

    It reads markup: names from users' files go into a table as `rich.text.Text`.
    """
    console = Console(highlight=False)
    if console.is_terminal:
        return Console(width=max(console.width, COLUMNS_MIN), highlight=False)
    width = max(console.width, PIPE_COLUMNS)
    return Console(file=cast("TextIO", _Trimmed(sys.stdout)), width=width, highlight=False)


class _Trimmed:
    """A stream that leaves out the blanks with which rich fills up each line of a table."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write whole lines."""
        return self._stream.write(re.sub(" +(?=\n)", "", text))


def stderr() -> Console:
    """For progress and warnings, so that a piped result stays clean."""
    return Console(stderr=True, markup=False, highlight=False)


def say(line: str) -> None:
    """A line to a person, unbroken however wide the terminal."""
    stderr().print(line, soft_wrap=True)


def json_text(value: object) -> str:
    """Indented JSON; a figure that does not exist (NaN) is null."""
    return json.dumps(_plain(value), indent=2, allow_nan=False)


def emit(text: str, file: Path | None) -> None:
    """Print a result, or write it to a file whole or not at all."""
    if file is None:
        typer.echo(text)
        return
    write_whole(file, text)
    say(f"written: {file}")


def require_writable(file: Path | None) -> None:
    """Refuse a place that cannot be written to before the work starts, not after it.

    Raises:
        InputError: it cannot.
    """
    if file is None or _is_special(file.resolve()):
        return
    missing = [folder for folder in file.resolve().parents if not _is_seen(folder)]
    try:
        with _placed_whole(file) as temporary:
            temporary.touch()
            temporary.unlink()
    finally:  # the work may fail: it must leave no empty folders
        for folder in missing:
            with suppress(OSError):
                folder.rmdir()


def write_whole(file: Path, text: str) -> None:
    """Write a file so that no one ever reads half of it; a link keeps pointing where it does.

    Raises:
        InputError: the place cannot be written to.
    """
    text = text if text.endswith("\n") else text + "\n"
    with _placed_whole(file) as temporary:
        if _is_special(file.resolve()):
            file.write_text(text, encoding="utf-8")  # a pipe or a device has no halves
        else:
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(file.resolve())


@contextmanager
def writing_whole(file: Path) -> Iterator[TextIO]:
    """Give a stream whose text is the file's once the block ends well; else all stays as it was.

    Raises:
        InputError: the place cannot be written to.
    """
    with _placed_whole(file) as temporary:
        is_special = _is_special(file.resolve())
        with (file if is_special else temporary).open("w", encoding="utf-8", newline="") as stream:
            yield stream
        if not is_special:
            temporary.replace(file.resolve())


@contextmanager
def _placed_whole(file: Path) -> Iterator[Path]:
    """A name beside the file to write to first; it is gone afterwards, whatever happens."""
    target = file.resolve()
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        if target.is_dir():
            raise IsADirectoryError(EISDIR, "it is a folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
    except OSError as error:
        raise InputError(
            f"cannot be written to ({error.strerror})", where=str(file), mend="name another file"
        ) from None
    finally:
        with suppress(OSError):
            temporary.unlink()


def _is_special(target: Path) -> bool:
    return _is_seen(target) and not target.is_file() and not target.is_dir()


def _is_seen(path: Path) -> bool:
    """Whether it is there; where that cannot be told, who writes there is told why."""
    try:
        return path.exists()
    except OSError:
        return False


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
