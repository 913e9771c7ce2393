"""Which node a sample is of: exactly, or not at all. A wrong node's reading is worse than none."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

# Who says most precisely whom it speaks of comes first. `exported_*` is what the exporter said
# where Prometheus put the target's own label in its place; `node` may be the node that the
# exporter runs on.
NAMING_LABELS: Final = (
    "exported_node_name",
    "exported_node",
    "exported_nodename",
    "exported_instance",
    "node_name",
    "node",
    "nodename",
    "kubernetes_node",
    "kubernetes_io_hostname",
    "instance",
)
_ADDRESS_LABELS: Final = frozenset({"exported_instance", "instance"})


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeNames:
    """The nodes of the cluster, and what else they are called (addresses, host names)."""

    names: frozenset[str]
    aliases: Mapping[str, str] = field(default_factory=dict)

    def node_of(self, labels: Mapping[str, str]) -> str | None:
        """Return the node, or None if the labels name none that we know.

        The first naming label decides. If it names a stranger the others are not asked: an
        exporter that speaks of another machine does not speak of the one it runs on.
        """
        for label in NAMING_LABELS:
            if said := labels.get(label):
                return self._named(host_of(said) if label in _ADDRESS_LABELS else said)
        return None

    def _named(self, said: str) -> str | None:
        return said if said in self.names else self.aliases.get(said)


def said_of(labels: Mapping[str, str]) -> str:
    """Say in a few words whom a sample claims to be of: `instance=10.0.0.9:9100`."""
    for label in NAMING_LABELS:
        if labels.get(label):
            return f"{label}={labels[label]}"
    return "no label that names a node"


def host_of(address: str) -> str:
    """Return the host of `host`, `host:port` or `[v6]:port`."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    host, colon, port = address.rpartition(":")
    return host if colon and port.isdigit() and ":" not in host else address


def aliases_of(
    names: frozenset[str], claims: Iterable[tuple[str, str]]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Turn claims (alias, node) into aliases; return also those that two nodes claim.

    An alias that is another node's name, that two nodes claim, or that is loopback (everybody's)
    names nobody.
    """
    claimed: dict[str, set[str]] = {}
    for alias, node in claims:
        if alias and node in names and alias not in names and not _is_loopback(alias):
            claimed.setdefault(alias, set()).add(node)
    aliases = {alias: next(iter(nodes)) for alias, nodes in claimed.items() if len(nodes) == 1}
    return aliases, tuple(sorted(claimed.keys() - aliases.keys()))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
