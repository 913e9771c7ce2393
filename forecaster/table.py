"""Rows of state, one for each series: found by key, grown, moved and saved as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from forecaster.history import History, add_rows

Rows = npt.NDArray[np.intp]
Arrays = dict[str, npt.NDArray[Any]]

KEYS: Final = "keys"
_HISTORY: Final = "history"
_FIRST_ROWS: Final = 16


class Table:
    """Histories and groups of arrays whose leading axis is the series. For one thread."""

    def __init__(
        self, groups: Mapping[str, Callable[[int], Mapping[str, npt.NDArray[Any]]]]
    ) -> None:
        """Prepare an empty table; each of `groups` gives the fresh state of so many rows."""
        self._fresh: Final = dict(groups)
        self.history = History(0)
        self._groups: dict[str, Arrays] = {
            group: {name: array.copy() for name, array in make(0).items()}  # ours alone: they grow
            for group, make in groups.items()
        }
        self._row_of: dict[str, int] = {}
        self._free: list[int] = []

    def keys(self) -> tuple[str, ...]:
        """Return the series that have a row, in the order in which they came."""
        return tuple(self._row_of)

    def row(self, key: str) -> int:
        """Return the row of a series, a fresh one if it has none."""
        known = self._row_of.get(key)
        if known is not None:
            return known
        if not self._free:
            self._grow()
        row = self._row_of[key] = self._free.pop()
        return row

    def rows(self, keys: Sequence[str]) -> Rows:
        """Return the rows of series that have one.

        Raises:
            KeyError: one has none.
        """
        return np.array([self._row_of[key] for key in keys], dtype=np.intp)

    def has(self, key: str) -> bool:
        """Whether a series has a row."""
        return key in self._row_of

    def take(self, group: str, rows: Rows) -> Arrays:
        """Return copies of rows of a group."""
        return {name: array[rows] for name, array in self._groups[group].items()}

    def put(self, group: str, rows: Rows, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Keep rows of a group."""
        for name, array in state.items():
            self._groups[group][name][rows] = array

    def drop(self, keys: Sequence[str]) -> None:
        """Forget series; unknown ones are none."""
        for key in keys:
            row = self._row_of.pop(key, None)
            if row is not None:
                self.history.clear_row(row)
                for group in self._fresh:
                    self.put(group, np.array([row], dtype=np.intp), self._fresh[group](1))
                self._free.append(row)

    def export(self, keys: Sequence[str]) -> Arrays:
        """Return all that is known of series, under names such as `mixture.errors`."""
        rows = self.rows(keys)
        arrays: Arrays = {KEYS: np.array(keys, dtype=np.str_)}
        parts = {_HISTORY: self.history.rows(rows)}
        parts |= {group: self.take(group, rows) for group in self._fresh}
        for part, state in parts.items():
            arrays |= {f"{part}.{name}": array for name, array in state.items()}
        return arrays

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take what `export` gave; a group that fits no longer starts afresh.

        Raises:
            KeyError, TypeError, ValueError: histories are absent or of another version.
        """
        keys = [str(key) for key in state[KEYS]]
        history = _part(state, _HISTORY)
        if not _fits(history, History(len(keys)).rows(np.arange(len(keys)))):
            raise ValueError("these are no histories of this version")
        rows = np.array([self.row(key) for key in keys], dtype=np.intp)
        self.history.set_rows(rows, history)
        for group, make in self._fresh.items():
            fresh, given = make(len(keys)), _part(state, group)
            fits = _fits(given, fresh)
            self.put(group, rows, {name: given[name] for name in fresh} if fits else fresh)

    def _grow(self) -> None:
        """Add a sixteenth of the rows, in place: little room is unused, and none twice."""
        have = len(self.history)
        more = max(have // 16, _FIRST_ROWS)
        self.history.add_rows(more)
        for group, make in self._fresh.items():
            arrays = self._groups[group]
            for name, fresh in make(more).items():
                add_rows(arrays[name], fresh)
        self._free += range(have + more - 1, have - 1, -1)


def _fits(given: Arrays, wanted: Mapping[str, npt.NDArray[Any]]) -> bool:
    return all(
        name in given and given[name].shape == array.shape and given[name].dtype == array.dtype
        for name, array in wanted.items()
    )


def _part(state: Mapping[str, npt.NDArray[Any]], group: str) -> Arrays:
    start = f"{group}."
    return {name.removeprefix(start): a for name, a in state.items() if name.startswith(start)}
