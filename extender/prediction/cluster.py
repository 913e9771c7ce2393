"""The cluster's own nodes as servers, where a cluster is followed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from extender.prediction.servers import Bools, Floats, Servers


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClusterServers:
    """Nodes as they stand; one entry each in every column.

    ``added_watts`` is what the task adds to the node now, its waking included; ``fits`` whether
    that many cores are free of requests; ``takes`` whether the scheduler would put it there.
    """

    names: tuple[str, ...]
    servers: Servers
    added_watts: Floats
    free_cores: Floats
    fits: Bools
    takes: Bools


#: Asked with the cores of the task on the thread of the core; a text says why it is not known.
ClusterSource: TypeAlias = Callable[[float], ClusterServers | str]


def no_cluster(_task_cores: float) -> str:
    """The source of a service that follows no cluster."""
    return "this service follows no cluster; ask the extender, or describe the servers"
