"""Everything that is SQLite's own: the engine, its transactions, its errors, its INSERT.

WAL lets readers read while one writes; with `synchronous = NORMAL` a killed process loses nothing
that was committed, and a power cut may lose the last commits but damages nothing
(https://www.sqlite.org/wal.html).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DBAPIError

from energy.errors import InputError, NegawattError, UnavailableError
from ledger.dialect import WRITES, Changes, Patience, compact_json

GIVE_A_FILE: Final = "give sqlite:////absolute/path/ledger.db"
_RETRY_SECONDS: Final = 0.05

_BAD_FILE: Final = {
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened or created", "give a file in a writable folder"),
    sqlite3.SQLITE_READONLY: ("cannot be written", "give a file in a writable folder"),
    sqlite3.SQLITE_PERM: ("cannot be written", "give a file in a writable folder"),
    sqlite3.SQLITE_NOTADB: ("is no SQLite database", "give another file"),
    sqlite3.SQLITE_CORRUPT: (
        "is damaged",
        "move it away (a new one is begun), `sqlite3 FILE .recover` may save its rows",
    ),
}
_LACK: Final = {
    sqlite3.SQLITE_BUSY: ("another process keeps it locked", "end that process or wait"),
    sqlite3.SQLITE_LOCKED: ("another connection keeps it locked", "wait"),
    sqlite3.SQLITE_FULL: ("no space is left on its disk", "free some"),
    sqlite3.SQLITE_IOERR: ("its disk cannot be read or written", "check the disk"),
}


class Sqlite:
    """SQLite's answers to `ledger.dialect.Dialect`."""

    errors: tuple[type[Exception], ...] = (sqlite3.Error,)

    def url_of(self, url: sa.URL) -> sa.URL:
        """Return the URL of the file by its whole path."""
        return sa.URL.create("sqlite", database=str(_file_of(url)))

    def where(self, url: sa.URL) -> str:
        """Return the file."""
        return str(url.database)

    def prepare(self, url: sa.URL, *, create: bool) -> None:
        """Make the file's folder."""
        file = _file_of(url)
        if file.is_dir():
            raise InputError("is a folder", where=str(file), mend="give a file")
        if not create and not file.exists():
            raise InputError("no ledger there", where=str(file), mend="give the one in use")
        try:
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            reason = (error.strerror or "cannot be made").lower()
            mend = "give a writable folder"
            raise InputError(reason, where=str(file.parent), mend=mend) from None

    def engine(self, url: sa.URL, patience: Patience) -> sa.Engine:
        """Return an engine whose transactions are SQLite's own.

        A statement on a file takes the time that it takes: only `busy_seconds` counts here.
        """
        engine = sa.create_engine(
            url, connect_args={"timeout": patience.busy_seconds}, json_serializer=compact_json
        )
        sa.event.listen(engine, "connect", _settle)
        sa.event.listen(engine, "begin", _begin)
        return engine

    def settle(self, engine: sa.Engine, where: str, patience: Patience) -> None:  # noqa: ARG002
        """Turn the file to WAL, which it remembers.

        SQLite does not wait for a lock here, so when several processes begin a ledger together, all
        but one must try again.
        """
        deadline = time.monotonic() + patience.busy_seconds
        connection = engine.raw_connection()
        try:
            while True:
                try:
                    connection.cursor().execute("PRAGMA journal_mode = WAL")
                except sqlite3.OperationalError as error:
                    if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                        raise
                    time.sleep(_RETRY_SECONDS)
                else:
                    return
        finally:
            connection.close()

    def take_turn(self, connection: sa.Connection, patience: Patience) -> None:
        """Do nothing: a transaction that means to write is alone already."""

    def insert_missing(self, table: sa.Table, key: str) -> sa.Insert:
        """Return INSERT … ON CONFLICT DO NOTHING."""
        return insert(table).on_conflict_do_nothing(index_elements=[key])

    def insert_or_change(self, table: sa.Table, keys: Sequence[str], values: Changes) -> sa.Insert:
        """Return INSERT … ON CONFLICT DO UPDATE."""
        new = insert(table)
        return new.on_conflict_do_update(index_elements=keys, set_=values(new.excluded))

    def compact(self, engine: sa.Engine, tables: Sequence[str]) -> None:  # noqa: ARG002 - the file
        """Write the file anew without what is free; others wait meanwhile."""
        connection = engine.raw_connection()
        try:
            connection.cursor().execute("VACUUM")
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()

    def size_bytes(self, connection: sa.Connection, tables: Sequence[str]) -> int:  # noqa: ARG002
        """Return the size of the file, without its log."""
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        return int(pages * connection.exec_driver_sql("PRAGMA page_size").scalar_one())

    def explained(
        self, error: Exception, where: str, *, opening: bool = False
    ) -> NegawattError | None:
        """Say what the file or its disk lacks."""
        cause = error.orig if isinstance(error, DBAPIError) else error
        code = _code(cause)
        kind: Callable[..., NegawattError] = InputError if opening else UnavailableError
        if code in _BAD_FILE:
            what, mend = _BAD_FILE[code]
            return kind(what, where=where, mend=mend)
        if code in _LACK:
            what, mend = _LACK[code]
            return UnavailableError(what, where=where, mend=mend)
        if isinstance(cause, sqlite3.OperationalError):
            return kind(f"{cause}", where=where)
        return None

    def lost_a_race(self, error: BaseException | None) -> bool:  # noqa: ARG002
        """Say no: who waits for SQLite's one lock has waited long enough."""
        return False


def _file_of(url: sa.URL) -> Path:
    if url.database in {None, "", ":memory:"} or url.query:
        raise InputError(
            "names no file, and a ledger in memory would be lost",
            where=url.render_as_string(hide_password=True),
            mend=GIVE_A_FILE,
        )
    return Path(str(url.database)).absolute()


def _settle(connection: sqlite3.Connection, _: object) -> None:
    # Python's driver would begin and commit by itself, and leave DDL out of transactions.
    connection.isolation_level = None
    connection.execute("PRAGMA synchronous = NORMAL")


def _begin(connection: sa.Connection) -> None:
    # One that began by reading could only fail when it comes to write.
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _code(error: Any) -> int:  # noqa: ANN401 - any exception, most have no code
    """Return SQLite's primary result code: the low byte of the extended one."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
