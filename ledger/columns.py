"""Types that SQLite, MariaDB, MySQL and PostgreSQL share, and columns that say what they mean."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from ledger.checks import (
    KEY_LENGTH_MAX,
    NAME_LENGTH_MAX,
    NAMESPACE_LENGTH_MAX,
    WORD_LENGTH_MAX,
)

WORD: Final = sa.String(WORD_LENGTH_MAX)
NAME: Final = sa.String(NAME_LENGTH_MAX)
NAMESPACE: Final = sa.String(NAMESPACE_LENGTH_MAX)
KEY: Final = sa.String(KEY_LENGTH_MAX)
NUMBER: Final[sa.Double[float]] = sa.Double()
WHOLE: Final = sa.BigInteger()
TEXT: Final = sa.Text()
JSON: Final = sa.JSON()
# SQLite numbers rows by itself only in a column of the type INTEGER.
_ROW: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def column(name: str, kind: Any, comment: str, **options: Any) -> sa.Column[Any]:  # noqa: ANN401
    """A column that must have a value, unless `nullable` says otherwise."""
    return sa.Column(name, kind, comment=comment, **{"nullable": False, **options})


def row_number() -> sa.Column[Any]:
    """The number of a row, which pages go by where times are equal."""
    return column("id", _ROW, "number of the row, in the order of writing", primary_key=True)
