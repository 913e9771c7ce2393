"""The nodes and pods that a power meter follows, and their energy up to now. Thread-safe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Lock

from simulator.sandbox.power_meter import NodeEnergy, NodePower, NodeUse, PodUse, node_power


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeReading:
    """What the meter shows of one node."""

    use: NodeUse
    power: NodePower
    energy: NodeEnergy


class MeteredCluster:
    """Integrates the watts of every node between the changes that it is told of.

    A pod may come before its node, and stay after it.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """Prepare one; `clock` gives Unix seconds."""
        self._clock = clock
        self._lock = Lock()
        self._nodes: dict[str, NodeUse] = {}
        self._pods: dict[str, dict[str, PodUse]] = {}  # node -> pod key -> pod
        self._node_of_pod: dict[str, str] = {}
        self._power: dict[str, NodePower] = {}
        self._energy: dict[str, NodeEnergy] = {}

    def put_node(self, node: NodeUse) -> None:
        """Take over a node's facts; its pods are told of separately."""
        with self._lock:
            self._settle(node.name)
            self._nodes[node.name] = node
            self._energy.setdefault(node.name, NodeEnergy(at_seconds=self._clock()))

    def remove_node(self, name: str) -> None:
        """Forget a node; should it come back, its counters go on."""
        with self._lock:
            self._settle(name)
            self._nodes.pop(name, None)

    def put_pod(self, key: str, node: str | None, pod: PodUse | None) -> None:
        """Take over a pod that runs on a node; None for either: it runs nowhere."""
        with self._lock:
            before = self._node_of_pod.pop(key, None)
            if before is not None:
                self._settle(before)
                del self._pods[before][key]
            if node is not None and pod is not None:
                self._settle(node)
                self._pods.setdefault(node, {})[key] = pod
                self._node_of_pod[key] = node

    def readings(self) -> list[NodeReading]:
        """Read every node's meter now, by name."""
        with self._lock:
            return [self._reading(name) for name in sorted(self._nodes)]

    def _reading(self, name: str) -> NodeReading:
        use, power = self._present(name), self._present_power(name)
        self._energy[name] = self._energy[name].after(power, self._clock())
        return NodeReading(use=use, power=power, energy=self._energy[name])

    def _settle(self, name: str) -> None:
        """Count what was drawn until now, before something changes."""
        if name in self._nodes:
            self._reading(name)
        elif name in self._energy:
            self._energy[name] = self._energy[name].after(NodePower(), self._clock())
        self._power.pop(name, None)

    def _present(self, name: str) -> NodeUse:
        return replace(self._nodes[name], pods=tuple(self._pods.get(name, {}).values()))

    def _present_power(self, name: str) -> NodePower:
        if name not in self._power:
            self._power[name] = node_power(self._present(name))
        return self._power[name]
