"""Reads the CSV that `negawatt energy evaluate` takes: one measured server a row, 11 load levels.

Columns: publication, hardware_availability, vendor, model, cpuname, cpufreq (MHz), cpusenabled
("16 cores, 2 chips, 8 cores/chip"), hardwarethreads ("32 (2 / core)"), memamountgb, watts_idle,
watts_10 .. watts_100 and, where known, ssj_ops_100. Any row that is no measurement stops the
reading with one line that names it; nothing is guessed and nothing is skipped in silence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Final

from energy.csv_rows import Row, read_rows
from energy.errors import InputError
from energy.hardware_names import cpu_label, cpu_model_key, vendor_name
from energy.servers import CatalogueServer, require_load_curve, server_slug

WATT_COLUMNS: Final = ("watts_idle", *(f"watts_{level}" for level in range(10, 101, 10)))
REQUIRED_COLUMNS: Final = (
    "publication",
    "hardware_availability",
    "vendor",
    "model",
    "cpuname",
    "cpufreq",
    "cpusenabled",
    "hardwarethreads",
    "memamountgb",
    *WATT_COLUMNS,
)
_MONTHS: Final = (
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
)
#: What SPEC and tables derived from it write for "not stated".
_UNSTATED: Final = frozenset({"", "-", "--", "n/a", "na", "none", "nc"})
#: Above this no single server exists; a value beyond it is a slip of the unit.
#: Below this no server runs: 0.1 W, 1 MiB of memory, a clock of 1 MHz.
_LOWEST: Final = {"GB": 1 / 1024, "MHz": 1.0, "W": 0.1, "ssj_ops": 0.0}
_LIMITS: Final = {"cores": 8192, "threads": 32768, "GB": 1_048_576, "GHz": 20.0, "W": 100_000.0}


def read_load_levels(path: Path) -> list[CatalogueServer]:
    """Read all servers of a load-level file, in its order; slugs are unique within the file."""
    rows = list(read_rows(path, REQUIRED_COLUMNS, "a SPECpower load-level table"))
    if not rows:
        raise InputError("no server in the file", where=str(path), mend="give at least one row")
    servers = [_server(row) for row in rows]
    return list(_with_unique_slugs(servers))


def _server(row: Row) -> CatalogueServer:
    cpu = cpu_label(row.text("cpuname"))
    if not cpu_model_key(cpu):
        raise row.error("cpuname", "a CPU model, which decides whether the model has seen it")
    cores, chips = _cores_and_chips(row)
    threads = _leading_count(row, "hardwarethreads", _LIMITS["threads"])
    megahertz = _optional(row, "cpufreq", _LOWEST["MHz"], _LIMITS["GHz"] * 1000)
    watts = tuple(row.number(column) for column in WATT_COLUMNS)
    for column, value in zip(WATT_COLUMNS, watts, strict=True):
        if not _LOWEST["W"] <= value <= _LIMITS["W"]:
            raise row.error(column, f"one server's watts, {_LOWEST['W']:g} to {_LIMITS['W']:g}")
    stated = "ssj_ops_100" in row.cells
    ssj_ops = _optional(row, "ssj_ops_100", _LOWEST["ssj_ops"], 1e12) if stated else None
    return CatalogueServer(
        slug=server_slug(row.text("vendor"), row.text("model"), cpu),
        vendor=vendor_name(row.text("vendor")),
        model=row.text("model"),
        cpu=cpu,
        chips=chips,
        cores=cores,
        threads=threads,
        base_gigahertz=megahertz / 1000 if megahertz else None,
        memory_gigabytes=_optional(row, "memamountgb", _LOWEST["GB"], _LIMITS["GB"]),
        hardware_available=_date(row, "hardware_availability"),
        published=_date(row, "publication"),
        curve=require_load_curve(watts, where=row.where),
        full_load_ssj_ops=round(ssj_ops) if ssj_ops else None,
    )


def _optional(row: Row, column: str, lowest: float, highest: float) -> float | None:
    if row.text(column).lower() in _UNSTATED:
        return None
    value = row.number(column)
    if not (value > 0 and lowest <= value <= highest):
        raise row.error(column, f"a number above 0, from {lowest:.3g} to {highest:g}")
    return value


def _cores_and_chips(row: Row) -> tuple[int, int]:
    expected = "of the form '16 cores, 2 chips, 8 cores/chip'"
    text = row.text("cpusenabled").lower()
    cores = re.match(r"(\d{1,5})(?:\s+cores?\b|$)", text)
    if not cores or not 0 < int(cores[1]) <= _LIMITS["cores"]:
        raise row.error("cpusenabled", expected)
    chips = re.search(r"\b(\d{1,4})\s+chips?\b", text)
    count = int(chips[1]) if chips else 1
    if not 0 < count <= int(cores[1]):
        raise row.error("cpusenabled", expected)
    return int(cores[1]), count


def _leading_count(row: Row, column: str, limit: float) -> int | None:
    text = row.text(column).lower()
    if text in _UNSTATED:
        return None
    match = re.match(r"(\d{1,6})(?:\.0+)?(?:\s|$|\()", text)
    if not match or not 0 < int(match[1]) <= limit:
        raise row.error(column, "a count such as '32 (2 / core)'")
    return int(match[1])


def _date(row: Row, column: str) -> date:
    """Read `Dec 11, 2007`, `Sep-2007`, `2007-09` or `2007-09-30`; a month is its first day."""
    text = row.text(column)
    for pattern, build in _DATES:
        match = re.fullmatch(pattern, text, re.IGNORECASE)
        try:
            if match:
                return build(match)
        except (ValueError, KeyError):
            break
    raise row.error(column, "a date such as 'Dec 11, 2007' or 'Sep-2007'")


def _month(name: str) -> int:
    return _MONTHS.index(name[:3].lower()) + 1


_DATES: Final[tuple[tuple[str, Callable[[re.Match[str]], date]], ...]] = (
    (
        r"([a-z]{3,9})\.? (\d{1,2}), ?(\d{4})",
        lambda found: date(int(found[3]), _month(found[1]), int(found[2])),
    ),
    (r"([a-z]{3,9})[- ](\d{4})", lambda found: date(int(found[2]), _month(found[1]), 1)),
    (r"(\d{4})-(\d{2})", lambda found: date(int(found[1]), int(found[2]), 1)),
    (
        r"(\d{4})-(\d{2})-(\d{2})",
        lambda found: date(int(found[1]), int(found[2]), int(found[3])),
    ),
)


def _with_unique_slugs(servers: list[CatalogueServer]) -> Iterator[CatalogueServer]:
    seen: dict[str, int] = {}
    for server in servers:
        seen[server.slug] = count = seen.get(server.slug, 0) + 1
        yield server if count == 1 else replace(server, slug=f"{server.slug}-{count}")
