"""What MariaDB and PostgreSQL share as servers: which URLs they take, and how these are shown."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from energy.errors import InputError
from ledger.dialect import Patience, compact_json

#: How much longer than the server's own limit for a statement we wait for its answer.
GRACE_SECONDS: Final = 5.0
#: Connections are made anew after this time; many a firewall forgets older ones.
RECYCLE_SECONDS: Final = 1800.0
_FILES: Final = frozenset({"ssl_ca", "ssl_cert", "ssl_key"} | {"sslrootcert", "sslcert", "sslkey"})
#: PostgreSQL's word for the certificates that the system trusts.
_TRUSTED_BY_SYSTEM: Final = "system"
SCHEMA_RIGHTS: Final = "grant it all rights to this database"


def server_url(url: sa.URL, scheme: str, known: Collection[str], *, socket: str) -> sa.URL:
    """Return the URL where it names a server's database and asks for nothing unknown.

    `socket` is the part of the query that may stand for the host. Raises `InputError`.
    """
    give = f"give {scheme}://user@host/database"
    if not url.database:
        raise InputError("names no database", where=where_of(url, scheme), mend=give)
    if not url.host and socket not in url.query:
        raise InputError("names no host", where=where_of(url, scheme), mend=give)
    for name, value in url.query.items():
        # A value may be secret, so only the name is told.
        if name not in known:
            raise InputError(
                f"knows no {name:.40} in the URL",
                where=where_of(url, scheme),
                mend=f"known are {', '.join(sorted(known))}; a password has a file of its own",
            )
        if not isinstance(value, str):
            raise InputError(f"has {name} twice in the URL", where=where_of(url, scheme))
        if name in _FILES and value != _TRUSTED_BY_SYSTEM and not Path(value).is_file():
            raise InputError(
                f"no file {value} for {name}",
                where=where_of(url, scheme),
                mend="name one that is there",
            )
    return url


def server_engine(url: sa.URL, patience: Patience, connect_args: Mapping[str, object]) -> sa.Engine:
    """Return an engine whose connections are tried before use, and renewed."""
    return sa.create_engine(
        url,
        connect_args=dict(connect_args),
        isolation_level="READ COMMITTED",
        json_serializer=compact_json,
        pool_pre_ping=True,
        pool_recycle=RECYCLE_SECONDS,
        pool_timeout=patience.answer_seconds,
    )


def where_of(url: sa.URL, scheme: str) -> str:
    """Return scheme, user, host, port and database: no password, nothing of the query."""
    shown = sa.URL.create(
        scheme, username=url.username, host=url.host, port=url.port, database=url.database
    )
    return shown.render_as_string(hide_password=True)
