"""The schema goes up and down as a whole, and is what the tables say it is."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import count

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from database_fixtures import DATABASES
from decisions import made

from energy.errors import InputError
from ledger import migration
from ledger.database import Database
from ledger.dialect import Patience
from ledger.filters import DecisionFilter
from ledger.retention import Retention
from ledger.store import Ledger
from ledger.tables import DECISIONS, METADATA, VERSION_TABLE


@pytest.fixture(params=DATABASES)
def ledger_url(request, empty_database) -> str:
    """Return the URL of a database without tables, one of each kind."""
    return empty_database(request.param)


@pytest.fixture
def engine(ledger_url):
    """Return a plain engine beside the ledger's own."""
    made_engine = sa.create_engine(ledger_url)
    yield made_engine
    made_engine.dispose()


def tables(engine) -> set[str]:
    """Return the names of all tables."""
    return set(sa.inspect(engine).get_table_names())


def differences(engine) -> list:
    """Return where the database is not what the tables say; comments are for who reads these."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        found = compare_metadata(context, METADATA)
    return [each for each in found if not isinstance(each, list) or each[0][0] != "modify_comment"]


def test_the_migrations_build_what_the_tables_say(ledger, engine) -> None:
    """A column that only one of the two knows is found here, not in production."""
    assert differences(engine) == []

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


def test_a_failed_migration_can_be_tried_again(ledger_url, engine) -> None:
    """A table of the same name was there: nothing of ours stays, and without it all goes well."""
    with engine.begin() as connection:
        connection.execute(sa.text(f"CREATE TABLE {DECISIONS.name} (something INTEGER)"))

    with pytest.raises(InputError, match="already exists") as refused:
        Ledger.open(ledger_url)

    assert "\n" not in str(refused.value)
    assert tables(engine) - {VERSION_TABLE} == {DECISIONS.name}
    with pytest.raises(InputError, match="already exists"):
        Ledger.open(ledger_url)

    with engine.begin() as connection:
        connection.execute(sa.text(f"DROP TABLE {DECISIONS.name}"))
    with Ledger.open(ledger_url) as ledger:
        ledger.write([made()])
        assert ledger.decisions().decisions == (made(),)
    assert differences(engine) == []


class Killed(BaseException):
    """Stands for the end of the process."""


@contextmanager
def killed(moment: str, at_change: int) -> Iterator[None]:
    """End whoever changes a schema before or after its so-and-so-manieth statement of DDL."""
    changes = count(1)

    def look(_connection, _cursor, statement, *_) -> None:
        is_change = statement.lstrip().upper().startswith(("CREATE", "ALTER", "DROP", "UPDATE"))
        if is_change and "COMMENT =" not in statement and next(changes) == at_change:
            raise Killed

    event = f"{moment}_cursor_execute"
    sa.event.listen(sa.Engine, event, look)
    try:
        with pytest.raises(Killed):
            yield
    finally:
        sa.event.remove(sa.Engine, event, look)


@pytest.mark.parametrize(("moment", "at_change"), [("after", 2), ("before", 4), ("after", 12)])
def test_an_interrupted_upgrade_is_finished_by_the_next(
    ledger_url, engine, moment, at_change
) -> None:
    """A pod that is killed while it starts must not need a person's hand on the database."""
    with killed(moment, at_change):
        Ledger.open(ledger_url)

    with Ledger.open(ledger_url) as ledger:
        ledger.write([made()])
        assert ledger.decisions().decisions == (made(),)
    assert differences(engine) == []


@pytest.mark.parametrize(("moment", "at_change"), [("after", 1), ("before", 3), ("after", 9)])
def test_an_interrupted_downgrade_is_finished_before_the_next_upgrade(
    ledger_url, engine, moment, at_change
) -> None:
    """What was half gone is gone then, and made anew."""
    with Ledger.open(ledger_url) as ledger:
        ledger.write([made()])
    patience = Patience(busy_seconds=5)
    with closing(Database.open(ledger_url, create=False, patience=patience)) as database:
        with killed(moment, at_change):
            database.downgrade("0001")
        database.upgrade()
        assert database.is_newest()

    with Ledger.open(ledger_url, migrate=False) as again:
        assert [each.uid for each in again.decisions().decisions] == [made().uid]
    assert differences(engine) == []


def test_an_older_schema_is_named_where_it_may_not_be_changed(ledger_url) -> None:
    """The line names the command; and nothing is changed."""
    patience = Patience(busy_seconds=5)
    Ledger.open(ledger_url).close()
    with closing(Database.open(ledger_url, create=False, patience=patience)) as database:
        database.downgrade("0001")

        with pytest.raises(InputError, match="run `negawatt ledger migrate`") as refused:
            Ledger.open(ledger_url, migrate=False)

        assert "revision 0001" in str(refused.value)
        assert "\n" not in str(refused.value)
        assert database.revision() == "0001"
        Ledger.open(ledger_url).close()
        assert database.is_newest()


def test_an_empty_database_is_no_ledger_to_who_only_reads(ledger_url, engine) -> None:
    """A slip of the URL must not fill somebody's database with our tables."""
    for unwilling in ({"create": False}, {"migrate": False, "create": False}):
        with pytest.raises(InputError, match="no ledger there"):
            Ledger.open(ledger_url, **unwilling)
    if engine.dialect.name != "sqlite":
        assert tables(engine) == set()


def test_a_revision_that_is_not_behind_is_refused(ledger_url) -> None:
    """Nor is one that the line would have to guess."""
    Ledger.open(ledger_url).close()
    patience = Patience(busy_seconds=5)
    with (
        closing(Database.open(ledger_url, create=False, patience=patience)) as database,
        pytest.raises(InputError, match="no revision 0099"),
    ):
        database.downgrade("0099")


def test_several_begin_one_ledger_together(ledger_url) -> None:
    """A Deployment's replicas start at the same moment; one migrates, the others wait."""

    def begin(number: int) -> None:
        with Ledger.open(ledger_url, busy_seconds=60) as opened:
            opened.write([made(uid=f"{number}")])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(begin, range(8)))

    with Ledger.open(ledger_url) as ledger:
        assert ledger.running_uids() == {f"{number}" for number in range(8)}


def test_decisions_stay_through_the_first_revision_and_back(ledger, ledger_url) -> None:
    """Down and up again on rows: their reasons are said in a word anew."""
    written = (
        made(uid="a", node_preferred=None, preferred_watts=None),
        made(uid="b", node_chosen="new-1"),
        made(uid="c", chosen_watts=None),
        made(uid="d", ended_at_seconds=made().decided_at_seconds + 60),
        made(uid="e", chosen_watts=1.0),
        made(uid="f", chosen_watts=5.25),
    )
    ledger.write(written)
    database = Database.open(ledger_url, create=False, patience=Patience())
    try:
        database.downgrade("0001")
        database.upgrade()
    finally:
        database.close()

    assert ledger.decisions(oldest_first=True).decisions == written
    for decision in written:
        kind = DecisionFilter(reason_kind=decision.reason_kind)
        assert ledger.decisions(kind).decisions == (decision,)


def test_a_ledger_of_the_first_revision_keeps_its_rows_and_sums(
    ledger_url, engine, monkeypatch
) -> None:
    """As the first version of the program wrote it: its columns, and no word for the reason."""
    end = made().decided_at_seconds + 7200.0
    written = (
        made(uid="a", node_preferred=None, preferred_watts=None),
        made(uid="b", node_chosen="new-1"),
        made(uid="c", chosen_watts=None),
        made(uid="d", ended_at_seconds=end),
        made(uid="e", chosen_watts=1.0, ended_at_seconds=end),
        made(uid="f", chosen_watts=5.25, ended_at_seconds=end),
    )
    with monkeypatch.context() as patched:
        patched.setattr(migration, "newest", lambda: "0001")
        with closing(Database.open(ledger_url, create=True, patience=Patience())) as database:
            database.upgrade()
    first = sa.Table(DECISIONS.name, sa.MetaData(), autoload_with=engine)
    names = {column.name for column in first.columns} - {"id"}
    assert "reason_kind" not in names
    types = sa.table(first.name, *(sa.column(name, DECISIONS.c[name].type) for name in names))
    with engine.begin() as connection:
        documents = [each.document() for each in written]
        connection.execute(sa.insert(types), [{n: row[n] for n in names} for row in documents])

    with Ledger.open(ledger_url) as ledger:
        assert ledger.decisions(oldest_first=True).decisions == written
        for decision in written:
            kind = DecisionFilter(reason_kind=decision.reason_kind)
            assert ledger.decisions(kind).decisions == (decision,)
        times = {"since_seconds": 0, "now_seconds": end + 1e6}
        before = ledger.savings("workload", **times)
        assert ledger.tidy(Retention(), now_seconds=end + 1e6).summed == 3
        (after,) = ledger.savings("workload", **times)
        assert (after.decisions, after.unknown, after.running) == (6, 2, 3)
        assert after.forgone_joules == pytest.approx(before[0].forgone_joules)
    assert differences(engine) == []
