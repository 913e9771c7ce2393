"""A file or URL that cannot serve is named in one line, with how to mend it."""

from __future__ import annotations

import resource
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest
from decisions import made, many

from energy.errors import InputError, NegawattError, UnavailableError
from ledger.store import Ledger


def refusal(url: str, kind: type[NegawattError] = InputError, **options) -> str:
    """Return the one line in which opening is refused."""
    with pytest.raises(kind) as refused:
        Ledger.open(url, busy_seconds=0.05, **options)
    line = str(refused.value)
    assert "\n" not in line
    return line


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "no database URL"),
        ("ledger.db", "no database URL"),
        ("sqlite", "no database URL"),
        ("sqlite://", "names no file"),
        ("sqlite:///", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:////tmp/never.db?mode=memory", "names no file"),
        ("sqlite+aiosqlite:////tmp/never.db", "no ledger in sqlite+aiosqlite"),
        ("oracle://me@host/ledger", "no ledger in oracle"),
        ("nonsense://host/ledger", "no ledger in nonsense"),
        ("http://host:port/", "no database URL"),
    ],
)
def test_a_url_that_names_no_ledger_is_refused(url, says) -> None:
    """What to give instead is part of the line."""
    line = refusal(url)

    assert says in line
    assert "sqlite:////absolute/path" in line


def test_a_folder_is_no_ledger(tmp_path) -> None:
    """Said before SQLite says something vaguer."""
    assert f"{tmp_path}: is a folder" in refusal(f"sqlite:///{tmp_path}")


def test_a_missing_file_is_only_made_where_asked_for(tmp_path) -> None:
    """Who only wants to read does not want an empty ledger instead."""
    file = tmp_path / "state" / "ledger.db"

    assert "no ledger there" in refusal(f"sqlite:///{file}", create=False)
    assert not file.parent.exists()

    Ledger.open(f"sqlite:///{file}").close()
    assert file.exists()
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_made_is_named(tmp_path) -> None:
    """A file where a folder should be, as good as a read-only disk, whoever runs the test."""
    (tmp_path / "file").write_text("")

    line = refusal(f"sqlite:///{tmp_path / 'file' / 'ledger.db'}")

    assert f"{tmp_path / 'file'}:" in line
    assert "writable folder" in line


def test_a_folder_that_takes_no_files_is_named() -> None:
    """/proc takes none, not even from root."""
    line = refusal("sqlite:////proc/self/ledger.db")

    assert line.startswith("/proc/self/ledger.db: cannot be opened or created")
    assert "writable folder" in line


@pytest.mark.parametrize("content", [b"not a database at all, " * 100, b"\x89PNG\r\n\x1a\n" * 200])
def test_another_kind_of_file_is_refused_and_kept(tmp_path, content) -> None:
    """A slip of the path must not cost somebody a file."""
    file = tmp_path / "picture.png"
    file.write_bytes(content)

    assert f"{file}: is no SQLite database" in refusal(f"sqlite:///{file}")
    assert file.read_bytes() == content


def filled(file: Path, rows: int = 2000) -> None:
    """Write a ledger of many pages."""
    with Ledger.open(f"sqlite:///{file}") as ledger:
        ledger.write(islice(many(), rows))


def test_a_damaged_file_is_said_to_be_damaged(tmp_path) -> None:
    """The schema's page is overwritten: opening says so."""
    file = tmp_path / "ledger.db"
    filled(file)
    content = bytearray(file.read_bytes())
    content[100:4096] = b"\xa5" * 3996
    file.write_bytes(content)

    line = refusal(f"sqlite:///{file}")

    assert "is damaged" in line
    assert ".recover" in line


def test_damage_further_in_is_found_where_it_is_read(tmp_path) -> None:
    """Opening does not read the whole file; a question that meets the damage says so."""
    file = tmp_path / "ledger.db"
    filled(file)
    content = bytearray(file.read_bytes())
    half = len(content) // 4096 // 2 * 4096
    content[half:] = b"\xa5" * (len(content) - half)
    file.write_bytes(content)

    with (
        Ledger.open(f"sqlite:///{file}") as ledger,
        pytest.raises(UnavailableError, match="is damaged"),
    ):
        ledger.savings("namespace", since_seconds=0, now_seconds=1e10)


def test_a_locked_file_is_said_to_be_locked(tmp_path) -> None:
    """Opening waits for the stated time and then gives up."""
    file = tmp_path / "ledger.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")

        line = refusal(f"sqlite:///{file}", UnavailableError)

    assert f"{file}: another process keeps it locked" in line


def test_a_lock_keeps_writers_away_and_lets_readers_read(tmp_path) -> None:
    """A long backup by another program does not silence the questions."""
    file = tmp_path / "ledger.db"
    with Ledger.open(f"sqlite:///{file}", busy_seconds=0.05) as ledger:
        ledger.write([made()])
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")

            with pytest.raises(UnavailableError, match="locked"):
                ledger.write([made(uid="another")])
            assert ledger.decisions().decisions == (made(),)


FILLS_THE_DISK = """
import signal, sys
from itertools import islice
from decisions import many
from energy.errors import UnavailableError
from ledger.store import Ledger

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with Ledger.open(sys.argv[1]) as ledger:
    source = many()
    batches = 0
    try:
        while True:
            ledger.write(islice(source, 100))
            batches += 1
    except UnavailableError as error:
        rows = sum(each.decisions for each in ledger.savings(
            "namespace", since_seconds=0, now_seconds=1e10))
        print(batches * 100, rows, error)
"""


def test_a_full_disk_stops_the_writing_and_not_the_reading(tmp_path) -> None:
    """A limit of the file's size stands for the end of the disk: the kernel refuses the write."""
    file = tmp_path / "ledger.db"
    limit = 2 * 1024 * 1024

    done = subprocess.run(
        [sys.executable, "-c", FILLS_THE_DISK, f"sqlite:///{file}"],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(Path(__file__).parents[1] / "support")},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        check=True,
    )

    written, rows, line = done.stdout.split(maxsplit=2)
    assert int(written) == int(rows) > 0
    assert line.startswith(f"{file}: ")
    assert "disk" in line
    with Ledger.open(f"sqlite:///{file}") as ledger:
        assert len(ledger.running_uids()) == int(rows)
