"""A URL or a file with a password: what is wrong with it is said, what is secret is not."""

from __future__ import annotations

import pytest

from energy.errors import InputError
from ledger.address import address
from ledger.store import Ledger


def refusal(url: str, **options) -> str:
    """Return the one line in which a URL is refused; no server is asked."""
    with pytest.raises(InputError) as refused:
        Ledger.open(url, **options)
    line = str(refused.value)
    assert "\n" not in line
    return line


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("mysql://me@db/ledger", "mysql+pymysql"),
        ("mariadb://me@db/ledger", "mysql+pymysql"),
        ("mysql+pymysql://me@db/ledger", "mysql+pymysql"),
        ("mariadb+pymysql://me@db/ledger", "mysql+pymysql"),
        ("postgres://me@db/ledger", "postgresql+psycopg"),
        ("postgresql://me@db/ledger", "postgresql+psycopg"),
        ("postgresql+psycopg://me@db/ledger", "postgresql+psycopg"),
    ],
)
def test_a_bare_scheme_takes_the_driver_that_we_have(url, driver) -> None:
    """Nobody has to know which one that is."""
    dialect, parsed = address(url)

    assert parsed.drivername == driver
    assert dialect.where(parsed) in {"mariadb://me@db/ledger", "postgresql://me@db/ledger"}


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://me:hunter2@db:port/ledger", "no database URL"),
        ("mysql://me:hunter2@db", "names no database"),
        ("postgresql://me:hunter2@db/", "names no database"),
        ("postgresql://me:hunter2@/ledger", "names no host"),
        ("mysql+mysqldb://me:hunter2@db/ledger", "no ledger in mysql+mysqldb"),
        ("postgresql+asyncpg://me:hunter2@db/ledger", "no ledger in postgresql+asyncpg"),
        ("mysql://me:a@hunter2@db/ledger", "second @"),
        ("mysql://me:a@hunt:er2@db/ledger", "no database URL"),
        ("mysql://me:a@hunter2/b@db/ledger", "second @"),
        ("postgresql://me@db/ledger?password=hunter2", "knows no password"),
        ("postgresql://me@db/ledger?sslmod=hunter2", "knows no sslmod"),
        ("mysql://me@db/ledger?init_command=hunter2", "knows no init_command"),
        ("mysql://me@db/ledger?ssl_ca=hunter2&ssl_ca=hunter2", "ssl_ca twice"),
    ],
)
def test_what_a_url_lacks_is_said_without_its_password(url, says) -> None:
    """The line may end in a log."""
    line = refusal(url)

    assert says in line
    assert "hunter2" not in line
    assert "hunt" not in line


def test_a_password_may_come_from_a_file(tmp_path) -> None:
    """An editor's newline is not part of it; a sign that means something in a URL may be."""
    file = tmp_path / "password"
    file.write_text("a@b/c:d e\n")

    _, url = address("postgresql://me@db/ledger", file)

    assert url.password == "a@b/c:d e"  # noqa: S105
    assert "a@b" not in repr(url)


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "no such file"), (b"", "not one line"), (b"a\nb\n", "not one line"), (b"\xff", "text")],
)
def test_a_file_without_a_password_is_named(tmp_path, content, says) -> None:
    """An empty Secret would otherwise look like a wrong password."""
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)

    line = refusal("postgresql://me@db/ledger", password_file=file)

    assert f"{file}: " in line
    assert says in line


def test_two_passwords_are_one_too_many(tmp_path) -> None:
    """Which of them counts would be a guess."""
    file = tmp_path / "password"
    file.write_text("hunter2")

    line = refusal("mysql://me:hunter2@db/ledger", password_file=file)

    assert "URL too" in line
    assert "hunter2" not in line
