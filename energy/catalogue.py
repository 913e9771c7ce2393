"""The catalogue of measured servers, and the chain that finds a profile for any node.

The chain, best first: a PowerProfile that somebody wrote for the node, the catalogue by instance
type or by CPU model, and last the number of cores. (Where a meter is read, `energy.metering` puts
it before all of these.) Each answer names its link and its scope, and its notes say why the links
before it gave none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import resources
from types import MappingProxyType
from typing import Final, Self

from energy.generic import generic_profile
from energy.hardware_names import cpu_model_key
from energy.profile import NodePowerProfile, ProfileSource
from energy.servers import CatalogueServer, read_table

__all__ = ["Catalogue", "CatalogueServer", "NodeFacts"]

#: The share of a larger server is a rougher guess than the server itself.
SHARE_TRUST: Final = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """What is known of a node without a meter.

    `cpu_cores` is Kubernetes' count: hardware threads on most machines, physical cores on some.
    """

    name: str
    cpu_cores: float
    cpu_model: str | None = None
    instance_type: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Measured servers by their short names, and the chain over them."""

    servers: Mapping[str, CatalogueServer]

    @classmethod
    def shipped(cls) -> Self:
        """Return the catalogue that travels with the package."""
        return cls(servers=_shipped_servers())

    def resolve(self, facts: NodeFacts) -> NodePowerProfile:
        """Return the best profile that these facts allow; never fails for a known core count."""
        notes: list[str] = []
        profile = self._by_cpu_model(facts, notes)
        if profile is None:
            profile = generic_profile(self.servers.values(), facts.cpu_cores)
        return replace(profile, notes=tuple(notes))

    def with_cpu_model(self, cpu_model: str) -> list[CatalogueServer]:
        """Return all servers with a CPU model, however it is spelled, newest result first."""
        key = cpu_model_key(cpu_model)
        found = [server for server in self.servers.values() if server.cpu_key == key]
        return sorted(found, key=lambda server: (server.published, server.slug), reverse=True)

    def _by_cpu_model(self, facts: NodeFacts, notes: list[str]) -> NodePowerProfile | None:
        if not facts.cpu_model:
            notes.append("no CPU model is known")
            return None
        found = self.with_cpu_model(facts.cpu_model)
        if not found:
            notes.append(f"no measured server has the CPU model {facts.cpu_model!r}")
            return None
        server = min(found, key=lambda server: _size_distance(server, facts.cpu_cores))
        profile = replace(server.profile(), source=ProfileSource.CATALOGUE_CPU_MODEL)
        if _size_distance(server, facts.cpu_cores) == 0:
            return profile
        share_ratio = facts.cpu_cores / (server.threads or server.cores)
        notes.append(f"{share_ratio:.3g} of {server.slug}, by hardware threads")
        return replace(profile.with_curve(profile.curve.scaled(share_ratio)), trust=SHARE_TRUST)


def _size_distance(server: CatalogueServer, cpu_cores: float) -> float:
    sizes = (server.cores, server.threads or server.cores)
    return min(abs(size - cpu_cores) for size in sizes)


@lru_cache(maxsize=1)
def _shipped_servers() -> Mapping[str, CatalogueServer]:
    table = resources.files("energy").joinpath("data", "specpower_servers.csv")
    with table.open(encoding="utf-8") as lines:
        return MappingProxyType({server.slug: server for server in read_table(lines)})
