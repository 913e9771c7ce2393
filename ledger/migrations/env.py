"""What Alembic runs: the migrations, on the connection that `ledger.migration` hands over.

A new revision is a new file in versions/, written by hand; a test compares what all of them build
with ledger/tables.py.
"""

from __future__ import annotations

from alembic import context

from ledger.tables import METADATA, VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
    # SQLite cannot alter most of a table: Alembic copies it instead, where it must.
    render_as_batch=True,
    # Alembic takes SQLite for a database whose DDL escapes transactions: that was Python's driver,
    # which `ledger.sqlite` keeps from it.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
