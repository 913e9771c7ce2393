"""How the schema changes on MariaDB and MySQL, whose DDL escapes transactions.

A change that was interrupted half way has to be continued where it stopped. So before each
statement the comment of the version table tells what is under way, and afterwards it is emptied.
Who finds it takes up the same change at the same statement; should that one have been carried out
already, the server says so ("exists already", "cannot drop") and it counts as done. What a
migration does past Alembic's operations, such as on `op.get_bind()`, must bear being done twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self, get_args

import sqlalchemy as sa
from alembic.ddl.mysql import MySQLImpl
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.dml import UpdateBase
from typing_extensions import override

from ledger.change import Change, Direction
from ledger.tables import VERSION_TABLE

#: "Exists already" of tables, columns, indices and constraints; "cannot drop" what is not there.
_DONE_ALREADY: Final = frozenset({1050, 1051, 1060, 1061, 1091, 1826})
_BEGUN: Final = "begun"
_REFUSED: Final = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """A change that was interrupted.

    `revision` is the one that the step began from, `statement` the number of the last statement in
    this step; `begun` tells whether nobody knows if that was carried out, else it was refused.
    """

    change: Change
    revision: str
    statement: int
    begun: bool

    def text(self) -> str:
        """Return what the comment says."""
        words = (self.change.direction, self.change.target, self.revision, f"{self.statement}")
        return " ".join((*words, _BEGUN if self.begun else _REFUSED))

    @classmethod
    def from_text(cls, text: str) -> Self | None:
        """Return what the comment says; None where it is another's."""
        words = text.split()
        if len(words) != len(cls.__slots__) + 1 or words[0] not in get_args(Direction):
            return None
        direction: Direction = "upgrade" if words[0] == "upgrade" else "downgrade"
        return cls(
            change=Change(direction, words[1]),
            revision=words[2],
            statement=int(words[3]),
            begun=words[4] == _BEGUN,
        )


def unfinished(connection: sa.Connection) -> Unfinished | None:
    """Return the change that nobody finished, if there is one."""
    comment = connection.scalar(
        sa.text(
            "SELECT table_comment FROM information_schema.tables"
            " WHERE table_schema = DATABASE() AND table_name = :name"
        ),
        {"name": VERSION_TABLE},
    )
    return Unfinished.from_text(comment or "")


class Steps:
    """Counts the statements of one change, writes down where it is, and skips what was done."""

    def __init__(self, change: Change, revision: str | None, taken_up: Unfinished | None) -> None:
        self._change = change
        self._revision, self._statement = revision or "-", 0
        self._skipped = 0
        self._bears: int | None = None
        if taken_up is not None and taken_up.revision == self._revision:
            self._skipped = taken_up.statement - 1
            self._bears = taken_up.statement if taken_up.begun else None

    def is_next_done(self) -> bool:
        """Count a statement; return whether it was carried out before the interruption."""
        self._statement += 1
        return self._statement <= self._skipped

    def note(self, connection: sa.Connection, *, begun: bool) -> None:
        """Write down which statement it is."""
        now = Unfinished(
            change=self._change, revision=self._revision, statement=self._statement, begun=begun
        )
        _comment(connection, now.text())

    def bears(self, error: DBAPIError) -> bool:
        """Whether an error only says that the statement was carried out before."""
        number = error.orig.args[0] if error.orig is not None and error.orig.args else None
        return self._statement == self._bears and number in _DONE_ALREADY

    def begin_step(self, revision: str | None) -> None:
        """Count anew, from this revision."""
        self._revision, self._statement, self._skipped, self._bears = revision or "-", 0, 0, None


def end(connection: sa.Connection) -> None:
    """Note that nothing is under way."""
    _comment(connection, "")


def _comment(connection: sa.Connection, text: str) -> None:
    quoted = text.replace("'", "")
    connection.exec_driver_sql(f"ALTER TABLE {VERSION_TABLE} COMMENT = '{quoted}'")


class ResumableImpl(MySQLImpl):
    """Alembic's way to change a MariaDB or MySQL, statement by statement as `Steps` says."""

    __dialect__ = "mysql"

    @override
    def create_table(self, table: sa.Table, **options: Any) -> None:
        """Make a table that compares texts sign by sign, as the other databases do."""
        is_mariadb = getattr(self.dialect, "is_mariadb", False)
        table.kwargs.update(
            mysql_engine="InnoDB",
            mysql_charset="utf8mb4",
            # Binary, and a trailing space counts.
            mysql_collate="utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin",
        )
        super().create_table(table, **options)

    @override
    def _exec(self, construct: Any, *arguments: Any, **options: Any) -> Any:
        steps, connection = self.context_opts.get("steps"), self.connection
        if steps is None or connection is None:
            return super()._exec(construct, *arguments, **options)
        if _is_of_version(construct):
            result = super()._exec(construct, *arguments, **options)
            steps.begin_step(_revision(connection))
            return result
        if steps.is_next_done():
            return None
        steps.note(connection, begun=True)
        try:
            return super()._exec(construct, *arguments, **options)
        except DBAPIError as error:
            if steps.bears(error):
                return None
            if not error.connection_invalidated:
                steps.note(connection, begun=False)
            raise


def _is_of_version(construct: Any) -> bool:  # noqa: ANN401 - any statement, or its text
    is_row = isinstance(construct, UpdateBase)
    return is_row and getattr(construct.table, "name", "") == VERSION_TABLE


def _revision(connection: sa.Connection) -> str | None:
    found: str | None = connection.scalar(sa.text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608
    return found
