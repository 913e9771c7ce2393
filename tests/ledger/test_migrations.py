"""The schema goes up and down as a whole, and is what the tables say it is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from decisions import made

from energy.errors import InputError
from ledger import migration
from ledger.store import Ledger
from ledger.tables import DECISIONS, METADATA, VERSION_TABLE


@pytest.fixture
def engine(ledger_url):
    """Return a plain engine beside the ledger's own."""
    made_engine = sa.create_engine(ledger_url)
    yield made_engine
    made_engine.dispose()


def tables(engine) -> set[str]:
    """Return the names of all tables."""
    return set(sa.inspect(engine).get_table_names())


def test_the_migrations_build_what_the_tables_say(ledger, engine) -> None:
    """A column that only one of the two knows is found here, not in production."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})

        assert compare_metadata(context, METADATA) == []

    inspector = sa.inspect(engine)
    assert {index["name"] for index in inspector.get_indexes(DECISIONS.name)} >= {
        index.name for index in DECISIONS.indexes
    }
    assert inspector.get_unique_constraints(DECISIONS.name)[0]["column_names"] == ["uid"]


def test_down_to_nothing_and_up_again(ledger, engine, ledger_url) -> None:
    """Going down takes the table away; going up gives one that works."""
    ledger.write([made()])
    with engine.begin() as connection:
        migration.downgrade(connection)
    assert tables(engine) == {VERSION_TABLE}

    with Ledger.open(ledger_url) as again:
        assert again.decisions().decisions == ()
        again.write([made()])
        assert again.decisions().decisions == (made(),)


def test_opening_again_migrates_nothing(ledger, engine, ledger_url) -> None:
    """The newest schema stays as it is, with its rows."""
    ledger.write([made()])
    with Ledger.open(ledger_url) as again, engine.connect() as connection:
        assert migration.present(connection) == migration.newest()
        assert again.decisions().decisions == (made(),)


def test_a_newer_schema_is_refused_and_left_alone(ledger, engine, ledger_url) -> None:
    """An older program would write rows that the newer one cannot read."""
    with engine.begin() as connection:
        versions = sa.table(VERSION_TABLE, sa.column("version_num"))
        connection.execute(sa.update(versions).values(version_num="9999"))

    with pytest.raises(InputError, match="newer version of negawatt") as refused:
        Ledger.open(ledger_url)

    assert "9999" in str(refused.value)
    assert "\n" not in str(refused.value)
    with engine.connect() as connection:
        assert migration.present(connection) == "9999"


def test_a_failed_migration_leaves_nothing_behind(ledger_url, engine) -> None:
    """A table of the same name was there: the migration stops, and nothing of it stays."""
    with engine.begin() as connection:
        connection.execute(sa.text(f"CREATE TABLE {DECISIONS.name} (something INTEGER)"))

    with pytest.raises(InputError, match="already exists") as refused:
        Ledger.open(ledger_url)

    assert "\n" not in str(refused.value)
    assert tables(engine) == {DECISIONS.name}


def test_several_begin_one_ledger_together(ledger_url) -> None:
    """A Deployment's replicas start at the same moment; one migrates, the others wait."""

    def begin(number: int) -> None:
        with Ledger.open(ledger_url, busy_seconds=60) as opened:
            opened.write([made(uid=f"{number}")])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(begin, range(8)))

    with Ledger.open(ledger_url) as ledger:
        assert ledger.running_uids() == {f"{number}" for number in range(8)}
