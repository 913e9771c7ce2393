"""Everything that is SQLite's own: the engine, its transactions, its errors, its INSERT.

No other module knows a database by name. WAL lets readers read while one writes; with
`synchronous = NORMAL` a killed process loses nothing that was committed, and a power cut may lose
the last commits but damages nothing (https://www.sqlite.org/wal.html).
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DBAPIError

from energy.errors import InputError, NegawattError, UnavailableError

#: An execution option: the transaction means to write, so it waits for its turn at the start. One
#: that began by reading could only fail when it comes to write.
WRITES: Final = "negawatt_writes"
GIVE_A_FILE: Final = "give sqlite:////absolute/path/ledger.db"
#: What a connection raises where SQLAlchemy does not wrap it.
ERRORS: Final = (sqlite3.Error,)
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


def file_of(url: sa.URL) -> Path:
    """Return the file that a URL names; raise `InputError` where it names none."""
    if url.database in {None, "", ":memory:"} or url.query:
        raise InputError(
            "names no file, and a ledger in memory would be lost",
            where=url.render_as_string(hide_password=True),
            mend=GIVE_A_FILE,
        )
    return Path(str(url.database)).absolute()


def engine_of(file: Path, busy_seconds: float) -> sa.Engine:
    """Return an engine whose transactions are SQLite's own; nothing is opened yet."""
    url = sa.URL.create("sqlite", database=str(file))
    engine = sa.create_engine(
        url, connect_args={"timeout": busy_seconds}, json_serializer=_compact_json
    )
    sa.event.listen(engine, "connect", _settle)
    sa.event.listen(engine, "begin", _begin)
    return engine


def _compact_json(value: object) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def _settle(connection: sqlite3.Connection, _: object) -> None:
    # Python's driver would begin and commit by itself, and leave DDL out of transactions.
    connection.isolation_level = None
    connection.execute("PRAGMA synchronous = NORMAL")


def _begin(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def use_write_ahead_log(engine: sa.Engine, busy_seconds: float) -> None:
    """Turn the file to WAL, which it remembers.

    SQLite does not wait for a lock here, so when several processes begin a ledger together, all
    but one must try again.
    """
    deadline = time.monotonic() + busy_seconds
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


def insert_missing(table: sa.Table, key: str) -> sa.Insert:
    """Return the INSERT that leaves a row alone whose `key` is there already."""
    return insert(table).on_conflict_do_nothing(index_elements=[key])


def explained(error: Exception, where: str, *, opening: bool = False) -> NegawattError | None:
    """Say in one line what the file or its disk lacks; None where they are not at fault.

    A file that cannot serve is bad input to whoever opens it; one that served before and no longer
    does has become unavailable.
    """
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


def _code(error: Any) -> int:  # noqa: ANN401 - any exception, most have no code
    """Return SQLite's primary result code: the low byte of the extended one."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
