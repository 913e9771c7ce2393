"""Which database a URL names, and the password that it may leave to a file.

A URL may hold a password, so no message repeats one that cannot be read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from energy.errors import InputError
from ledger.dialect import Dialect

SQLITE_URL: Final = "sqlite:////absolute/path/ledger.db"
_GIVE: Final = f"give {SQLITE_URL}, mariadb://user@host/database or postgresql://user@host/database"
#: What a person may write before `://`; the part after a `+` is the one driver that we use.
_SQLITE: Final = {"sqlite", "sqlite+pysqlite"}
_MARIADB: Final = {"mariadb", "mariadb+pymysql", "mysql", "mysql+pymysql"}
_POSTGRESQL: Final = {"postgres", "postgresql", "postgresql+psycopg"}


def address(text: str, password_file: Path | None = None) -> tuple[Dialect, sa.URL]:
    """Return the kind of database that a URL names, and the URL with driver and password.

    Raises:
        InputError: it is no URL of a database that we know, or the file has no password.
    """
    try:
        url = sa.make_url(text)
    except (ArgumentError, ValueError):
        raise InputError("no database URL", where="ledger", mend=_GIVE) from None
    if "@" in (url.host or "") or "@" in (url.database or ""):
        raise InputError(
            "no database URL: it has a second @",
            where="ledger",
            mend="write the password's signs as %40 (@), %2F (/), %3A (:), or use a password file",
        )
    dialect = _dialect(url.drivername)
    if password_file is not None:
        if url.password is not None:
            raise InputError("a password is in its URL too", where=str(password_file), mend="once")
        url = url.set(password=_password(password_file))
    return dialect, dialect.url_of(url)


def _dialect(name: str) -> Dialect:
    if name in _SQLITE:
        from ledger.sqlite import Sqlite

        return Sqlite()
    if name in _MARIADB:
        from ledger.mariadb import MariaDB

        return MariaDB()
    if name in _POSTGRESQL:
        from ledger.postgresql import PostgreSQL

        return PostgreSQL()
    raise InputError(f"no ledger in {name:.40}", where="ledger", mend=_GIVE)


def _password(file: Path) -> str:
    try:
        password = file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is no text"
        raise InputError(reason.lower(), where=str(file), mend="give a readable file") from None
    if not password or "\n" in password:
        raise InputError("is not one line", where=str(file), mend="write the password into it")
    return password
