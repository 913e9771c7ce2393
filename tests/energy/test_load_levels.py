"""The load-level reader takes measurements and names everything else in one line."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from load_level_files import HEADER, row, write

from energy.errors import InputError
from energy.load_levels import read_load_levels


def test_a_row_becomes_a_server_with_its_facts(tmp_path: Path) -> None:
    """Sizes, dates, names and watts are read in our units."""
    (server,) = read_load_levels(write(tmp_path, row()))
    assert (server.slug, server.cpu) == ("dell-poweredge-r720-e5-2660", "Intel Xeon E5-2660")
    assert (server.cores, server.chips, server.threads) == (16, 2, 32)
    assert (server.base_gigahertz, server.memory_gigabytes) == (2.2, 24)
    assert (server.published, server.hardware_available) == (date(2012, 11, 28), date(2012, 10, 1))
    assert (server.curve.idle_watts, server.curve.peak_watts) == (52.3, 231)


def test_sizes_that_spec_does_not_state_are_unknown_not_wrong(tmp_path: Path) -> None:
    """A dash or an empty cell stands for unknown."""
    file = write(tmp_path, row(cpufreq="--", hardwarethreads="", memamountgb="n/a"))
    (server,) = read_load_levels(file)
    assert (server.base_gigahertz, server.threads, server.memory_gigabytes) == (None, None, None)


def test_dates_in_other_forms_are_the_same_dates(tmp_path: Path) -> None:
    """ISO dates and full month names are read too."""
    file = write(tmp_path, row(publication="2012-11-28", hardware_availability="October 2012"))
    (server,) = read_load_levels(file)
    assert (server.published, server.hardware_available) == (date(2012, 11, 28), date(2012, 10, 1))


def test_a_byte_order_mark_blank_lines_and_more_columns_do_no_harm(tmp_path: Path) -> None:
    """What spreadsheets add is passed over."""
    file = tmp_path / "servers.csv"
    file.write_text(f"\ufeff{HEADER},colour\n\n{row()},blue\n,{',' * HEADER.count(',')}\n", "utf-8")
    assert len(read_load_levels(file)) == 1


def test_two_results_of_one_type_get_different_slugs(tmp_path: Path) -> None:
    """Names within a file are unique."""
    slugs = [server.slug for server in read_load_levels(write(tmp_path, row(), row()))]
    assert slugs == ["dell-poweredge-r720-e5-2660", "dell-poweredge-r720-e5-2660-2"]


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("watts_idle", ""),
        ("watts_10", "NaN"),
        ("watts_20", "inf"),
        ("watts_30", "-5"),
        ("watts_40", "0"),
        ("watts_idle", "1e-300"),
        ("watts_idle", "0.09"),
        ("watts_100", "1_000"),
        ("watts_50", "twelve"),
        ("watts_100", "1e9"),
        ("watts_100", "10"),
        ("cpuname", ""),
        ("cpuname", "--"),
        ("cpusenabled", ""),
        ("cpusenabled", "0 cores"),
        ("cpusenabled", "-4 cores"),
        ("cpusenabled", "2 cores, 4 chips"),
        ("cpusenabled", "99999 cores"),
        ("hardwarethreads", "many"),
        ("hardwarethreads", "0"),
        ("memamountgb", "nan"),
        ("memamountgb", "-8"),
        ("memamountgb", "0"),
        ("memamountgb", "1e-323"),
        ("memamountgb", "0.0009"),
        ("memamountgb", "2_4"),
        ("cpufreq", "0.5"),
        ("cpufreq", "2.2 GHz"),
        ("cpufreq", "inf"),
        ("publication", ""),
        ("publication", "Smarch 13, 2012"),
        ("publication", "Feb 30, 2012"),
        ("hardware_availability", "12/2012"),
        ("hardware_availability", "Oct-0000"),
        ("ssj_ops_100", "lots"),
    ],
)
def test_a_bad_cell_is_named_with_its_line(tmp_path: Path, column: str, cell: str) -> None:
    """One line: the file, the row, what is wrong."""
    file = write(tmp_path, row(), row(**{column: cell}))
    with pytest.raises(InputError, match="line 3") as caught:
        read_load_levels(file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        HEADER.encode(),
        HEADER.replace("watts_50,", "").encode(),
        (HEADER + ",watts_50\n").encode(),
        HEADER.replace(",", "|").encode() + b"\n1|2\n",
        HEADER.encode() + b"\nonly,three,cells\n",
        HEADER.encode() + b'\n"unclosed',
        b"\xff\xfe\x00\x01",
        HEADER.encode() + b"\n\x00\x00\n",
    ],
)
def test_a_file_that_is_no_table_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    """Empty, truncated, binary and foreign files."""
    file = tmp_path / "servers.csv"
    file.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_load_levels(file)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_directory_are_refused(tmp_path: Path) -> None:
    """What cannot be opened is said so."""
    for path in (tmp_path / "absent.csv", tmp_path):
        with pytest.raises(InputError):
            read_load_levels(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400))
def test_no_bytes_at_all_make_the_reader_fail_otherwise(tmp_path: Path, content: bytes) -> None:
    """Whatever follows the header, the answer is servers or one of our errors."""
    file = tmp_path / "servers.csv"
    file.write_bytes(HEADER.encode() + b"\n" + content)
    assert _outcome(file)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(HEADER.split(",")), st.text(max_size=40))
def test_no_text_in_a_cell_makes_the_reader_fail_otherwise(
    tmp_path: Path, column: str, cell: str
) -> None:
    """A cell is understood or named."""
    quoted = '"' + cell.replace('"', '""').replace("\n", " ").replace("\r", " ") + '"'
    file = write(tmp_path, row(**{column: quoted}))
    assert _outcome(file)


@pytest.mark.shared
def test_the_development_file_is_read_whole(shared_folder: Path) -> None:
    """All 464 results, none guessed, none skipped."""
    servers = read_load_levels(shared_folder / "data/specpower/specpower_load_levels_to_2018.csv")
    assert len(servers) == 464
    assert all(server.threads and server.base_gigahertz for server in servers)


def _outcome(file: Path) -> bool:
    """Whether a file is read to servers, or refused in one line."""
    try:
        return all(server.cpu_key for server in read_load_levels(file))
    except InputError as error:
        return "\n" not in str(error)
