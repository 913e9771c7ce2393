"""On which databases the ledger's tests run where not all of them are installed."""

from __future__ import annotations

from database_fixtures import kinds_here


def test_what_is_absent_takes_nothing_from_the_others_unless_it_is_required() -> None:
    """SQLite is always there; in CI a server that is absent must make tests fail."""

    def lack(kind: str) -> str:
        return "no mariadbd" if kind == "mariadb" else ""

    assert kinds_here(lack, required=False) == ("sqlite", "postgresql")
    assert kinds_here(lack, required=True) == ("sqlite", "mariadb", "postgresql")
