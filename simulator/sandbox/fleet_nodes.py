"""The nodes of a sandbox: servers of a named fleet in its proportions, and their power profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from energy.catalogue import Catalogue
from energy.errors import InputError
from energy.power_curve import LOAD_LEVELS
from energy.power_profile import API_VERSION
from energy.profile import NodePowerProfile
from energy.servers import CatalogueServer
from pricing.program import BYTES_PER_GIBIBYTE
from simulator.fleet import FLEETS, Fleet, fleet_of_servers
from simulator.sandbox.fake_node import fake_node

SERVER_LABEL = "negawatt.dev/server"
ZONE_LABEL = "topology.kubernetes.io/zone"
ZONES = ("zone-a", "zone-b", "zone-c")
NODES_MAX = 5000  # what Kubernetes itself is tested with
PODS_PER_NODE = 110


def drawn_servers(fleet: str, nodes: int | None) -> dict[str, int]:
    """So many nodes of each server, in the proportions of a fleet of `FLEETS`; server -> count.

    Left out, `nodes` is the fleet's own count. Shares are rounded by largest remainder, the first
    server first where remainders are equal.

    Raises:
        InputError: there is no such fleet, or no cluster of that size.
    """
    if fleet not in FLEETS:
        raise InputError(
            f"no fleet is named {fleet!r}", where="--fleet", mend=f"use one of {', '.join(FLEETS)}"
        )
    counts = FLEETS[fleet]
    whole = sum(counts.values())
    wanted = whole if nodes is None else nodes
    if not 1 <= wanted <= NODES_MAX:
        raise InputError(
            f"{wanted} nodes cannot be simulated", where="--nodes", mend=f"give 1 to {NODES_MAX}"
        )
    drawn = {slug: count * wanted // whole for slug, count in counts.items()}
    by_remainder = sorted(counts, key=lambda slug: -(counts[slug] * wanted % whole))
    for slug in by_remainder[: wanted - sum(drawn.values())]:
        drawn[slug] += 1
    return {slug: count for slug, count in drawn.items() if count}


def sandbox_fleet(
    fleet: str, servers: Mapping[str, int], catalogue: Catalogue, *, tier_labels: bool
) -> Fleet:
    """The nodes that `drawn_servers` counted, named node-0000 and so on in the fleet's order."""
    drawn = fleet_of_servers(fleet, servers, catalogue)
    return drawn.with_tiers() if tier_labels else drawn


def node_manifests(fleet: Fleet) -> list[dict[str, object]]:
    """Describe every node of a fleet to the API server; the zones take turns."""
    return [
        fake_node(
            node.name,
            cpu=f"{node.allocatable.cpu_millicores}m",
            memory=_memory(node.allocatable.memory_bytes),
            pods=PODS_PER_NODE,
            labels={
                SERVER_LABEL: profile.name,
                ZONE_LABEL: ZONES[index % len(ZONES)],
                **node.labels,
            },
        )
        for index, (node, profile) in enumerate(zip(fleet.nodes, fleet.profiles, strict=True))
    ]


def power_profiles(servers: Sequence[CatalogueServer]) -> list[dict[str, object]]:
    """Describe one PowerProfile per kind of server, as an operator would who knows the curves."""
    return [power_profile(server.profile()) for server in servers]


def power_profile(profile: NodePowerProfile) -> dict[str, object]:
    """Describe the PowerProfile of nodes that carry the profile's name as their server's label."""
    return {
        "apiVersion": API_VERSION,
        "kind": "PowerProfile",
        "metadata": {"name": profile.name},
        "spec": {
            "nodeSelector": {SERVER_LABEL: profile.name},
            "load_level_watts": profile.curve.watts_at_each(LOAD_LEVELS).tolist(),
            "sleep_watts": profile.sleep_watts,
            "wake_seconds": profile.wake_seconds,
            "wake_joules": profile.wake_joules,
            "shutdown_seconds": profile.shutdown_seconds,
            "shutdown_joules": profile.shutdown_joules,
        },
    }


def _memory(size_bytes: int) -> str:
    gibibytes, rest = divmod(size_bytes, int(BYTES_PER_GIBIBYTE))
    return str(size_bytes) if rest else f"{gibibytes}Gi"
