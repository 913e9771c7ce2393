"""What rules are told of a fleet, and small loops that place pods by them."""

from __future__ import annotations

import numpy as np

from cluster.scheduling.feasibility import feasible
from pricing.power_table import PowerTable
from pricing.rules import FleetPower, packed_choice


def power_of(fleet, *, usage_ratio=1.0, sleep=True):
    """What a rule is told of a fleet."""
    millicores = np.array([node.allocatable.cpu_millicores for node in fleet.nodes])
    return FleetPower(
        classes=fleet.classes,
        power=PowerTable.of(fleet.profiles, millicores),
        usage_ratio=usage_ratio,
        nodes_may_sleep=sleep,
    )


def choice(rule, table, pod):
    """The node a rule takes, -1 if none."""
    return packed_choice(table, pod, feasible(table, pod), rule.costs(table, pod))


def place(rule, table, pods):
    """Place pods one after the other; the node of each, -1 for one that fits nowhere."""
    nodes = []
    for pod in pods:
        node = choice(rule, table, pod)
        if node >= 0:
            table.assign(pod, node)
        nodes.append(node)
    return nodes


def true_watts(fleet, table, *, usage_ratio=1.0, sleep=True):
    """Watts of the fleet, node by node from each one's own curve."""
    total = 0.0
    for row, profile in enumerate(fleet.profiles):
        load = table.requested_cpu_millicores[row] / table.allocatable_cpu_millicores[row]
        empty = profile.sleep_watts if sleep else profile.idle_watts
        total += profile.curve.watts_at(usage_ratio * load) if table.pod_count[row] else empty
    return total
