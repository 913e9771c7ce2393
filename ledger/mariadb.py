"""Everything that is MariaDB's and MySQL's own: the engine, its sessions, its errors, its INSERT.

Both are spoken to by PyMySQL under SQLAlchemy's name `mysql`, whichever the URL says; where they
differ, the server is asked. A session is strict (what does not fit is refused, not cut) and reads
what is committed. Tables come from `ledger.mariadb_schema`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any, Final

import pymysql
import sqlalchemy as sa
from pymysql.constants import CR, ER
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.exc import DBAPIError

from energy.errors import InputError, NegawattError, UnavailableError
from ledger.dialect import Changes, ConnectionLostError, Patience
from ledger.server import GRACE_SECONDS, SCHEMA_RIGHTS, server_engine, server_url, where_of

SCHEME: Final = "mariadb"
_QUERY: Final = frozenset(
    {"ssl_ca", "ssl_capath", "ssl_cert", "ssl_check_hostname", "ssl_key", "unix_socket"}
)
#: What does not fit is refused, and so is another engine than the one that is asked for. A
#: backslash is itself, as in the SQL standard: PyMySQL then has so much less to quote that writing
#: takes a quarter less of our CPU.
_SQL_MODE: Final = (
    "STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,"
    "NO_ENGINE_SUBSTITUTION,NO_BACKSLASH_ESCAPES"
)
#: Numbers of MariaDB's and MySQL's that PyMySQL has no name for.
_STATEMENT_TIMEOUT, _MYSQL_TIMEOUT, _KILLED, _READ_ONLY_MODE = 1969, 3024, 1927, 1836
_PLUGIN_DENIED, _RECORD_CHANGED, _TLS_REQUIRED, _HOST_DENIED = 1698, 1020, 3159, 1130
_READ_ONLY_TRANSACTION: Final = 1792

_LOST: Final = {
    CR.CR_SERVER_GONE_ERROR,
    CR.CR_SERVER_LOST,
    CR.CR_SERVER_LOST_EXTENDED,
    ER.SERVER_SHUTDOWN,
    ER.NORMAL_SHUTDOWN,
    _KILLED,
    0,
}
_REFUSED: Final = {
    ER.ACCESS_DENIED_ERROR: ("refuses the user or password", "correct them"),
    _PLUGIN_DENIED: ("refuses the user or password", "correct them"),
    _HOST_DENIED: ("refuses this host", "create the user for it"),
    _TLS_REQUIRED: ("wants TLS", "add ?ssl_ca=FILE to the URL"),
    ER.BAD_DB_ERROR: ("has no such database", "CREATE DATABASE, or correct the name"),
    # So it speaks of a database that is not there, too, lest a stranger learn its name.
    ER.DBACCESS_DENIED_ERROR: ("has no such database for this user", SCHEMA_RIGHTS),
    ER.TABLEACCESS_DENIED_ERROR: ("the user lacks a right", SCHEMA_RIGHTS),
    ER.COLUMNACCESS_DENIED_ERROR: ("the user lacks a right", SCHEMA_RIGHTS),
    ER.SPECIFIC_ACCESS_DENIED_ERROR: ("the user lacks a right", SCHEMA_RIGHTS),
    ER.OPTION_PREVENTS_STATEMENT: ("is read-only", "give the server that is written to"),
    _READ_ONLY_TRANSACTION: ("is read-only", "allow the user to write"),
    _READ_ONLY_MODE: ("is read-only", "give the server that is written to"),
}
_LACK: Final = {
    ER.DISK_FULL: ("no space is left on its disk", "free some"),
    ER.RECORD_FILE_FULL: ("no space is left on its disk", "free some"),
    ER.CON_COUNT_ERROR: ("has too many connections", "raise max_connections or wait"),
    ER.TOO_MANY_USER_CONNECTIONS: ("has too many connections of this user", "raise its limit"),
    ER.USER_LIMIT_REACHED: ("has too many connections of this user", "raise its limit"),
    ER.LOCK_WAIT_TIMEOUT: ("another connection keeps it locked", "wait"),
    ER.LOCK_DEADLOCK: ("another transaction was in the way", "try again"),
    _RECORD_CHANGED: ("another transaction was in the way", "try again"),
    _STATEMENT_TIMEOUT: ("a statement took too long", "see what keeps the server busy"),
    _MYSQL_TIMEOUT: ("a statement took too long", "see what keeps the server busy"),
    ER.QUERY_INTERRUPTED: ("a statement was ended by somebody", "try again"),
}
#: What is wrong with a row, in numbers that PyMySQL takes for the server's own trouble: values that
#: do not fit, NULL, no JSON, a check of ours, more than `max_allowed_packet`.
_OF_A_ROW: Final = frozenset({1048, 1153, 1264, 1265, 1292, 1364, 1366, 1406, 3140, 3819, 4025})
_RACES: Final = {ER.LOCK_DEADLOCK, _RECORD_CHANGED}


class MariaDB:
    """MariaDB's and MySQL's answers to `ledger.dialect.Dialect`."""

    errors: tuple[type[Exception], ...] = (pymysql.Error,)

    def url_of(self, url: sa.URL) -> sa.URL:
        """Return the URL for PyMySQL; of the query only TLS and a socket."""
        checked = server_url(url, SCHEME, _QUERY, socket="unix_socket")
        return checked.set(drivername="mysql+pymysql")

    def where(self, url: sa.URL) -> str:
        """Return scheme, user, host and database."""
        return where_of(url, SCHEME)

    def prepare(self, url: sa.URL, *, create: bool) -> None:
        """Do nothing: a server's database is made by whoever runs the server."""

    def engine(self, url: sa.URL, patience: Patience) -> sa.Engine:
        """Return an engine of strict sessions that gives up by itself where the server hangs."""
        engine = server_engine(
            url,
            patience,
            {
                "charset": "utf8mb4",
                "sql_mode": _SQL_MODE,
                "connect_timeout": patience.connect_seconds,
                # Until the server has let us in; then `settle` below gives statements their time.
                "read_timeout": patience.connect_seconds,
                "write_timeout": patience.answer_seconds + GRACE_SECONDS,
            },
        )

        def settle(connection: Any, _: object) -> None:  # noqa: ANN401 - PyMySQL's, untyped
            connection._read_timeout = patience.answer_seconds + GRACE_SECONDS  # noqa: SLF001
            with connection.cursor() as cursor:
                cursor.execute(_limits(patience, is_mariadb="MariaDB" in connection.server_version))

        sa.event.listen(engine, "connect", settle)
        return engine

    def settle(self, engine: sa.Engine, where: str, patience: Patience) -> None:  # noqa: ARG002
        """Connect."""
        with engine.connect():
            pass

    def take_turn(self, connection: sa.Connection, patience: Patience) -> None:
        """Take the server's named lock for this database; it ends with the connection."""
        name = sa.func.concat("negawatt_", sa.func.sha1(sa.func.database()))
        seconds = max(1, ceil(patience.busy_seconds))
        if connection.scalar(sa.select(sa.func.get_lock(name, seconds))) != 1:
            raise UnavailableError(
                "another process changes its schema",
                where=self.where(connection.engine.url),
                mend="wait until it is done",
            )

    def insert_missing(self, table: sa.Table, key: str) -> sa.Insert:
        """Return INSERT … ON DUPLICATE KEY UPDATE of nothing.

        INSERT IGNORE would also cut what does not fit.
        """
        return insert(table).on_duplicate_key_update({key: table.c[key]})

    def insert_or_change(self, table: sa.Table, keys: Sequence[str], values: Changes) -> sa.Insert:  # noqa: ARG002 - any key of the table counts
        """Return INSERT … ON DUPLICATE KEY UPDATE."""
        new = insert(table)
        return new.on_duplicate_key_update(dict(values(new.inserted)))

    def compact(self, engine: sa.Engine, tables: Sequence[str]) -> None:
        """Make the tables anew without what is free; writers wait for a moment."""
        with engine.begin() as connection:
            for table in tables:
                connection.exec_driver_sql(f"OPTIMIZE TABLE {table}").all()

    def size_bytes(self, connection: sa.Connection, tables: Sequence[str]) -> int:
        """Return what the server estimates."""
        columns = ("table_schema", "table_name", "data_length", "index_length", "data_free")
        about = sa.table("tables", *map(sa.column, columns), schema="information_schema")
        size = sa.func.sum(about.c.data_length + about.c.index_length + about.c.data_free)
        ours = (about.c.table_schema == sa.func.database(), about.c.table_name.in_(tables))
        return int(connection.scalar(sa.select(size).where(*ours)) or 0)

    def explained(
        self, error: Exception, where: str, *, opening: bool = False
    ) -> NegawattError | None:
        """Say what the server lacks or refuses."""
        cause = error.orig if isinstance(error, DBAPIError) else error
        kind = InputError if opening else UnavailableError
        if isinstance(cause, OSError):  # a file of the URL's, or our own process lacks something
            return kind(f"{cause}", where=where, mend="correct the files in the URL")
        code = _code(cause)
        if code in _REFUSED or code in _LACK:
            what, mend = _REFUSED.get(code) or _LACK[code]
            return (kind if code in _REFUSED else UnavailableError)(what, where=where, mend=mend)
        if code == CR.CR_CONN_HOST_ERROR:
            return _unreachable(cause, where)
        if code in _LOST or isinstance(cause, pymysql.InternalError):
            return ConnectionLostError("the connection was lost", where=where, mend="try again")
        is_told = isinstance(cause, pymysql.OperationalError | pymysql.ProgrammingError)
        if cause is None or code in _OF_A_ROW or not is_told:
            return None
        return kind(f"{cause.args[-1]}", where=where)

    def lost_a_race(self, error: BaseException | None) -> bool:
        """Whether it is a deadlock: the server undid one of two transactions."""
        return isinstance(error, DBAPIError) and _code(error.orig) in _RACES


def _limits(patience: Patience, *, is_mariadb: bool) -> str:
    """Return the statement that bounds what a session waits for."""
    lock_seconds = max(1, ceil(patience.busy_seconds))
    settings = {"innodb_lock_wait_timeout": lock_seconds, "lock_wait_timeout": lock_seconds}
    if is_mariadb:
        settings["max_statement_time"] = ceil(patience.answer_seconds)
    else:
        settings["max_execution_time"] = ceil(1000 * patience.answer_seconds)
    return "SET SESSION " + ", ".join(f"{name} = {value}" for name, value in settings.items())


def _unreachable(cause: Any, where: str) -> NegawattError:  # noqa: ANN401 - PyMySQL's error
    below = getattr(cause, "original_exception", None)
    reason = getattr(below, "strerror", None) or str(below or cause)
    return UnavailableError(
        f"cannot be reached: {reason}", where=where, mend="start it, or correct host and port"
    )


def _code(error: Any) -> int:  # noqa: ANN401 - any exception, most have no number
    """Return the server's or the driver's number; -1 where there is none."""
    number = error.args[0] if isinstance(error, pymysql.Error) and error.args else None
    return number if isinstance(number, int) else -1
