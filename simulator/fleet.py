"""Simulated fleets: nodes of measured servers, named or read from a file."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cluster.model import Node, Resources
from cluster.scheduling.profile import ENERGY_TIER_LABEL, ENERGY_TIERS
from energy.catalogue import Catalogue, CatalogueServer
from energy.csv_rows import CsvText, Row
from energy.errors import InputError
from energy.profile import NodePowerProfile
from energy.servers import BYTES_PER_GIGABYTE
from pricing.node_class import CPU_MILLICORES_PER_CORE, NodeClass, NodeClasses, classify
from pricing.rules import SAME_COST_RATIO
from simulator.pod_file import BYTES_PER_MEBIBYTE

# Servers of one composition each; SPECpower results, see `negawatt energy catalogue`.
R720, R740 = "dell-poweredge-r720-e5-2660", "dell-poweredge-r740-8180"
SR645 = "lenovo-thinksystem-sr645-7763"
STANDARD_SERVERS = (R720, R740, SR645)
FLEETS: Mapping[str, Mapping[str, int]] = {
    "homogeneous": {"fujitsu-primergy-rx2540-m5-8280l": 60},
    "two-generations": {
        "hpe-proliant-dl360-gen9-e5-2699-v3": 30,
        "hpe-proliant-dl380-gen10-plus-8380": 30,
    },
    # Old, middle and new servers of four vendors, a sixfold spread of watts per core.
    "mixed": {
        R720: 16,
        "hpe-proliant-dl360-gen9-e5-2699-v3": 8,
        R740: 6,
        "hpe-proliant-dl360-gen10-8280": 6,
        "fujitsu-primergy-rx2540-m5-8280l": 6,
        "dell-poweredge-r6515-7702p": 6,
        "lenovo-thinksystem-sr655-7742": 6,
        "hpe-proliant-dl380-gen10-plus-8380": 6,
    },
    "20/30/10": {R720: 20, R740: 30, SR645: 10},
    "20/20/20": {R720: 20, R740: 20, SR645: 20},
}

OPENB_NODE_COLUMNS = ("sn", "cpu_milli", "memory_mib")
NODE_COLUMNS = ("name", "cpu_millicores", "memory_mebibytes", "server")
# Servers bought before this year are rare in clusters that run Kubernetes.
OLDEST_HARDWARE_YEAR = 2012
# A node size meets this many server types at most, so that classes stay few as in real fleets.
SERVERS_PER_SIZE = 3


@dataclass(frozen=True)
class Fleet:
    """Nodes with their power profiles, one profile per node, in node order."""

    name: str
    nodes: tuple[Node, ...]
    profiles: tuple[NodePowerProfile, ...]

    @cached_property
    def classes(self) -> NodeClasses:
        """The fleet's nodes by class."""
        return classify(self.nodes, self.profiles)

    @cached_property
    def cpu_cores(self) -> NDArray[np.float64]:
        """Allocatable cores, one per node."""
        cores = [node.allocatable.cpu_millicores / CPU_MILLICORES_PER_CORE for node in self.nodes]
        return np.array(cores)

    @cached_property
    def memory_bytes(self) -> NDArray[np.float64]:
        """Allocatable memory, one per node."""
        return np.array([float(node.allocatable.memory_bytes) for node in self.nodes])

    def fits(
        self, cpu_cores: NDArray[np.float64], memory_bytes: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Whether each request fits at least one empty node, one entry per request."""
        sizes = np.unique(np.column_stack([self.cpu_cores, self.memory_bytes]), axis=0)
        room = (cpu_cores[:, None] <= sizes[:, 0]) & (memory_bytes[:, None] <= sizes[:, 1])
        fits: NDArray[np.bool_] = np.any(room, axis=1)
        return fits

    def with_tiers(self) -> Fleet:
        """The same fleet with tier labels by watts per core at full load, as an operator would."""
        tier_of_class = tiers(self.classes.classes)
        nodes = [
            replace(node, labels={**node.labels, ENERGY_TIER_LABEL: str(tier_of_class[group])})
            for node, group in zip(self.nodes, self.classes.class_of_node, strict=True)
        ]
        return Fleet(self.name, tuple(nodes), self.profiles)


def tiers(classes: Sequence[NodeClass]) -> list[int]:
    """Tier of each class, 0 best: one per cost where ten suffice, else ten of about equal cores.

    A careful operator with more kinds of servers than tiers would not throw most of them into the
    last one.
    """
    order = sorted(range(len(classes)), key=lambda index: classes[index].peak_watts_per_core)
    costs = [classes[index].peak_watts_per_core for index in order]
    groups = [0]
    for before, cost in itertools.pairwise(costs):
        groups.append(groups[-1] + (cost > before * (1 + SAME_COST_RATIO)))
    if groups[-1] >= ENERGY_TIERS:
        cores = np.array([classes[index].cpu_cores * classes[index].count for index in order])
        middles = (np.cumsum(cores) - cores / 2) / cores.sum()
        groups = [int(middle * ENERGY_TIERS) for middle in middles]
    found = [0] * len(classes)
    for index, group in zip(order, groups, strict=True):
        found[index] = group
    return found


def named_fleet(name: str, catalogue: Catalogue) -> Fleet:
    """A fleet of `FLEETS`.

    Raises:
        InputError: there is none of that name.
    """
    if name not in FLEETS:
        raise InputError(f"no fleet is named {name}", mend=f"use one of {', '.join(FLEETS)}")
    return fleet_of_servers(name, FLEETS[name], catalogue)


def fleet_of_servers(name: str, counts: Mapping[str, int], catalogue: Catalogue) -> Fleet:
    """So many nodes of each server, as many cores and as many GiB as SPEC's result states."""
    nodes: list[Node] = []
    profiles: list[NodePowerProfile] = []
    for slug, count in counts.items():
        server = catalogue.servers[slug]
        size = Resources(
            cpu_millicores=server.cores * CPU_MILLICORES_PER_CORE,
            memory_bytes=int((server.memory_gigabytes or 0) * BYTES_PER_GIGABYTE),
        )
        for _ in range(count):
            nodes.append(Node(name=f"node-{len(nodes):04d}", allocatable=size))
            profiles.append(server.profile())
    return Fleet(name, tuple(nodes), tuple(profiles))


def read_fleet(path: Path, catalogue: Catalogue, rng: np.random.Generator) -> Fleet:
    """Read the nodes of a file.

    It has openb's columns ``sn, cpu_milli, memory_mib``, or those of our documented CSV,
    ``name, cpu_millicores, memory_mebibytes, server`` (a catalogue name, or empty). A node whose
    server is not stated gets the curve of a server of about its core count, drawn by ``rng`` and
    scaled to its cores.

    Raises:
        InputError: the file or one of its rows cannot be used.
    """
    text = CsvText.read(path)
    is_openb = "cpu_milli" in text.header()
    columns = OPENB_NODE_COLUMNS if is_openb else NODE_COLUMNS
    name_column, cpu_column, memory_column = columns[:3]
    draw = _ServerDraw(catalogue, rng)
    nodes: dict[str, Node] = {}
    profiles = []
    for row in text.rows(columns, "nodes"):
        size = Resources(
            cpu_millicores=_positive(row, cpu_column),
            memory_bytes=_positive(row, memory_column) * BYTES_PER_MEBIBYTE,
        )
        name = row.text(name_column)
        if not name or name in nodes:
            raise row.error(name_column, "a name of its own")
        slug = "" if is_openb else row.text("server")
        if slug and slug not in catalogue.servers:
            raise row.error("server", "a server of `negawatt energy catalogue --servers`")
        if slug and size.cpu_millicores > _millicores(catalogue.servers[slug]):
            raise row.error(cpu_column, f"at most the CPUs of {slug}")
        nodes[name] = Node(name=name, allocatable=size)
        profiles.append(catalogue.servers[slug].profile() if slug else draw.profile(size))
    if not nodes:
        raise InputError("no nodes below the header", where=str(path), mend="give at least one row")
    return Fleet(path.name, tuple(nodes.values()), tuple(profiles))


def composition(fleet: Fleet) -> str:
    """The fleet in words: how many nodes of which server."""
    counts = Counter(profile.name for profile in fleet.profiles)
    return ", ".join(f"{count} × {name}" for name, count in counts.items())


class _ServerDraw:
    """Draws a measured server for a node size, a few types per size."""

    def __init__(self, catalogue: Catalogue, rng: np.random.Generator) -> None:
        self._rng = rng
        self._servers = [
            server
            for server in catalogue.servers.values()
            if server.hardware_available.year >= OLDEST_HARDWARE_YEAR
        ]
        self._types: dict[Resources, Sequence[CatalogueServer]] = {}

    def profile(self, size: Resources) -> NodePowerProfile:
        """The curve of a server of about the node's cores, scaled to exactly them."""
        cores = size.cpu_millicores / CPU_MILLICORES_PER_CORE
        if size not in self._types:
            near = sorted(self._servers, key=lambda server: _distance(server.cores, cores))
            near = near[: 4 * SERVERS_PER_SIZE]
            picks = self._rng.choice(len(near), size=SERVERS_PER_SIZE, replace=False)
            self._types[size] = [near[pick] for pick in picks]
        server = self._types[size][int(self._rng.integers(SERVERS_PER_SIZE))]
        return replace(
            NodePowerProfile(name=server.slug, curve=server.curve.scaled(cores / server.cores)),
            trust=server.profile().trust / 2,
        )


def _millicores(server: CatalogueServer) -> int:
    """All that Kubernetes could see of a server: its hardware threads."""
    return CPU_MILLICORES_PER_CORE * (server.threads or server.cores)


def _distance(server_cores: int, node_cores: float) -> float:
    return abs(math.log(server_cores / node_cores))


def _positive(row: Row, column: str) -> int:
    number = row.whole_amount(column)
    if number == 0:
        raise row.error(column, "a number above 0")
    return number
