"""What Alembic runs: the migrations, on the connection that `ledger.migration` hands over.

A new revision is a new file in versions/, written by hand; a test compares what all of them build
with ledger/tables.py.
"""

from __future__ import annotations

from alembic import context

from ledger.tables import METADATA, VERSION_TABLE

_given = context.config.attributes
context.configure(
    connection=_given["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
    # SQLite cannot alter most of a table: Alembic copies it instead, where it must.
    render_as_batch=True,
    transactional_ddl=_given["steps"] is None,
    steps=_given["steps"],
)
with context.begin_transaction():
    context.run_migrations()
