"""The demand that an operator expects: a CSV of `cpu_millicores,memory_mebibytes,count`.

All pods that will run at once, by size; what runs already is taken off in the same mix. A day that
was recorded is such a file.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

import numpy as np

from energy.csv_rows import CsvText, Row
from energy.errors import InputError
from pricing.demand import ExpectedDemand
from pricing.node_class import CPU_MILLICORES_PER_CORE
from pricing.terms import Shapes

COLUMNS: Final = ("cpu_millicores", "memory_mebibytes", "count")
BYTES_PER_MEBIBYTE: Final = 2**20


def read_expected_demand(path: Path) -> ExpectedDemand:
    """Read the file.

    Raises:
        InputError: it cannot be read, or one of its rows is no size and count.
    """
    counts: Counter[tuple[float, float]] = Counter()
    for row in CsvText.read(path).rows(COLUMNS, "expected demand"):
        size = _amount(row, "cpu_millicores"), _amount(row, "memory_mebibytes")
        counts[size] += _amount(row, "count")  # type: ignore[assignment]  # fractions are fine
    if not counts.total():
        raise InputError("no pod is expected", where=str(path), mend="give counts above 0")
    sizes = np.array(sorted(counts), dtype=np.float64)
    return ExpectedDemand(
        shapes=Shapes(
            cpu_cores=sizes[:, 0] / CPU_MILLICORES_PER_CORE,
            memory_bytes=sizes[:, 1] * BYTES_PER_MEBIBYTE,
        ),
        counts=np.array([float(counts[size]) for size in sorted(counts)]),
    )


def _amount(row: Row, column: str) -> float:
    value = row.number(column)
    if not 0 <= value < np.inf:
        raise row.error(column, "a number from 0 up")
    return value
