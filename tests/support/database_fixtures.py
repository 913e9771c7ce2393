"""Fixtures that hand out databases of real servers; a test that uses one is marked by conftest.py.

One MariaDB and one PostgreSQL serve all tests of a session (of a worker, where there are several);
each test gets an empty database.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import database_servers
import pytest
import sqlalchemy as sa
from certificates import Authority
from database_servers import DatabaseServer

from ledger.store import Ledger
from ledger.tables import METADATA


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


def kinds_here(lack: Callable[[str], str], *, required: bool) -> tuple[str, ...]:
    """SQLite, and the servers that are there or have to be."""
    return ("sqlite", *(kind for kind in ("mariadb", "postgresql") if required or not lack(kind)))


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


@pytest.fixture(scope="session")
def kept_ledgers(tmp_path_factory: pytest.TempPathFactory) -> _KeptLedgers:
    """Give the ledger that all tests of a session share, by kind of database."""
    return _KeptLedgers(tmp_path_factory.mktemp("ledgers"))


class _KeptLedgers(dict[str, str]):
    """URLs of ledgers that were made once; a server's database ends with the server."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def of(self, kind: str, server: DatabaseServer | None) -> str:
        """Return the URL of this kind's ledger."""
        if kind not in self:
            if server is None:
                self[kind] = f"sqlite:///{self._folder / 'ledger.db'}"
            else:
                self[kind] = server.url(server.create_database())
            Ledger.open(self[kind]).close()
        return self[kind]


@pytest.fixture
def empty_ledger(
    request: pytest.FixtureRequest, tmp_path: Path, kept_ledgers: _KeptLedgers
) -> Callable[[str], str]:
    """Give a function that returns the URL of a ledger without a record, for one test.

    Its tables were made before, which on MariaDB takes longer than most tests.
    """

    def give(kind: str) -> str:
        if kind == "sqlite":
            made = Path(kept_ledgers.of(kind, None).removeprefix("sqlite:///"))
            copied = shutil.copy(made, tmp_path / "ledger.db")
            return f"sqlite:///{copied}"
        server: DatabaseServer = request.getfixturevalue(f"{kind}_server")
        url = kept_ledgers.of(kind, server)
        server.empty(
            sa.make_url(url).database or "", [table.name for table in METADATA.sorted_tables]
        )
        return url

    return give
