"""The table of servers holds the facts that may travel, and only those."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import date
from importlib import resources
from pathlib import Path

import pytest

from energy.catalogue import Catalogue
from energy.errors import InputError
from energy.hardware_names import cpu_model_key, vendor_name
from energy.load_levels import read_load_levels
from energy.servers import CatalogueServer, read_table, require_load_curve, server_slug, write_table

TABLE = resources.files("energy").joinpath("data", "specpower_servers.csv")
MAY_TRAVEL = {
    "server", "published", "hardware_available", "vendor", "model", "cpu", "chips", "cores",
    "threads", "base_gigahertz", "memory_gigabytes", "idle_watts", "full_load_ssj_ops",
    *(f"load_{level}_watts" for level in range(10, 101, 10)),
}  # fmt: skip


@pytest.fixture(scope="module")
def servers() -> list[CatalogueServer]:
    """The servers that travel with the package."""
    return list(Catalogue.shipped().servers.values())


def test_the_table_has_no_column_beyond_the_facts_we_may_carry() -> None:
    """SPEC's result and date, sizes and watts: nothing else of another collection."""
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    header = next(csv.reader(line for line in lines if not line.startswith("#")))
    assert set(header) == MAY_TRAVEL


def test_every_server_is_a_plausible_measurement(servers: list[CatalogueServer]) -> None:
    """Dates, sizes and watts are within what SPEC ever published."""
    assert len(servers) == len({server.slug for server in servers}) == 495
    for server in servers:
        require_load_curve(server.curve.watts, where=server.slug)
        assert date(2007, 11, 1) <= server.published <= date(2022, 12, 31)
        assert 1 <= server.chips <= server.cores <= 512
        assert server.cpu_key
        assert vendor_name(server.vendor) == server.vendor


def test_the_slug_says_vendor_model_and_cpu(servers: list[CatalogueServer]) -> None:
    """Names are for people; a second result of the same type gets a number."""
    assert server_slug("Dell Inc.", "PowerEdge R720 (Intel)", "Intel Xeon E5-2660") == (
        "dell-poweredge-r720-e5-2660"
    )
    names = {server.slug for server in servers}
    assert {
        "dell-poweredge-r720-e5-2660",
        "dell-poweredge-r740-8180",
        "lenovo-thinksystem-sr645-7763",
    } <= names


def test_the_servers_of_the_standard_fleets_have_their_published_watts() -> None:
    """The benchmark fleets are these three results."""
    servers = Catalogue.shipped().servers
    dell = servers["dell-poweredge-r720-e5-2660"]
    assert (dell.cores, dell.memory_gigabytes, dell.curve.peak_watts) == (16, 24, 231)
    assert dell.published == date(2012, 11, 28)
    assert servers["dell-poweredge-r740-8180"].curve.peak_watts == 457
    assert servers["lenovo-thinksystem-sr645-7763"].curve.watts_at(0.9) == 385


def test_a_table_comes_back_as_it_was_written(servers: list[CatalogueServer]) -> None:
    """Writing and reading lose nothing, the file's own bytes included."""
    file = io.StringIO()
    write_table(servers, file)
    assert list(read_table(file.getvalue().splitlines())) == servers
    body = TABLE.read_text(encoding="utf-8").partition("\n")[2]
    assert file.getvalue() == body


@pytest.mark.parametrize("watts", [(1.0,) * 11, (*range(11, 0, -1),), (0.0, *range(1, 11))])
def test_watts_that_are_no_load_curve_are_refused(watts: tuple[float, ...]) -> None:
    """Flat, falling and zero watts are slips."""
    with pytest.raises(InputError, match="here"):
        require_load_curve(watts, where="here")


@pytest.mark.shared
def test_every_fact_is_that_of_a_published_result_and_none_is_missing(
    servers: list[CatalogueServer], shared_folder: Path
) -> None:
    """Our table is the union of the two development tables, result by result."""
    file = shared_folder / "data/specpower/specpower_load_levels_to_2018.csv"
    sources = {
        (each.vendor, each.cpu_key, each.cores, each.curve.watts) for each in read_load_levels(file)
    } | set(_later_results(shared_folder / "reference/specpower_servers.csv"))
    ours = {(each.vendor, each.cpu_key, each.cores, each.curve.watts) for each in servers}
    assert ours == sources


def _later_results(file: Path) -> Iterator[tuple[str, str, int, tuple[float, ...]]]:
    with file.open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            watts = (row["w_idle"], *(row[f"w{level}"] for level in range(10, 101, 10)))
            yield (
                vendor_name(row["vendor"]),
                cpu_model_key(row["cpu"]),
                int(row["cores"]),
                tuple(float(value) for value in watts),
            )
