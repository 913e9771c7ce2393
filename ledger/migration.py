"""The schema's revisions: which one a database has, which one we know, and the way between.

All run inside the transaction of the connection they are given, so a schema changes as a whole or
not at all.
"""

from __future__ import annotations

from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection

from energy.errors import InputError
from ledger.tables import VERSION_TABLE

NOTHING: Final = "base"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "ledger:migrations")
    config.set_main_option("path_separator", "os")
    return config


def newest() -> str | None:
    """Return the revision that this version of the program writes."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def present(connection: Connection) -> str | None:
    """Return the database's revision; None where it has no ledger yet."""
    options = {"version_table": VERSION_TABLE}
    return MigrationContext.configure(connection, opts=options).get_current_revision()


def is_newest(connection: Connection) -> bool:
    """Whether the schema is whole and the newest that we know."""
    return present(connection) == newest()


def check_known(connection: Connection, where: str) -> None:
    """Raise `InputError` where the database's revision is none of ours: a newer program's."""
    revision = present(connection)
    if revision is None:
        return
    try:
        ScriptDirectory.from_config(_config()).get_revision(revision)
    except CommandError:
        raise InputError(
            f"a newer version of negawatt wrote this ledger (revision {revision}, "
            f"known is up to {newest()})",
            where=where,
            mend="use that version, or give another ledger",
        ) from None


def upgrade(connection: Connection) -> None:
    """Bring the schema to the newest revision; nothing happens where it is there already."""
    command.upgrade(_with(connection), "head")


def downgrade(connection: Connection, revision: str = NOTHING) -> None:
    """Go back to a revision; `NOTHING` drops the tables with all they hold."""
    command.downgrade(_with(connection), revision)


def _with(connection: Connection) -> Config:
    config = _config()
    config.attributes["connection"] = connection
    return config
