"""Reads CSV files row by row, with one line for whatever is wrong with one."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from energy.errors import InputError

LONGEST_SHOWN = 60
# Beyond this no amount here can be meant: a petabyte in bytes, thirty million years in seconds.
LARGEST_AMOUNT = 1e15


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file, with the words that say where it stands."""

    cells: Mapping[str, str]
    where: str

    def text(self, column: str) -> str:
        """Return a cell with its white space evened out; empty where the column is absent."""
        return " ".join(self.cells.get(column, "").split())

    def error(self, column: str, expected: str) -> InputError:
        """Return the error that says what a cell should have been."""
        return InputError(
            f"column {column} holds {self.text(column)[:LONGEST_SHOWN]!r}, not {expected}",
            where=self.where,
            mend="correct the cell or leave the row out",
        )

    def number(self, column: str) -> float:
        """Return a cell as a finite number."""
        try:
            value = plain_float(self.text(column))
        except ValueError:
            raise self.error(column, "a number") from None
        if not math.isfinite(value):
            raise self.error(column, "a finite number")
        return value

    def amount(self, column: str) -> float:
        """Return a cell as a number from zero up, within reason."""
        value = self.number(column)
        if not 0 <= value <= LARGEST_AMOUNT:
            raise self.error(column, f"a number from 0 to {LARGEST_AMOUNT:.0e}")
        return value

    def whole_amount(self, column: str) -> int:
        """Return a cell as a whole number from zero up, within reason."""
        value = self.amount(column)
        if value != int(value):
            raise self.error(column, "a whole number")
        return int(value)


def plain_float(text: str) -> float:
    """Return a number, but not Python's `1_000`: in a file an underscore is a slip.

    Raises:
        ValueError: the text is no number.
    """
    if "_" in text:
        raise ValueError(text)
    return float(text)


@dataclass(frozen=True, slots=True)
class CsvText:
    """A CSV file read once, so that a pipe will do; what it is may be told by its header."""

    path: Path
    lines: Sequence[str]

    @classmethod
    def read(cls, path: Path) -> CsvText:
        """Read the whole file.

        Raises:
            InputError: it cannot be read, or is no text.
        """
        return cls(path, _text(path).splitlines())

    def header(self) -> list[str]:
        """Return the column names, as far as there are any."""
        return [name.strip() for name in next(csv.reader(self.lines[:1]), [])]

    def rows(self, required: Sequence[str], kind: str) -> Iterator[Row]:
        """Yield the rows; the file must have the required columns, `kind` says what it holds."""
        return _rows(self, required, kind)


def read_rows(path: Path, required: Sequence[str], kind: str) -> Iterator[Row]:
    """Yield the rows of a file that has the required columns; `kind` says what the file holds."""
    yield from CsvText.read(path).rows(required, kind)


def _rows(text: CsvText, required: Sequence[str], kind: str) -> Iterator[Row]:
    path, reader = text.path, csv.reader(text.lines, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(header, required, path, kind)
        for cells in reader:
            where = f"{path}, line {reader.line_num}"
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                raise InputError(
                    f"{len(cells)} cells under {len(header)} columns",
                    where=where,
                    mend="quote cells that hold commas",
                )
            yield Row(dict(zip(header, cells, strict=True)), where)
    except csv.Error as error:
        raise InputError(
            f"no valid CSV ({error})", where=f"{path}, line {reader.line_num}", mend="check quotes"
        ) from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"not UTF-8 text at byte {error.start}", where=str(path), mend="give a CSV file"
        ) from None
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or "cannot be read").lower()
        raise InputError(reason, where=str(path), mend="give a readable CSV file") from None


def _check_header(header: list[str], required: Sequence[str], path: Path, kind: str) -> None:
    if not any(header):
        raise InputError(
            "empty file", where=str(path), mend=f"give the columns {', '.join(required)}"
        )
    missing = [name for name in required if name not in header]
    if missing:
        raise InputError(
            f"missing column{'s' if len(missing) > 1 else ''} {', '.join(missing)}",
            where=str(path),
            mend=f"give a comma-separated file of {kind}",
        )
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise InputError(f"column {twice[0]} appears twice", where=str(path), mend="remove one")
