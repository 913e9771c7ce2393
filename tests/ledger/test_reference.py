"""The reference page says what the tables say, and its queries give what the ledger gives."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import repository
import sqlalchemy as sa
from decisions import made

from ledger.retention import Retention
from ledger.store import Ledger
from ledger.tables import METADATA

PAGE = repository.ROOT / "docs" / "reference" / "ledger.md"
TEXT = PAGE.read_text(encoding="utf-8")
QUERIES = re.findall(r"^```sql\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
LONG_AGO = 1_000_000.0


def words(column: sa.Column) -> str:
    """Return a column's type as the page has it."""
    kinds = {
        sa.Double: "number",
        sa.BigInteger: "whole number",
        sa.String: "text",
        sa.Text: "text",
        sa.JSON: "JSON",
    }
    return kinds[type(column.type)] + (", or NULL" if column.nullable else "")


def test_the_page_lists_every_table_and_column_as_the_ledger_has_them() -> None:
    """What is missing here belongs into docs/reference/ledger.md, in this form."""
    expected = []
    for table in METADATA.tables.values():
        expected.append(f"## `{table.name}`")
        expected += [
            f"| `{each.name}` | {words(each)} | {each.comment} |" for each in table.columns
        ]

    listed = [line for line in TEXT.splitlines() if re.match(r"\| `\w+` \||## `", line)]
    assert listed == expected


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a ledger with pods that ended long ago, and one that has just begun."""
    path = tmp_path / "ledger.sqlite"
    with Ledger.open(f"sqlite:///{path}") as ledger:
        ledger.write(
            [
                made(uid="a", decided_at_seconds=LONG_AGO),
                made(uid="b", decided_at_seconds=LONG_AGO, pod="b", workload_name="db"),
                made(uid="c", decided_at_seconds=LONG_AGO, pod="c", chosen_watts=None),
                made(uid="d", decided_at_seconds=LONG_AGO, pod="d", chosen_watts=1.0),
            ]
        )
        ledger.end_pods((uid, LONG_AGO + 60) for uid in "abcd")
    return path


def answers(file: Path, query: str) -> list[dict]:
    """Run a query as the sqlite3 shell would."""
    with closing(sqlite3.connect(file)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query)]


@pytest.mark.parametrize("summed", [False, True])
def test_the_sums_of_the_page_are_the_sums_of_the_ledger(file, summed) -> None:
    """The same columns with the same figures, by workload, before and after rows were deleted."""
    with Ledger.open(f"sqlite:///{file}") as ledger:
        if summed:
            ledger.tidy(Retention(days_max=1), now_seconds=2 * LONG_AGO)
        savings = ledger.savings("workload", since_seconds=0, now_seconds=2 * LONG_AGO)

    found = answers(file, QUERIES[0])

    assert sorted(found, key=lambda row: row["workload_name"]) == [
        {name: getattr(row, name) for name in row.__slots__} for row in savings
    ]
    assert [row["forgone_joules"] for row in found] == [7.25 * 60, (7.25 - 4.25) * 60]


def test_the_dearest_choices_come_first(file) -> None:
    """The page's second query: watts, nodes and the reason."""
    found = answers(file, QUERIES[1])

    assert [row["forgone_watts"] for row in found] == [7.25, 7.25, -4.25]
    assert found[0]["at"] == "1970-01-12 13:46:40"
    assert found[0]["reason"] == made().reason


def test_what_was_weighed_can_be_read_out_of_a_row(file) -> None:
    """The page's third query names the pod that the tests' decisions are of."""
    found = answers(file, QUERIES[2])

    assert [(row["rank"], row["node"], row["watts"]) for row in found] == [
        (0, "new-1", 5.25),
        (1, "old-1", 12.5),
    ]
