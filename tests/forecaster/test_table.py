"""Rows of state grow with the series, in place: a service may have no room for two of them."""

from __future__ import annotations

import tracemalloc

import numpy as np

from forecaster.table import Table

COLUMNS = 2**16


def fresh(rows: int) -> dict[str, np.ndarray]:
    """Give half a megabyte for each row, and a column that says what row it was."""
    return {"wide": np.full((rows, COLUMNS), 7.0), "mark": np.full(rows, -1)}


def test_rows_keep_what_they_know_while_more_are_added() -> None:
    """And new ones are as they are made."""
    table = Table({"group": lambda rows: {"mark": np.full(rows, -1)}})
    for number in range(1000):
        row = table.row(f"a/B/c-{number}")
        table.history.put(row, 100, float(number))
        assert table.take("group", np.array([row]))["mark"].tolist() == [-1]
        table.put("group", np.array([row]), {"mark": np.array([number])})
    keys = table.keys()

    rows = table.rows(keys)
    assert table.take("group", rows)["mark"].tolist() == list(range(1000))
    assert [table.history.newest_value(int(row)) for row in rows] == [float(n) for n in range(1000)]


def test_growing_takes_no_room_but_that_of_the_new_rows() -> None:
    """A copy would need as much again as all that is known."""
    tracemalloc.start()
    try:
        table = Table({"group": fresh})
        for number in range(128):
            table.row(f"a/B/c-{number}")
        tracemalloc.reset_peak()
        table.row("a/B/one-more")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    # 144 rows in all, and the new ones before they have their place.
    assert peak < (144 + 2 * 16) * COLUMNS * 8
