"""Everything that is PostgreSQL's own: the engine, its sessions, its errors, its INSERT."""

from __future__ import annotations

import time
from collections.abc import Sequence
from math import ceil
from typing import Any, Final, TypeVar

import psycopg
import sqlalchemy as sa
from psycopg.abc import PQGen
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from typing_extensions import override

from energy.errors import InputError, NegawattError, UnavailableError
from ledger.dialect import Changes, ConnectionLostError, Patience
from ledger.server import GRACE_SECONDS, SCHEMA_RIGHTS, server_engine, server_url, where_of

SCHEME: Final = "postgresql"
_QUERY: Final = frozenset(
    {"channel_binding", "gssencmode", "host", "sslcert", "sslcrl", "sslkey", "sslmode"}
    | {"sslrootcert", "target_session_attrs"}
)
#: Any number that no other program takes for its lock in the same database.
_SCHEMA_LOCK: Final = 0x6E6567617761747
_WAIT_SECONDS: Final = 0.1
_Result = TypeVar("_Result")

_BUSY: Final = ("another connection keeps it locked", "wait")
_TOO_MANY: Final = ("has too many connections", "raise max_connections or wait")
_RACE: Final = ("another transaction was in the way", "try again")
_REFUSED: Final = {
    "28000": ("refuses the user or password", "correct them"),
    "28P01": ("refuses the user or password", "correct them"),
    "3D000": ("has no such database", "CREATE DATABASE, or correct the name"),
    "3F000": ("has no schema to make tables in", "set the user's search_path"),
    "42501": ("the user lacks a right", SCHEMA_RIGHTS),
    "25006": ("is read-only", "give the server that is written to"),
}
_LACK: Final = {
    "53100": ("no space is left on its disk", "free some"),
    "53200": ("has no memory left", "give it more"),
    "53300": _TOO_MANY,
    "55P03": _BUSY,
    "40001": _RACE,
    "40P01": _RACE,
    "57014": ("a statement took too long", "see what keeps the server busy"),
    "57P03": ("is starting up or shutting down", "wait"),
    "58030": ("its disk cannot be read or written", "check the disk"),
}
#: While connecting the driver has no code, but the server's words; in other languages they are
#: passed on as they are.
_SAID: Final = {
    "password authentication failed": "28P01",
    "no password supplied": "28P01",
    "no pg_hba.conf entry": "28000",
    "role ": "28000",
    "permission denied": "42501",
    "too many c": "53300",
    "remaining connection slots": "53300",
    "the database system is": "57P03",
    "does not exist": "3D000",
}
_OF_THE_CONNECTION: Final = (psycopg.OperationalError, psycopg.InterfaceError)
#: libpq's words for whatever is wrong with TLS.
_OF_TLS: Final = ("SSL", "certificate")
_RACES: Final = {"40001", "40P01"}


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that is closed where the server does not answer in time.

    The server's own limit ends a statement that takes long; this one a server that hangs, or a
    network that swallows all.
    """

    answer_seconds: float = 60.0

    @override
    def wait(
        self, gen: PQGen[_Result], interval: float = _WAIT_SECONDS, timeout: float | None = None
    ) -> _Result:
        if timeout is not None:  # psycopg bounds some of its own waits
            return super().wait(gen, interval, timeout)
        return super().wait(self._in_time(gen), interval)

    def _in_time(self, steps: PQGen[_Result]) -> PQGen[_Result]:
        deadline = time.monotonic() + self.answer_seconds
        try:
            wanted = next(steps)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() > deadline:
                    self.pgconn.finish()
                    raise psycopg.OperationalError("no answer in time")
                wanted = steps.send(ready)
        except StopIteration as end:
            result: _Result = end.value
            return result


class PostgreSQL:
    """PostgreSQL's answers to `ledger.dialect.Dialect`."""

    errors: tuple[type[Exception], ...] = (psycopg.Error,)

    def url_of(self, url: sa.URL) -> sa.URL:
        """Return the URL for psycopg; of the query only TLS, a socket and which of two servers."""
        checked = server_url(url, SCHEME, _QUERY, socket="host")
        return checked.set(drivername="postgresql+psycopg")

    def where(self, url: sa.URL) -> str:
        """Return scheme, user, host and database."""
        return where_of(url, SCHEME)

    def prepare(self, url: sa.URL, *, create: bool) -> None:
        """Do nothing: a server's database is made by whoever runs the server."""

    def engine(self, url: sa.URL, patience: Patience) -> sa.Engine:
        """Return an engine that gives up by itself where the server hangs."""
        engine = server_engine(
            url,
            patience,
            {
                "application_name": "negawatt-ledger",
                "client_encoding": "utf8",
                "connect_timeout": ceil(patience.connect_seconds),
            },
        )

        def connect(_: object, __: object, words: Any, options: Any) -> BoundedConnection:  # noqa: ANN401
            made = BoundedConnection.connect(*words, **options)
            made.answer_seconds = patience.answer_seconds + GRACE_SECONDS
            with made.transaction():
                made.execute(_LIMITS, _limits(patience))
            return made

        sa.event.listen(engine, "do_connect", connect)
        return engine

    def settle(self, engine: sa.Engine, where: str, patience: Patience) -> None:  # noqa: ARG002
        """Connect, and see that every text fits."""
        with engine.connect() as connection:
            encoding = connection.scalar(sa.text("SHOW server_encoding"))
        if encoding != "UTF8":
            raise InputError(
                f"its encoding is {encoding}",
                where=where,
                mend="CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
            )

    def take_turn(self, connection: sa.Connection, patience: Patience) -> None:  # noqa: ARG002
        """Take the database's advisory lock; it ends with the transaction."""
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SCHEMA_LOCK)))

    def insert_missing(self, table: sa.Table, key: str) -> sa.Insert:
        """Return INSERT … ON CONFLICT DO NOTHING."""
        return insert(table).on_conflict_do_nothing(index_elements=[key])

    def insert_or_change(self, table: sa.Table, keys: Sequence[str], values: Changes) -> sa.Insert:
        """Return INSERT … ON CONFLICT DO UPDATE."""
        new = insert(table)
        return new.on_conflict_do_update(index_elements=keys, set_=values(new.excluded))

    def compact(self, engine: sa.Engine, tables: Sequence[str]) -> None:
        """Make the space usable again; nobody waits (VACUUM FULL, which gives it back, locks)."""
        with engine.connect() as plain:
            connection = plain.execution_options(isolation_level="AUTOCOMMIT")
            for table in tables:
                connection.exec_driver_sql(f"VACUUM (ANALYZE) {table}")

    def size_bytes(self, connection: sa.Connection, tables: Sequence[str]) -> int:
        """Return what the server counts."""
        sizes = (sa.func.pg_total_relation_size(sa.func.to_regclass(table)) for table in tables)
        return sum(connection.execute(sa.select(*sizes)).one())

    def explained(
        self, error: Exception, where: str, *, opening: bool = False
    ) -> NegawattError | None:
        """Say what the server lacks or refuses."""
        cause = error.orig if isinstance(error, DBAPIError) else error
        kind = InputError if opening else UnavailableError
        if not isinstance(cause, psycopg.Error):
            return kind(f"{cause}", where=where) if isinstance(cause, OSError) else None
        said = " ".join(str(cause).split())
        code = cause.sqlstate or _code_said(said)
        if code in _REFUSED:
            what, mend = _REFUSED[code]
            return kind(what, where=where, mend=mend)
        if code in _LACK:
            what, mend = _LACK[code]
            return UnavailableError(what, where=where, mend=mend)
        if cause.sqlstate is None and isinstance(cause, _OF_THE_CONNECTION):
            return _without_code(said, where, kind)
        if isinstance(cause, psycopg.OperationalError):
            return UnavailableError(said, where=where)
        return kind(said, where=where) if isinstance(cause, psycopg.ProgrammingError) else None

    def lost_a_race(self, error: BaseException | None) -> bool:
        """Whether it is a deadlock or a failed serialisation."""
        cause = error.orig if isinstance(error, DBAPIError) else None
        return isinstance(cause, psycopg.Error) and cause.sqlstate in _RACES


_LIMITS: Final = (
    "SELECT set_config('statement_timeout', %(statement)s, false),"
    " set_config('lock_timeout', %(lock)s, false)"
)


def _limits(patience: Patience) -> dict[str, str]:
    """Return what bounds a session, in milliseconds."""
    return {
        "statement": f"{ceil(1000 * patience.answer_seconds)}",
        "lock": f"{max(1, ceil(1000 * patience.busy_seconds))}",
    }


def _server_words(said: str) -> str:
    """Return what the server said last, or the reason why it said nothing."""
    said = said.partition(" Is the server running")[0]  # a question that the mend answers
    for before in ("FATAL: ", "failed: "):
        if before in said:
            return said.rpartition(before)[2].strip()
    return said


def _code_said(said: str) -> str | None:
    words = _server_words(said) if "FATAL: " in said else ""
    return next((code for start, code in _SAID.items() if start in words), None)


def _without_code(
    said: str, where: str, kind: type[InputError | UnavailableError]
) -> NegawattError:
    """Say why there is no connection, or no longer one."""
    if "no password supplied" in said:
        return kind(
            "asks for a password", where=where, mend="name its file with --ledger-password-file"
        )
    if "connection failed" in said or "connection timeout" in said or "resolve" in said:
        words = _server_words(said)
        mend = "start it, or correct host and port"
        if any(word in words for word in _OF_TLS):
            mend = "let it offer TLS, or correct sslmode and the certificates"
        return UnavailableError(f"cannot be reached: {words}", where=where, mend=mend)
    return ConnectionLostError("the connection was lost", where=where, mend="try again")
