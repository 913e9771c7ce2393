"""What happens to nodes: a rack that fails and returns, nodes drained one after another."""

from __future__ import annotations

import numpy as np

from energy.units import SECONDS_PER_HOUR
from simulator.chooser import NodeEvent, NodeEventKind
from simulator.fleet import Fleet

RACK_RATIO = 0.15
BEST_RACK_NODES = 10
RACK_AWAY_SECONDS = 4 * SECONDS_PER_HOUR
DRAIN_RATIO = 0.2
# A node is drained every twenty minutes. It is upgraded and back a second before the next one.
UPGRADE_SECONDS = SECONDS_PER_HOUR / 3
BACK_SECONDS = UPGRADE_SECONDS - 1.0


def spread_rack(fleet: Fleet, rng: np.random.Generator) -> tuple[int, ...]:
    """15 % of the nodes of every class, consecutive within it: a rack bought over the years."""
    return across_classes(fleet, RACK_RATIO, rng)


def best_rack(fleet: Fleet) -> tuple[int, ...]:
    """The first ten nodes in the order of watts per core: a rack of the newest servers."""
    return _best_first(fleet)[:BEST_RACK_NODES]


def best_class(fleet: Fleet) -> tuple[int, ...]:
    """Nodes of the class of the fewest watts per core, at most a fifth of the fleet."""
    order = _best_first(fleet)
    group = fleet.classes.class_of_node[order[0]]
    nodes = max(1, round(DRAIN_RATIO * len(fleet.nodes)))
    return tuple(node for node in order if fleet.classes.class_of_node[node] == group)[:nodes]


def across_classes(fleet: Fleet, ratio: float, rng: np.random.Generator) -> tuple[int, ...]:
    """The stated share of each class's nodes, at least one, consecutive from a drawn one."""
    chosen: list[int] = []
    for number in range(len(fleet.classes.classes)):
        members = np.flatnonzero(fleet.classes.class_of_node == number)
        count = max(1, round(ratio * len(members)))
        start = int(rng.integers(len(members)))
        chosen += np.roll(members, -start)[:count].tolist()
    return tuple(sorted(chosen))


def rack_failure(nodes: tuple[int, ...], fails_seconds: float) -> tuple[NodeEvent, ...]:
    """All of the nodes fail at once and return together four hours later."""
    returns_seconds = fails_seconds + RACK_AWAY_SECONDS
    return (
        *(NodeEvent(seconds=fails_seconds, node=n, kind=NodeEventKind.FAIL) for n in nodes),
        *(NodeEvent(seconds=returns_seconds, node=n, kind=NodeEventKind.RETURN) for n in nodes),
    )


def rolling_upgrade(nodes: tuple[int, ...], begins_seconds: float) -> tuple[NodeEvent, ...]:
    """The nodes are drained in turn; each is back before the next one is drained."""
    events: list[NodeEvent] = []
    for place, node in enumerate(nodes):
        drained = begins_seconds + place * UPGRADE_SECONDS
        back = drained + BACK_SECONDS
        events.append(NodeEvent(seconds=drained, node=node, kind=NodeEventKind.DRAIN))
        events.append(NodeEvent(seconds=back, node=node, kind=NodeEventKind.RETURN))
    return tuple(events)


def _best_first(fleet: Fleet) -> tuple[int, ...]:
    """Nodes in the order of their class's watts per core at full load."""
    watts = np.array([group.peak_watts_per_core for group in fleet.classes.classes])
    return tuple(np.argsort(watts[fleet.classes.class_of_node], kind="stable").tolist())
