"""What a trial's placement costs: simulated watts, by measured curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cluster.model import Pod
from simulator.accounting import node_watts
from simulator.chooser import NOWHERE
from simulator.fleet import Fleet
from simulator.policy import Setting
from simulator.standard import COLUMNS, Column


def setting_of(column: Column) -> Setting:
    """What a column says of use and sleep."""
    return Setting(usage_ratio=column.usage_ratio, nodes_may_sleep=column.nodes_may_sleep)


def placement_watts(
    fleet: Fleet, pods: Sequence[Pod], node_of_pod: NDArray[np.int64], setting: Setting
) -> float:
    """Watts of the whole fleet with these pods on these rows; `NOWHERE` is on none."""
    load, used = _load(fleet, pods, node_of_pod)
    every = np.arange(len(fleet.nodes))
    watts = node_watts(every, load, fleet.profiles, fleet.cpu_cores, setting.usage_ratio)
    if setting.nodes_may_sleep:
        watts = np.where(used, watts, [profile.sleep_watts for profile in fleet.profiles])
    return float(watts.sum())


def column_watts(
    fleet: Fleet, pods: Sequence[Pod], node_of_pod: NDArray[np.int64]
) -> Mapping[str, float]:
    """The same by each column of the standard benchmark."""
    return {
        column.name: placement_watts(fleet, pods, node_of_pod, setting_of(column))
        for column in COLUMNS
    }


def nodes_used(node_of_pod: NDArray[np.int64]) -> int:
    """How many nodes carry a pod."""
    return len(np.unique(node_of_pod[node_of_pod != NOWHERE]))


def _load(
    fleet: Fleet, pods: Sequence[Pod], node_of_pod: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    load = np.zeros(len(fleet.nodes), dtype=np.int64)
    used = np.zeros(len(fleet.nodes), dtype=np.bool_)
    for pod, node in zip(pods, node_of_pod.tolist(), strict=True):
        if node != NOWHERE:
            load[node] += pod.requests.cpu_millicores
            used[node] = True
    return load, used
