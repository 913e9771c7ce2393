"""One database behind its URL: transactions whose failures are one line, and its schema's revision.

Methods may be called from any thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any, Final, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from energy.errors import InputError, NegawattError, UnavailableError
from ledger import migration
from ledger.address import address
from ledger.dialect import WRITES, Dialect, Patience
from ledger.tables import METADATA

#: How often a transaction is tried that fails for another's sake.
TRIES: Final = 4
#: How long one statement that changes the schema may take: an index on many million rows.
SCHEMA_SECONDS: Final = 3600.0
_Result = TypeVar("_Result")
_log = logging.getLogger(__name__)


class Database:
    """A database that can be reached; `open` is how to get one."""

    def __init__(self, dialect: Dialect, url: sa.URL, patience: Patience) -> None:
        self.dialect = dialect
        self.where = dialect.where(url)
        self._url, self._patience = url, patience
        self._errors: tuple[type[Exception], ...] = (SQLAlchemyError, OSError, *dialect.errors)
        self._engine = dialect.engine(url, patience)
        self._writing = self._engine.execution_options(**{WRITES: True})
        self._beginning = Lock()
        self._begin: Callable[[Database], None] | None = None

    @classmethod
    def open(
        cls,
        url: str,
        *,
        create: bool,
        patience: Patience,
        begin: Callable[[Database], None] = lambda _: None,
        password_file: Path | None = None,
        may_be_away: bool = False,
    ) -> Self:
        """Connect to the database that the URL names, and do what `begin` does to its schema.

        Where it `may_be_away` and does not answer now, both happen before the first transaction of
        a time when it does; until then every transaction raises `UnavailableError`.

        Raises `InputError` for a URL, password or database that cannot serve, `UnavailableError`
        for one that does not answer now.
        """
        dialect, parsed = address(url, password_file)
        dialect.prepare(parsed, create=create)
        opened = cls(dialect, parsed, patience)
        opened._begin = begin
        try:
            opened._ready()
        except UnavailableError as error:
            if not may_be_away:
                opened.close()
                raise
            _log.warning("the ledger begins as soon as its database serves: %s", error)
        except BaseException:
            opened.close()
            raise
        return opened

    def _ready(self) -> None:
        """See to it that the database can keep a ledger and has begun one.

        Raises `UnavailableError` also where another thread is at it for long: it may be changing
        the schema.
        """
        if not self._beginning.acquire(timeout=self._patience.busy_seconds):
            raise UnavailableError("it is being opened", where=self.where, mend="wait a little")
        try:
            if self._begin is None:
                return
            with self.explaining(opening=True):
                self.dialect.settle(self._engine, self.where, self._patience)
            self._begin(self)
            self._begin = None
        finally:
            self._beginning.release()

    @contextmanager
    def _serving(self) -> Iterator[None]:
        try:
            self._ready()
        except InputError as error:
            # To who writes all day it is one that does not serve yet: somebody may mend it.
            raise UnavailableError(error.what, where=error.where, mend=error.mend) from error
        with self.explaining():
            yield

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def rows(self, statement: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        """Return all rows of a question, in a transaction of its own."""
        with self._serving(), self._engine.begin() as connection:
            return connection.execute(statement).all()

    def serves(self) -> bool:
        """Whether a statement that needs no table is answered, on a connection that works."""
        try:
            self.rows(sa.select(sa.literal(1)))
        except NegawattError:
            return False
        return True

    def change(self, work: Callable[[sa.Connection], _Result]) -> _Result:
        """Do work in one transaction; again where it failed only for another transaction's sake.

        So `work` must begin anew each time it is called.
        """
        for left in reversed(range(TRIES)):
            try:
                with self._serving(), self._writing.begin() as connection:
                    return work(connection)
            except UnavailableError as error:
                if not left or not self.dialect.lost_a_race(error.__cause__):
                    raise
        raise AssertionError  # the last try returns or raises

    def revision(self) -> str | None:
        """Return the schema's revision, None where there is no ledger yet."""
        with self.explaining(opening=True), self._engine.begin() as connection:
            return migration.present(connection)

    def is_newest(self) -> bool:
        """Whether the schema is the one that this program writes.

        Raises `InputError` where a newer program wrote it.
        """
        with self.explaining(opening=True), self._engine.begin() as connection:
            migration.check_known(connection, self.where)
            return migration.is_newest(connection)

    def upgrade(self) -> None:
        """Bring the schema to the newest revision; whoever else means to is waited for."""
        with self._schema_turn() as connection:
            # Another process may have been faster.
            migration.check_known(connection, self.where)
            migration.upgrade(connection)

    def lost_by(self, revision: str) -> tuple[str, ...]:
        """Return what `downgrade` to a revision drops."""
        with self.explaining(opening=True), self._engine.begin() as connection:
            migration.check_known(connection, self.where)
            return migration.lost_by(connection, revision)

    def downgrade(self, revision: str) -> None:
        """Go back to a revision; `migration.NOTHING` drops the tables with all they hold."""
        with self._schema_turn() as connection:
            migration.check_known(connection, self.where)
            migration.downgrade(connection, revision)

    def require(self) -> None:
        """Raise `InputError` where the schema is not the newest, or there is none."""
        if self.is_newest():
            return
        present = self.revision()
        if present is None:
            raise InputError("no ledger there", where=self.where, mend="give the one in use")
        raise InputError(
            f"an older version of negawatt wrote this ledger (revision {present}, "
            f"needed is {migration.newest()})",
            where=self.where,
            mend="run `negawatt ledger migrate`",
        )

    def compact(self) -> None:
        """Give back or make usable again the space of rows that were deleted."""
        patience = replace(self._patience, answer_seconds=SCHEMA_SECONDS)
        engine = self.dialect.engine(self._url, patience)
        try:
            with self._serving():
                self.dialect.compact(engine, list(METADATA.tables))
        finally:
            engine.dispose()

    def size_bytes(self) -> int:
        """What the tables and their indices take."""
        with self._serving(), self._engine.begin() as connection:
            return self.dialect.size_bytes(connection, list(METADATA.tables))

    @contextmanager
    def _schema_turn(self) -> Iterator[sa.Connection]:
        patience = replace(self._patience, answer_seconds=SCHEMA_SECONDS)
        engine = self.dialect.engine(self._url, patience)
        try:
            writing = engine.execution_options(**{WRITES: True})
            with self.explaining(opening=True), writing.begin() as connection:
                self.dialect.take_turn(connection, patience)
                yield connection
        finally:
            engine.dispose()

    @contextmanager
    def explaining(self, *, opening: bool = False) -> Iterator[None]:
        """Turn what the driver raises into one line, where the database is at fault."""
        try:
            yield
        except NegawattError:
            raise
        except PoolTimeoutError as error:
            raise UnavailableError("all its connections are busy", where=self.where) from error
        except self._errors as error:
            explained = self.dialect.explained(error, self.where, opening=opening)
            if explained is None:
                raise
            raise explained from error
