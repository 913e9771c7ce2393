"""The catalogue of measured servers, and the chain that finds a profile for any node.

The chain, best first: a PowerProfile that somebody wrote for the node, the catalogue by instance
type or by CPU model, and last the number of cores. (Where a meter is read, `energy.metering` puts
it before all of these.) Each answer names its link and its scope, and its notes say why the links
before it gave none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import resources
from types import MappingProxyType
from typing import Final, Self, TypeAlias

from energy.cloud import CloudInstance, shipped_instances
from energy.generic import SINCE_HARDWARE_YEAR, generic_profile, typical_shape
from energy.hardware_names import cpu_maker, cpu_model_key
from energy.power_curve import PowerCurve
from energy.power_profile import PowerProfile, curve_between
from energy.profile import NodePowerProfile, ProfileSource, Scope
from energy.regressor.facts import ServerFacts
from energy.regressor.features import DEFAULT_THREADS_PER_CORE
from energy.servers import CatalogueServer, read_table

__all__ = ["Catalogue", "CatalogueServer", "NodeFacts"]

PredictCurve: TypeAlias = Callable[[ServerFacts], PowerCurve]

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
    instances: Mapping[str, CloudInstance] = field(default_factory=dict)
    power_profiles: tuple[PowerProfile, ...] = ()
    predict_curve: PredictCurve | None = None

    @classmethod
    def shipped(cls) -> Self:
        """Return the catalogue that travels with the package."""
        return cls(servers=_shipped_servers(), instances=shipped_instances())

    def with_power_profiles(
        self, profiles: Sequence[PowerProfile], predict_curve: PredictCurve | None = None
    ) -> Catalogue:
        """Return this catalogue with what operators wrote about their nodes.

        `predict_curve` (the regressor's) draws the curve where only idle and peak are written;
        without it the typical shape of the catalogue's recent servers does.
        """
        return replace(self, power_profiles=tuple(profiles), predict_curve=predict_curve)

    def resolve(self, facts: NodeFacts) -> NodePowerProfile:
        """Return the best profile that these facts allow; never fails for a known core count."""
        notes: list[str] = []
        for link in (self._by_power_profile, self._by_instance_type, self._by_cpu_model):
            profile = link(facts, notes)
            if profile is not None:
                return replace(profile, notes=(*notes, *profile.notes))
        return generic_profile(self.servers.values(), facts.cpu_cores, notes=tuple(notes))

    def with_cpu_model(self, cpu_model: str) -> list[CatalogueServer]:
        """Return all servers with a CPU model, however it is spelled, newest result first."""
        key = cpu_model_key(cpu_model)
        found = [server for server in self.servers.values() if server.cpu_key == key]
        return sorted(found, key=lambda server: (server.published, server.slug), reverse=True)

    def _by_power_profile(self, facts: NodeFacts, notes: list[str]) -> NodePowerProfile | None:
        matching = [profile for profile in self.power_profiles if profile.matches(facts.labels)]
        walls = [profile for profile in matching if profile.spec.scope == Scope.WALL.value]
        notes.extend(
            f"PowerProfile {profile.metadata.name} is for packages, not for the wall"
            for profile in matching
            if profile not in walls
        )
        if not walls:
            notes.append("no PowerProfile matches the node's labels")
            return None
        # The most specific selector wins; among equals the first name, so that it never flaps.
        walls.sort(key=lambda profile: (-len(profile.spec.nodeSelector), profile.metadata.name))
        return self.written(walls[0], facts)

    def written(self, profile: PowerProfile, facts: NodeFacts | None = None) -> NodePowerProfile:
        """Return what an operator wrote, its curve drawn where only idle and peak are written.

        Without facts (of what size the node is) the typical shape draws it; a note says what did.
        """
        line = profile.node_profile()
        if not profile.idle_and_peak_only:
            return line
        if self.predict_curve is None or facts is None:
            curve = curve_between(line.idle_watts, line.peak_watts, self._typical_shape())
            note = f"between idle and peak the typical shape since {SINCE_HARDWARE_YEAR}"
        else:
            curve = self.predict_curve(self._server_facts(facts, line))
            note = "between idle and peak as the energy regressor predicts"
        return replace(profile.node_profile(curve), notes=(note,))

    def _server_facts(self, facts: NodeFacts, line: NodePowerProfile) -> ServerFacts:
        # The regressor was trained on physical cores; a node counts hardware threads.
        known = self.with_cpu_model(facts.cpu_model) if facts.cpu_model else []
        per_core = known[0].cpu_threads / known[0].cores if known else DEFAULT_THREADS_PER_CORE
        cores = max(1, round(facts.cpu_cores / per_core))
        return ServerFacts(
            cores=cores,
            threads=max(cores, round(facts.cpu_cores)),
            idle_watts=line.idle_watts,
            peak_watts=line.peak_watts,
            cpu_maker=cpu_maker(facts.cpu_model) if facts.cpu_model else None,
        )

    def _by_instance_type(self, facts: NodeFacts, notes: list[str]) -> NodePowerProfile | None:
        if not facts.instance_type:
            notes.append("no instance type is known")
            return None
        instance = self.instances.get(facts.instance_type.strip().lower())
        if instance is None:
            notes.append(f"the instance type {facts.instance_type!r} is not in the catalogue")
            return None
        if instance.trust == 0:
            notes.append(f"the catalogue's watts of {instance.architecture}: {instance.remark}")
            return None
        return instance.profile(self._typical_shape(), ())

    def _typical_shape(self) -> tuple[float, ...]:
        return tuple(float(rise) for rise in typical_shape(self.servers.values()))

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
        share_ratio = facts.cpu_cores / server.cpu_threads
        share = profile.with_curve(profile.curve.scaled(share_ratio))
        note = f"{share_ratio:.3g} of {server.slug}, by hardware threads"
        return replace(share, trust=SHARE_TRUST, notes=(note,))


def _size_distance(server: CatalogueServer, cpu_cores: float) -> float:
    sizes = (server.cores, server.cpu_threads)
    return min(abs(size - cpu_cores) for size in sizes)


@lru_cache(maxsize=1)
def _shipped_servers() -> Mapping[str, CatalogueServer]:
    table = resources.files("energy").joinpath("data", "specpower_servers.csv")
    with table.open(encoding="utf-8") as lines:
        return MappingProxyType({server.slug: server for server in read_table(lines)})
