"""The schema's revisions: which one a database has, which one we know, and the way between.

On SQLite and PostgreSQL a change runs inside the transaction of the connection that it is given, so
the schema changes as a whole or not at all. MariaDB and MySQL commit every statement: there a
change that was interrupted is first finished as it was begun (`ledger.mariadb_schema`). Nobody else
may change the schema meanwhile; `ledger.database.Database` sees to that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection

from energy.errors import InputError
from ledger import mariadb_schema
from ledger.change import Change
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
    return present(connection) == newest() and _unfinished(connection) is None


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
    _change(connection, Change("upgrade", newest() or NOTHING))


def downgrade(connection: Connection, revision: str = NOTHING) -> None:
    """Go back to a revision; `NOTHING` drops the tables with all they hold.

    Raises `InputError` where there is no such revision, or the schema is older.
    """
    behind = _behind(connection)
    _require_behind(revision, [script.revision for script in behind])
    _change(connection, Change("downgrade", revision))


def lost_by(connection: Connection, revision: str) -> tuple[str, ...]:
    """Return what going back to a revision drops, newest first: from the migrations' `LOSES`.

    Raises `InputError` where no such revision lies behind the schema.
    """
    newer = _behind(connection)
    revisions = [script.revision for script in newer]
    _require_behind(revision, revisions)
    kept = revisions.index(revision) if revision in revisions else len(revisions)
    return tuple(script.module.LOSES for script in newer[:kept])


def _behind(connection: Connection) -> list[Script]:
    """The migrations that the schema has been through, newest first; none before the first."""
    if (now := present(connection)) is None:
        return []
    return list(ScriptDirectory.from_config(_config()).walk_revisions(head=now))


def _require_behind(revision: str, behind: Sequence[str]) -> None:
    if revision not in {NOTHING, *behind}:
        raise InputError(
            f"no revision {revision:.40} lies behind this ledger's",
            mend=f"give one of {', '.join(sorted({NOTHING, *behind}))}",
        )


def _change(connection: Connection, change: Change) -> None:
    begun = _unfinished(connection)
    if begun is not None:
        _run(connection, begun.change, begun)
    _run(connection, change)


def _run(
    connection: Connection, change: Change, begun: mariadb_schema.Unfinished | None = None
) -> None:
    config = _config()
    config.attributes["connection"] = connection
    is_stepwise = _is_stepwise(connection)
    steps = mariadb_schema.Steps(change, present(connection), begun) if is_stepwise else None
    config.attributes["steps"] = steps
    run = command.upgrade if change.direction == "upgrade" else command.downgrade
    run(config, change.target)
    if is_stepwise:
        mariadb_schema.end(connection)


def _unfinished(connection: Connection) -> mariadb_schema.Unfinished | None:
    return mariadb_schema.unfinished(connection) if _is_stepwise(connection) else None


def _is_stepwise(connection: Connection) -> bool:
    return connection.dialect.name == mariadb_schema.ResumableImpl.__dialect__
