"""A server that SPEC published a power curve for: the facts we carry, and the table they travel in.

The table (`energy/data/specpower_servers.csv`) is our own: names, sizes and watts re-entered as
facts, each with SPEC's publication date. No text of any other collection travels with it.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final, TextIO

from energy.errors import InputError
from energy.hardware_names import cpu_maker, cpu_model_key, slug, vendor_name
from energy.power_curve import PowerCurve
from energy.profile import NodePowerProfile, ProfileSource, Scope

LEVEL_COLUMNS: Final = ("idle_watts", *(f"load_{level}_watts" for level in range(10, 101, 10)))
#: Everything that the table may hold, in order; a test keeps it to these columns.
COLUMNS: Final = (
    "server",
    "published",
    "hardware_available",
    "vendor",
    "model",
    "cpu",
    "chips",
    "cores",
    "threads",
    "base_gigahertz",
    "memory_gigabytes",
    *LEVEL_COLUMNS,
    "full_load_ssj_ops",
)

#: What a gigabyte of memory is in the table, and so wherever a model trained on it is asked: SPEC's
#: results state installed modules, which are sold by powers of two.
BYTES_PER_GIGABYTE: Final = 2**30

#: A steady-state wall measurement of the same server type, though not of this very machine, under
#: one Java workload: below what a meter on the node itself deserves.
SAME_SERVER_TRUST: Final = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueServer:
    """One published result: what the server is, and its wall watts at eleven load levels.

    `published` is the day of SPEC's result, `hardware_available` the first day of the month that
    it names. A size that the result does not state is None.
    """

    slug: str
    vendor: str
    model: str
    cpu: str
    chips: int
    cores: int
    threads: int | None
    base_gigahertz: float | None
    memory_gigabytes: float | None
    hardware_available: date
    published: date
    curve: PowerCurve
    full_load_ssj_ops: int | None = None

    @property
    def cpu_key(self) -> str:
        """The CPU model, the same for all of its spellings."""
        return cpu_model_key(self.cpu)

    @property
    def cpu_threads(self) -> int:
        """Hardware threads, which is what Kubernetes counts as CPUs; cores where unstated."""
        return self.threads or self.cores

    @property
    def cpu_maker(self) -> str:
        """Who made the CPU."""
        return cpu_maker(self.cpu)

    @property
    def hardware_year(self) -> int:
        """The year in which the hardware could be bought."""
        return self.hardware_available.year

    def profile(self) -> NodePowerProfile:
        """Return the power profile of a node that is this server."""
        return NodePowerProfile(
            name=self.slug,
            curve=self.curve,
            scope=Scope.WALL,
            source=ProfileSource.CATALOGUE_CPU_MODEL,
            trust=SAME_SERVER_TRUST,
        )


def server_slug(vendor: str, model: str, cpu: str) -> str:
    """Return the short name of a server type, such as `dell-poweredge-r720-e5-2660`."""
    brand = vendor_name(vendor)
    plain_model = model.partition("(")[0].replace("Think System", "ThinkSystem")
    words = [word for word in plain_model.split() if word.lower() not in {brand.lower(), "server"}]
    return slug(brand, *words, *cpu_model_key(cpu).split()[1:])


def read_table(lines: Iterable[str]) -> Iterator[CatalogueServer]:
    """Yield the servers of our own table, in its order."""
    for row in csv.DictReader(line for line in lines if not line.startswith("#")):
        yield _from_row(row)


def write_table(servers: Iterable[CatalogueServer], file: TextIO) -> None:
    """Write servers as the table that `read_table` reads."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for server in servers:
        writer.writerow(_to_row(server))


def _from_row(row: Mapping[str, str]) -> CatalogueServer:
    return CatalogueServer(
        slug=row["server"],
        vendor=row["vendor"],
        model=row["model"],
        cpu=row["cpu"],
        chips=int(row["chips"]),
        cores=int(row["cores"]),
        threads=int(row["threads"]) if row["threads"] else None,
        base_gigahertz=float(row["base_gigahertz"]) if row["base_gigahertz"] else None,
        memory_gigabytes=float(row["memory_gigabytes"]) if row["memory_gigabytes"] else None,
        hardware_available=date.fromisoformat(row["hardware_available"] + "-01"),
        published=date.fromisoformat(row["published"]),
        curve=PowerCurve.from_load_levels([float(row[column]) for column in LEVEL_COLUMNS]),
        full_load_ssj_ops=int(row["full_load_ssj_ops"]) if row["full_load_ssj_ops"] else None,
    )


def _to_row(server: CatalogueServer) -> list[str]:
    return [
        server.slug,
        server.published.isoformat(),
        server.hardware_available.strftime("%Y-%m"),
        server.vendor,
        server.model,
        server.cpu,
        str(server.chips),
        str(server.cores),
        _cell(server.threads),
        _cell(server.base_gigahertz),
        _cell(server.memory_gigabytes),
        *(_cell(value) for value in server.curve.watts),
        _cell(server.full_load_ssj_ops),
    ]


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"


def require_load_curve(watts: tuple[float, ...], *, where: str) -> PowerCurve:
    """Return the curve of eleven measured points, or raise what makes them no measurement."""
    if not all(math.isfinite(value) and value > 0 for value in watts):
        raise InputError(
            f"watts are no finite number above 0: {', '.join(f'{value:g}' for value in watts)}",
            where=where,
            mend="enter the measured watts, or leave the server out",
        )
    if watts[-1] <= watts[0]:
        raise InputError(
            f"{watts[-1]:g} W at full load are not above the {watts[0]:g} W at idle",
            where=where,
            mend="check the order of the columns, or leave the server out",
        )
    return PowerCurve.from_load_levels(watts)
