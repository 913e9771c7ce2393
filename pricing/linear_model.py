"""A linear program collected column by column, and handed to HiGHS at once."""

from __future__ import annotations

from typing import Any, TypeAlias

import highspy
import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats: TypeAlias = NDArray[np.float64]
Indices: TypeAlias = NDArray[np.int64]


def silent_solver() -> Any:  # noqa: ANN401 - highspy's own stubs lack some of the calls used here
    """HiGHS on one thread, without a word on the terminal."""
    solver = highspy.Highs()  # type: ignore[no-untyped-call]
    solver.silent()
    solver.setOptionValue("threads", 1)
    return solver


class Columns:
    """Collects a column-wise model; the first ``rows`` rows are the shapes' demands."""

    def __init__(self, rows: int) -> None:
        self._lower = [0.0] * rows
        self._upper = [0.0] * rows
        self._costs: list[Floats] = []
        self._uppers: list[Floats] = []
        self._lengths: list[Indices] = []
        self._indices: list[Indices] = []
        self._values: list[Floats] = []
        self._count = 0

    def row(self, lower: float, upper: float) -> int:
        """Add a row between two bounds; return its index."""
        self._lower.append(lower)
        self._upper.append(upper)
        return len(self._lower) - 1

    def add(self, costs: ArrayLike, upper: float, rows: ArrayLike, values: ArrayLike) -> Indices:
        """Add non-negative columns, one per cost; return their indices.

        ``values`` has shape (columns, entries), ``rows`` the same or (entries,); zeros are dropped.
        """
        cost, value = np.asarray(costs, dtype=np.float64), np.asarray(values, dtype=np.float64)
        index = np.broadcast_to(np.asarray(rows, dtype=np.int64), value.shape)
        held = value != 0.0
        self._costs.append(cost)
        self._uppers.append(np.full(len(cost), upper))
        self._lengths.append(held.sum(axis=1))
        self._indices.append(index[held])
        self._values.append(value[held])
        first, self._count = self._count, self._count + len(cost)
        return np.arange(first, self._count)

    def load(self, solver: Any, *, integer: bool) -> None:  # noqa: ANN401 - highspy lacks types
        """Hand the model to the solver."""
        model = highspy.HighsLp()
        model.num_col_, model.num_row_ = self._count, len(self._lower)
        model.col_cost_ = np.concatenate(self._costs)
        model.col_lower_ = np.zeros(self._count)
        model.col_upper_ = np.concatenate(self._uppers)
        model.row_lower_, model.row_upper_ = np.array(self._lower), np.array(self._upper)
        starts = np.concatenate([[0], np.cumsum(np.concatenate(self._lengths))])
        model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        model.a_matrix_.start_ = starts.astype(np.int32)
        model.a_matrix_.index_ = np.concatenate(self._indices).astype(np.int32)
        model.a_matrix_.value_ = np.concatenate(self._values)
        if integer:
            model.integrality_ = [highspy.HighsVarType.kInteger] * self._count
        solver.passModel(model)
