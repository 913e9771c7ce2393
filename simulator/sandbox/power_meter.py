"""A simulated power meter: what nodes and their pods draw, by measured curves, and the energy.

All figures are simulated. The wall watts of a node are its server's measured curve at the load of
its pods. They are parted as Kepler parts them: *idle* is what the empty node would draw, *active*
the rest, and a pod's share of that is its share of the CPU time in use. So at every moment
pods + idle = node, and energy never falls.

What the zones of a CPU package draw is a stated share of the wall's watts (`ZONES`): enough to
test what reads package meters, no measurement of any server.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from energy.errors import InputError
from energy.profile import NodePowerProfile

#: Kepler's zones of RAPL. The cores are a part of the package; DRAM is beside it.
PACKAGE, CORE, DRAM = "package", "core", "dram"


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneShare:
    """What part of the wall's idle and active watts a zone draws, 0 to 1."""

    idle_ratio: float
    active_ratio: float


ZONES: Final[Mapping[str, ZoneShare]] = {
    PACKAGE: ZoneShare(idle_ratio=0.30, active_ratio=0.70),
    CORE: ZoneShare(idle_ratio=0.12, active_ratio=0.60),
    DRAM: ZoneShare(idle_ratio=0.10, active_ratio=0.12),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PodUse:
    """A running pod and the cores that it uses now; containers share them evenly."""

    uid: str
    namespace: str
    name: str
    containers: tuple[str, ...]
    cpu_cores: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeUse:
    """A node and what runs on it.

    Attributes:
        cpu_cores: all that it has; more use than this draws the peak.
        processor: the CPU's name.
        asleep: it draws its sleep watts, whatever is said to run on it.
    """

    name: str
    profile: NodePowerProfile
    cpu_cores: float
    processor: str = ""
    asleep: bool = False
    pods: tuple[PodUse, ...] = ()

    @property
    def usage_ratio(self) -> float:
        """The share of its cores in use, 0 to 1."""
        if self.asleep or self.cpu_cores <= 0:
            return 0.0
        return min(1.0, sum(pod.cpu_cores for pod in self.pods) / self.cpu_cores)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePower:
    """Wall watts of a node, by what they are spent on; `pod_watts` (uid -> watts) sum to active."""

    asleep_watts: float = 0.0
    idle_watts: float = 0.0
    active_watts: float = 0.0
    pod_watts: Mapping[str, float] = field(default_factory=dict)

    @property
    def wall_watts(self) -> float:
        """All of it."""
        return self.asleep_watts + self.idle_watts + self.active_watts

    def zone_watts(self, zone: str) -> tuple[float, float]:
        """Idle and active watts of a zone; both are 0 while the node is asleep."""
        share = ZONES[zone]
        return self.idle_watts * share.idle_ratio, self.active_watts * share.active_ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeEnergy:
    """Joules at the wall since the meter saw the node first, by what they were spent on.

    `pod_joules` (uid -> joules) holds the pods of the last step only.
    """

    at_seconds: float
    asleep_joules: float = 0.0
    idle_joules: float = 0.0
    active_joules: float = 0.0
    pod_joules: Mapping[str, float] = field(default_factory=dict)

    @property
    def wall_joules(self) -> float:
        """All of it."""
        return self.asleep_joules + self.idle_joules + self.active_joules

    def zone_joules(self, zone: str) -> tuple[float, float]:
        """Idle and active joules of a zone."""
        share = ZONES[zone]
        return self.idle_joules * share.idle_ratio, self.active_joules * share.active_ratio

    def after(self, power: NodePower, now_seconds: float) -> NodeEnergy:
        """The energy at a later time, had the node drawn `power` until then.

        A clock that went back adds nothing.
        """
        passed = max(0.0, now_seconds - self.at_seconds)
        return NodeEnergy(
            at_seconds=max(now_seconds, self.at_seconds),
            asleep_joules=self.asleep_joules + power.asleep_watts * passed,
            idle_joules=self.idle_joules + power.idle_watts * passed,
            active_joules=self.active_joules + power.active_watts * passed,
            pod_joules={
                uid: self.pod_joules.get(uid, 0.0) + watts * passed
                for uid, watts in power.pod_watts.items()
            },
        )


def node_power(use: NodeUse) -> NodePower:
    """What a node draws now, and which pod draws how much of it.

    A few measured servers draw less at 10 % than idle. Then idle counts what is drawn, and nothing
    is active: no pod draws less than nothing.

    Raises:
        InputError: a pod uses less than no CPU.
    """
    if any(not pod.cpu_cores >= 0 for pod in use.pods):
        raise InputError("a pod uses less than no CPU", where=use.name)
    if use.asleep:
        none = dict.fromkeys((pod.uid for pod in use.pods), 0.0)
        return NodePower(asleep_watts=use.profile.sleep_watts, pod_watts=none)
    watts = use.profile.curve.watts_at(use.usage_ratio)
    idle_watts = min(use.profile.idle_watts, watts)
    active_watts = watts - idle_watts
    cores = sum(pod.cpu_cores for pod in use.pods)
    watts_per_core = active_watts / cores if cores > 0 else 0.0
    return NodePower(
        idle_watts=idle_watts,
        active_watts=active_watts if cores > 0 else 0.0,
        pod_watts={pod.uid: pod.cpu_cores * watts_per_core for pod in use.pods},
    )
