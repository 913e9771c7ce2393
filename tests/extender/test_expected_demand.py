"""The CSV of expected demand."""

from __future__ import annotations

import re

import pytest

from energy.errors import InputError
from extender.expected_demand import read_expected_demand

HEAD = "cpu_millicores,memory_mebibytes,count\n"


def read(text: str, folder):
    """Read a file with this text."""
    file = folder / "demand.csv"
    file.write_text(text, encoding="utf-8")
    return read_expected_demand(file)


def test_sizes_and_counts_are_read(tmp_path) -> None:
    """In cores and bytes; fractions of pods are fine, and rows of one size are added."""
    found = read(HEAD + "500,1024,10\n2000,512,2.5\n500,1024,5\n", tmp_path)
    assert found.shapes.cpu_cores.tolist() == [0.5, 2.0]
    assert found.shapes.memory_bytes.tolist() == [2**30, 2**29]
    assert found.counts.tolist() == [15.0, 2.5]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "demand.csv"),
        (HEAD, "no pod is expected"),
        (HEAD + "500,1024,0\n", "no pod is expected"),
        (HEAD + "500,1024,-1\n", "count"),
        (HEAD + "500,1024,nan\n", "count"),
        (HEAD + "500,1024,inf\n", "count"),
        (HEAD + "-500,1024,1\n", "cpu_millicores"),
        (HEAD + "x,1024,1\n", "cpu_millicores"),
        (HEAD + "500,,1\n", "memory_mebibytes"),
        ("cpu_millicores,count\n500,1\n", "memory_mebibytes"),
    ],
)
def test_what_is_no_demand_is_refused_in_one_line(text: str, said: str, tmp_path) -> None:
    """Naming what is wrong."""
    with pytest.raises(InputError, match=re.escape(said)) as caught:
        read(text, tmp_path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path) -> None:
    """Not a traceback."""
    with pytest.raises(InputError, match="absent"):
        read_expected_demand(tmp_path / "absent.csv")
