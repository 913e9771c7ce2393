"""Read a CSV file row by row, and name the row and column of whatever cannot be used."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from energy.errors import InputError


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file, with the place it came from."""

    path: Path
    line: int
    cells: dict[str, str]

    def text(self, column: str) -> str:
        """The cell without surrounding blanks; empty text where there is none."""
        return self.cells.get(column, "").strip()

    def whole(self, column: str) -> int:
        """A whole number from zero up.

        Raises:
            InputError: it is anything else.
        """
        number = self.number(column)
        if number != int(number):
            raise self.error(f"{column} is {self.text(column)}, not a whole number")
        return int(number)

    def number(self, column: str) -> float:
        """A finite number from zero up.

        Raises:
            InputError: it is missing, no number, NaN, infinite or negative.
        """
        text = self.text(column)
        try:
            number = float(text)
        except ValueError:
            raise self.error(f"{column} is {text!r}, not a number") from None
        if not math.isfinite(number):
            raise self.error(f"{column} is {text}, not a finite number")
        if number < 0:
            raise self.error(f"{column} is {text}, below zero")
        return number

    def error(self, what: str) -> InputError:
        """An error that names this row."""
        return InputError(
            what, where=f"{self.path}, line {self.line}", mend="correct the row or remove it"
        )


def header_of(path: Path) -> tuple[str, ...]:
    """The column names of a CSV file.

    Raises:
        InputError: the file cannot be read, or is empty.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = next(csv.reader(file), None)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(path, error) from None
    if not header or not any(name.strip() for name in header):
        raise InputError("the file is empty", where=str(path), mend="give a CSV file with a header")
    return tuple(name.strip() for name in header)


def rows(path: Path, required: Sequence[str]) -> Iterator[Row]:
    """The rows of a CSV file that has at least the required columns.

    Raises:
        InputError: the file cannot be read, lacks a column, or holds a row of the wrong length.
    """
    header = header_of(path)
    missing = [name for name in required if name not in header]
    if missing:
        raise InputError(
            f"column {', '.join(missing)} is missing (found: {', '.join(header)[:200]})",
            where=str(path),
            mend=f"give the columns {', '.join(required)}",
        )
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            next(reader)
            for cells in reader:
                if not any(cell.strip() for cell in cells):
                    continue
                row = Row(path, reader.line_num, dict(zip(header, cells, strict=False)))
                if len(cells) != len(header):
                    raise row.error(f"{len(cells)} cells where the header has {len(header)}")
                yield row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> InputError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return InputError(
        f"cannot be read ({reason})", where=str(path), mend="give a readable CSV file"
    )
