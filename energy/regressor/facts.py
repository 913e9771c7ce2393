"""What the regressor may know of a server: never one of its inner load points."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from energy.errors import InputError
from energy.servers import CatalogueServer

#: Historical servers were measured up to five years late; one result of 2018 dates an EPYC of 2017
#: to 2008. A hardware date this far back is a slip, and the publication date is used instead.
MAX_YEARS_TO_PUBLICATION: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """A server by its size, age and maker, with idle and peak watts where somebody knows them.

    `cores` are physical cores of the whole server; `hardware_year` may hold a fraction. Everything
    but `cores` may be None: unknown.
    """

    cores: int
    idle_watts: float | None = None
    peak_watts: float | None = None
    chips: int | None = None
    threads: int | None = None
    base_gigahertz: float | None = None
    memory_gigabytes: float | None = None
    hardware_year: float | None = None
    vendor: str | None = None
    cpu_maker: str | None = None

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, (int, float)) and not (math.isfinite(value) and value > 0):
                raise InputError(
                    f"{name} is {value}", mend="give a finite number above 0, or leave it out"
                )
        idle, peak = self.idle_watts, self.peak_watts
        if idle is not None and peak is not None and idle >= peak:
            raise InputError(
                f"idle_watts {idle:g} is not below peak_watts {peak:g}",
                mend="check that both are the whole server's watts, and their order",
            )

    def without_watts(self) -> ServerFacts:
        """Return the facts of a server that no meter ever saw."""
        return replace(self, idle_watts=None, peak_watts=None)


def facts_of(server: CatalogueServer) -> ServerFacts:
    """Return what the regressor may see of a measured server: two of its points, and its size."""
    available = server.hardware_available
    if server.published.year - available.year > MAX_YEARS_TO_PUBLICATION:
        available = server.published
    return ServerFacts(
        cores=server.cores,
        idle_watts=server.curve.idle_watts,
        peak_watts=server.curve.peak_watts,
        chips=server.chips,
        threads=server.threads,
        base_gigahertz=server.base_gigahertz,
        memory_gigabytes=server.memory_gigabytes,
        hardware_year=available.year + (available.month - 1) / 12,
        vendor=server.vendor,
        cpu_maker=server.cpu_maker,
    )
