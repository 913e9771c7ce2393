"""Fixtures that hand out databases of real servers; a test that uses one is marked by conftest.py.

One MariaDB and one PostgreSQL serve all tests of a session (of a worker, where there are several);
each test gets an empty database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import database_servers
import pytest
from certificates import Authority
from database_servers import DatabaseServer


@pytest.fixture(scope="session")
def database_authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Give who signed the servers' certificates."""
    return Authority.create(tmp_path_factory.mktemp("authority"), "databases")


@pytest.fixture(scope="session")
def mariadb_server(database_authority: Authority) -> Iterator[DatabaseServer]:
    """Give a running MariaDB: use databases of your own."""
    with database_servers.mariadb(tls=database_authority.sign("mariadb")) as server:
        yield server


@pytest.fixture(scope="session")
def postgresql_server(database_authority: Authority) -> Iterator[DatabaseServer]:
    """Give a running PostgreSQL: use databases of your own."""
    with database_servers.postgresql(tls=database_authority.sign("postgresql")) as server:
        yield server


DATABASES = (
    "sqlite",
    pytest.param("mariadb", marks=pytest.mark.mariadb),
    pytest.param("postgresql", marks=pytest.mark.postgresql),
)
SERVERS = DATABASES[1:]


@pytest.fixture
def empty_database(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[[str], str]]:
    """Give a function that returns the URL of an empty database of a kind, one a test."""
    with ExitStack() as stack:

        def make(kind: str) -> str:
            if kind == "sqlite":
                return f"sqlite:///{tmp_path / 'ledger.db'}"
            server: DatabaseServer = request.getfixturevalue(f"{kind}_server")
            return server.url(stack.enter_context(server.database()))

        yield make
