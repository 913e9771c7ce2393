"""Host ports (plugin NodePorts)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from cluster.constraints import HostPort
from cluster.model import Pod
from cluster.scheduling.placed_pods import PodKind
from cluster.scheduling.table import Bools, NodeTable

CONFLICT = "node(s) didn't have free ports for the requested pod ports"

ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - Kubernetes' name for every address, nothing is bound here


def free(table: NodeTable, pod: Pod) -> Bools:
    """Where none of the pod's host ports is taken."""
    mask = np.ones(len(table), np.bool_)
    for port in pod.host_ports:
        mask &= _takers(table, port) == 0
    return mask


def _takers(table: NodeTable, wanted: HostPort) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    def weight_of(kind: PodKind) -> int:
        return int(collides(wanted, kind.host_ports))

    return table.placed.count(("host port", wanted), weight_of)


def collides(wanted: HostPort, taken: Iterable[HostPort]) -> bool:
    """Whether `wanted` is among `taken`: same port and protocol on an address in common."""
    return any(
        wanted.port == other.port
        and wanted.protocol == other.protocol
        and (wanted.host_ip == other.host_ip or ANY_ADDRESS in {wanted.host_ip, other.host_ip})
        for other in taken
    )
