"""Where results go: into a pipe without blanks at ends of lines, and into places that can be."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.table import Table

from console.output import require_writable, stdout, write_whole
from energy.errors import InputError


def test_a_table_in_a_pipe_has_no_blanks_at_ends_of_lines(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """They make each line of a log as wide as the widest."""
    table = Table("name", "said", box=None, pad_edge=False, expand=True)
    table.add_row("a", "one [bold]word[/]")
    table.add_row("", "more")

    stdout().print(table)
    stdout().print("left ", end="")

    *lines, last = capsys.readouterr().out.split("\n")
    assert [line.split() for line in lines] == [["name", "said"], ["a", "one", "word"], ["more"]]
    assert lines == [line.rstrip() for line in lines]
    assert last == "left "


def test_asking_whether_a_place_can_be_written_to_leaves_nothing(tmp_path: Path) -> None:
    """The work that follows may fail or be broken off: no empty folders stay behind."""
    there = tmp_path / "there"
    there.mkdir()

    require_writable(tmp_path / "new" / "newer" / "page.html")
    require_writable(there / "page.html")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written to"):
        require_writable(tmp_path / "file" / "page.html")

    assert sorted(tmp_path.rglob("*")) == [tmp_path / "file", there]


@pytest.mark.parametrize("name", ["a" * 300, f"{'a' * 300}/page.html"])
def test_a_name_that_nobody_can_have_is_one_line(tmp_path: Path, name: str) -> None:
    """Nor can it be asked whether it is there."""
    for attempt in (require_writable, lambda file: write_whole(file, "text")):
        with pytest.raises(InputError, match=r"cannot be written to \(File name too long"):
            attempt(tmp_path / name)
