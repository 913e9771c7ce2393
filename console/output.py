"""Where a command's result goes: a table for people, JSON for programs, a file written whole."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import typer
from rich.console import Console

from energy.errors import InputError

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
    """For results. Wide enough for every column where the output is not a terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=160)


def stderr() -> Console:
    """For progress and warnings, so that a piped result stays clean."""
    return Console(stderr=True)


def json_text(value: object) -> str:
    """Indented JSON; a figure that does not exist (NaN) is null."""
    return json.dumps(_plain(value), indent=2, allow_nan=False)


def emit(text: str, file: Path | None) -> None:
    """Print a result, or write it to a file whole or not at all."""
    if file is None:
        typer.echo(text)
        return
    write_whole(file, text)
    stderr().print(f"written: {file}", highlight=False)


def write_whole(file: Path, text: str) -> None:
    """Write a file so that no one ever reads half of it.

    Raises:
        InputError: the place cannot be written to.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as temporary:
                temporary.write(text if text.endswith("\n") else text + "\n")
            os.chmod(name, 0o644)  # noqa: PTH101 - mkstemp gives a name; results are for everyone
            os.replace(name, file)  # noqa: PTH105 - same
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InputError(
            f"cannot be written ({error.strerror})", where=str(file), mend="name another place"
        ) from None


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
