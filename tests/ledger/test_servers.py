"""A server that cannot serve is told in one line, with where and how to mend it."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pymysql
import pytest
import sqlalchemy as sa
from certificates import Authority
from database_fixtures import SERVERS
from database_servers import USER, DatabaseServer
from decisions import made
from scraped_prometheus import wait_until

from energy.errors import InputError, NegawattError, UnavailableError
from ledger.mariadb import MariaDB
from ledger.postgresql import PostgreSQL
from ledger.store import Ledger
from simulator.sandbox.ports import free_ports


@pytest.fixture(params=SERVERS)
def server(request) -> DatabaseServer:
    """Return a running server, one of each kind."""
    return request.getfixturevalue(f"{request.param}_server")


@pytest.fixture
def database(server) -> Iterator[str]:
    """Return the name of an empty database."""
    with server.database() as name:
        yield name


def line_of(error: NegawattError, server: DatabaseServer) -> str:
    """Return the error's one line, which says where and no password."""
    line = str(error)
    assert "\n" not in line
    assert line.startswith(f"{server.kind}://{USER}@127.0.0.1:")
    assert server.password not in "".join(traceback.format_exception(error))
    return line


def refusal(server, url: str, kind: type[NegawattError] = InputError, **options) -> str:
    """Return the one line in which opening is refused."""
    with pytest.raises(kind) as refused:
        Ledger.open(url, **{"busy_seconds": 1, **options})
    return line_of(refused.value, server)


def test_a_wrong_password_is_refused_and_not_repeated(server, database, caplog) -> None:
    """Neither ours nor the one that was given."""
    caplog.set_level(logging.DEBUG)

    line = refusal(server, server.url(database, password="hunter2"))  # noqa: S106

    assert "refuses the user or password" in line
    assert "hunter2" not in line + caplog.text


def test_a_database_that_is_not_there_is_named(server) -> None:
    """Making it is for whoever runs the server."""
    line = refusal(server, server.url("nowhere"))

    assert "/nowhere: has no such database" in line
    assert "password" not in line


def test_nobody_at_the_port(server) -> None:
    """Refused at once."""
    (port,) = free_ports(1)
    url = server.url("ledger").replace(f":{server.port}/", f":{port}/")

    line = refusal(server, url, UnavailableError)

    assert "cannot be reached" in line
    assert "refused" in line
    assert line.endswith("refused; start it, or correct host and port")


@pytest.mark.postgresql
def test_a_forgotten_password_is_bad_input_that_names_the_option(postgresql_server) -> None:
    """As with MariaDB, which refuses an empty one."""
    with postgresql_server.database() as name:
        url = postgresql_server.url(name).replace(f":{postgresql_server.password}@", "@")

        line = refusal(postgresql_server, url)

    assert line.endswith("asks for a password; name its file with --ledger-password-file")


@pytest.mark.parametrize(
    "said",
    [
        "server does not support SSL, but SSL was required",
        "SSL error: certificate verify failed",
        'root certificate file "/nowhere" does not exist',
    ],
)
def test_where_tls_fails_nobody_is_told_to_correct_the_port(said) -> None:
    """The server is there, and was reached."""
    error = psycopg.OperationalError(f'connection to server at "db", port 5432 failed: {said}')
    error = psycopg.OperationalError(f"connection failed: {error}")

    line = str(PostgreSQL().explained(error, "there", opening=True))

    mend = "let it offer TLS, or correct sslmode and the certificates"
    assert line == f"there: cannot be reached: {said}; {mend}"


def test_a_host_that_nobody_knows(server) -> None:
    """The name server's word is passed on."""
    url = server.url("ledger").replace("@127.0.0.1:", "@nowhere.invalid:")

    with pytest.raises(UnavailableError, match="cannot be reached") as refused:
        Ledger.open(url)

    assert "\n" not in str(refused.value)


@contextmanager
def reader(server: DatabaseServer, database: str) -> Iterator[str]:
    """Give the URL of a user who may connect and make nothing."""
    name = f"reader_{database}"
    login = f"'{server.password}'"
    if server.kind == "mariadb":
        server.run(f"CREATE USER {name} IDENTIFIED BY {login}", f"GRANT SELECT ON *.* TO {name}")
    else:
        server.run(f"CREATE ROLE {name} LOGIN PASSWORD {login}")
    try:
        yield server.url(database, name)
    finally:
        server.run(f"DROP {'USER' if server.kind == 'mariadb' else 'ROLE'} {name}")


def test_a_user_without_the_right_to_make_tables(server, database) -> None:
    """Which right is missing, and of what, is for whoever grants it."""
    with reader(server, database) as url, pytest.raises(InputError, match="lacks a right") as shown:
        Ledger.open(url)

    assert "grant it all rights" in str(shown.value)


@contextmanager
def read_only(server: DatabaseServer, database: str) -> Iterator[None]:
    """Let nobody write."""
    if server.kind == "mariadb":
        server.run("SET GLOBAL read_only = ON")
    else:
        server.run(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    try:
        yield
    finally:
        if server.kind == "mariadb":
            server.run("SET GLOBAL read_only = OFF")


def test_a_replica_is_said_to_be_read_only(server, database) -> None:
    """At the beginning, and for whoever wrote there before."""
    with read_only(server, database):
        assert "is read-only" in refusal(server, server.url(database))


def test_a_ledger_that_becomes_read_only_may_become_writable_again(server, database) -> None:
    """As after a failover: for the writer it is an outage like any other."""
    Ledger.open(server.url(database)).close()
    with (
        read_only(server, database),
        Ledger.open(server.url(database)) as ledger,
        pytest.raises(UnavailableError) as refused,
    ):
        ledger.write([made()])

    assert "is read-only" in line_of(refused.value, server)


def test_too_many_connections(server, database) -> None:
    """It may work later."""
    limit = {
        "mariadb": (f"ALTER USER {USER} WITH MAX_USER_CONNECTIONS 1",),
        "postgresql": (f"ALTER DATABASE {database} CONNECTION LIMIT 1",),
    }
    Ledger.open(server.url(database)).close()
    server.run(*limit[server.kind])
    try:
        with Ledger.open(server.url(database)):
            line = refusal(server, server.url(database), UnavailableError)
    finally:
        if server.kind == "mariadb":
            server.run(f"ALTER USER {USER} WITH MAX_USER_CONNECTIONS 0")

    assert "too many connections" in line


@contextmanager
def beside(server: DatabaseServer, database: str) -> Iterator[sa.Connection]:
    """Give another program's connection in a transaction of its own."""
    engine = sa.create_engine(server.administrator.set(database=database))
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


END = sa.text("UPDATE placement_decisions SET ended_at_seconds = 1e10 WHERE uid = :uid")


def test_a_row_that_another_keeps_is_waited_for_and_then_given_up(server, database) -> None:
    """The writer tries again later."""
    with (
        Ledger.open(server.url(database), busy_seconds=1) as ledger,
        beside(server, database) as other,
    ):
        ledger.write([made(uid="a")])
        other.execute(END, {"uid": "a"})

        with pytest.raises(UnavailableError) as refused:
            ledger.end_pods([("a", 2e9)])

        assert "keeps it locked" in line_of(refused.value, server)
        other.rollback()
        ledger.end_pods([("a", 2e9)])
        assert ledger.running_uids() == frozenset()


WAITING = {
    "mariadb": "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
    "postgresql": "SELECT COUNT(*) FROM pg_locks WHERE NOT granted",
}


@pytest.fixture
def ours_is_undone(server, database) -> list[str]:
    """Have ours be the one that a deadlock undoes; return what the other is to say for it.

    PostgreSQL undoes who looks, which each does once, this long after it began to wait.
    """
    if server.kind == "mariadb":  # of two it undoes the one that changed less, at once
        return []
    server.run(f"ALTER DATABASE \"{database}\" SET deadlock_timeout = '4s'", database=database)
    return ["SET deadlock_timeout = '1h'"]


def test_who_loses_in_a_deadlock_tries_again(server, database, ours_is_undone) -> None:
    """Two transactions want each other's row: the server undoes ours, and we do it once more."""
    with (
        Ledger.open(server.url(database), busy_seconds=30) as ledger,
        beside(server, database) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        ledger.write(made(uid=uid) for uid in ("a", "b", "c", "d", "e"))
        for said in ours_is_undone:
            other.exec_driver_sql(said)
        for uid in ("b", "c", "d", "e"):
            other.execute(END, {"uid": uid})
        ours = pool.submit(ledger.end_pods, [("a", 2e9), ("b", 2e9)])
        wait_until(lambda: other.scalar(sa.text(WAITING[server.kind])) == 1)

        other.execute(END, {"uid": "a"})
        other.commit()
        ours.result()

        ends = {each.uid: each.ended_at_seconds for each in ledger.decisions().decisions}
    assert ends == dict.fromkeys("abcde", 1e10)


def test_a_statement_that_takes_too_long_is_ended(server, database) -> None:
    """Here it waits for a table; a sum over too many rows would be the same."""
    lock = {
        "mariadb": "LOCK TABLES placement_decisions WRITE",
        "postgresql": "LOCK TABLE placement_decisions",
    }
    with (
        Ledger.open(server.url(database), busy_seconds=60, answer_seconds=0.5) as ledger,
        beside(server, database) as other,
    ):
        other.exec_driver_sql(lock[server.kind])

        with pytest.raises(UnavailableError) as refused:
            ledger.latest("shop", "web")

    assert "took too long" in line_of(refused.value, server)


@pytest.mark.postgresql
def test_a_database_that_cannot_hold_every_sign_is_refused(postgresql_server) -> None:
    """It would refuse single names later."""
    server = postgresql_server
    server.run(
        "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0"
    )
    try:
        line = refusal(server, server.url("latin"))
    finally:
        server.run("DROP DATABASE latin WITH (FORCE)")

    assert "its encoding is LATIN1" in line


UNENCRYPTED = (
    "SELECT COUNT(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
    " WHERE usename = 'negawatt' AND NOT ssl"
)


def trust(server: DatabaseServer, authority: Authority) -> dict[str, str]:
    """Return the URL's query that asks for TLS and for a certificate by this authority."""
    root = str(authority.root.certificate)
    if server.kind == "mariadb":
        return {"ssl_ca": root}
    return {"sslmode": "verify-full", "sslrootcert": root}


def test_tls_is_asked_for_in_the_url(server, database, database_authority) -> None:
    """With a certificate that is checked; and every connection has it."""
    query = trust(server, database_authority)
    if server.kind == "mariadb":
        server.run(f"ALTER USER {USER} REQUIRE SSL")
    try:
        with Ledger.open(server.url(database, **query)) as ledger:
            ledger.write([made()])
            assert ledger.decisions().decisions == (made(),)
            if server.kind == "postgresql":
                assert server.run(UNENCRYPTED)[0][0] == 0
    finally:
        if server.kind == "mariadb":
            server.run(f"ALTER USER {USER} REQUIRE NONE")


def test_a_certificate_by_somebody_else_is_refused(server, database, tmp_path) -> None:
    """Who stands between would be told the password."""
    query = trust(server, Authority.create(tmp_path, "another"))

    line = refusal(server, server.url(database, **query), UnavailableError)

    assert "certificate verify failed" in line.lower()


def test_a_missing_file_of_certificates_is_named(server, database, tmp_path) -> None:
    """With its path."""
    query = trust(server, Authority(tmp_path, made_nowhere(tmp_path)))

    with pytest.raises(NegawattError) as refused:
        Ledger.open(server.url(database, **query))

    line = line_of(refused.value, server)
    assert f"{tmp_path}" in line
    assert line.endswith("; name one that is there")


@pytest.mark.mariadb
def test_a_file_of_certificates_that_goes_away_is_waited_for(
    mariadb_server, database_authority, tmp_path
) -> None:
    """Rotated as a mounted Secret is: what is to be written meanwhile must not be dropped."""
    authority = tmp_path / "ca.crt"
    content = database_authority.root.certificate.read_bytes()
    authority.write_bytes(content)
    with mariadb_server.database() as name:
        url = mariadb_server.url(name, ssl_ca=str(authority))
        with Ledger.open(url) as ledger:
            authority.unlink()
            ledger.close()  # all its connections, as when they are too old

            with pytest.raises(UnavailableError, match=r"ca\.crt|No such file"):
                ledger.write([made()])

            authority.write_bytes(content)
            ledger.write([made()])
            assert ledger.decisions().decisions == (made(),)


@pytest.mark.parametrize("dialect", [MariaDB(), PostgreSQL()])
def test_what_the_process_lacks_is_bad_input_only_at_the_start(dialect) -> None:
    """Such as files to open: later it may have them again."""
    error = OSError(24, "Too many open files")

    assert isinstance(dialect.explained(error, "there", opening=True), InputError)
    assert isinstance(dialect.explained(error, "there"), UnavailableError)


def made_nowhere(folder):
    """Return a pair of files that do not exist."""
    from certificates import Pair

    return Pair(folder / "absent.crt", folder / "absent.key")


@pytest.mark.parametrize(
    ("dialect", "error"),
    [
        (MariaDB(), pymysql.OperationalError(1021, "Disk full (/tmp/#sql)")),
        (MariaDB(), pymysql.OperationalError(1114, "The table 'placement_decisions' is full")),
        (PostgreSQL(), psycopg.errors.DiskFull("could not extend file")),
    ],
)
def test_a_full_disk_is_an_outage(dialect, error) -> None:
    """The servers' own numbers for it: nobody fills a disk for a test."""
    for opening in (False, True):
        explained = dialect.explained(error, "there", opening=opening)

        assert isinstance(explained, UnavailableError)
        assert str(explained) == "there: no space is left on its disk; free some"


@pytest.mark.parametrize(
    ("dialect", "error"),
    [
        (MariaDB(), pymysql.DataError(1406, "Data too long for column 'pod'")),
        (MariaDB(), pymysql.OperationalError(4025, "CONSTRAINT `servers` failed")),
        (MariaDB(), pymysql.OperationalError(1366, "Incorrect string value")),
        (PostgreSQL(), psycopg.errors.StringDataRightTruncation("value too long")),
    ],
)
def test_a_row_that_does_not_fit_is_not_the_servers_fault(dialect, error) -> None:
    """Trying again would stop all others' records."""
    assert dialect.explained(error, "there") is None


@pytest.mark.parametrize(
    ("dialect", "error"),
    [
        (MariaDB(), pymysql.InterfaceError(0, "")),
        (MariaDB(), pymysql.InternalError("Packet sequence number wrong - got 1 expected 2")),
        (MariaDB(), pymysql.OperationalError(2013, "Lost connection to MySQL server")),
        (PostgreSQL(), psycopg.InterfaceError("the connection is closed")),
        (PostgreSQL(), psycopg.OperationalError("server closed the connection unexpectedly")),
    ],
)
def test_a_lost_connection_is_an_outage_whatever_the_driver_calls_it(dialect, error) -> None:
    """Taken for a bad record it would cost the record."""
    explained = dialect.explained(error, "there")

    assert isinstance(explained, UnavailableError)
    assert str(explained) == "there: the connection was lost; try again"
