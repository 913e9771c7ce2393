"""The meter integrates between changes, whatever order nodes and pods come and go in."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from energy.power_curve import PowerCurve
from energy.profile import NodePowerProfile
from simulator.sandbox.metered_cluster import MeteredCluster
from simulator.sandbox.power_meter import NodeUse, PodUse

LINE = NodePowerProfile(name="line", curve=PowerCurve.linear(100, 200), sleep_watts=5)


def node(name: str = "a", *, asleep: bool = False) -> NodeUse:
    """Ten cores, 100 W idle, 200 W full."""
    return NodeUse(name=name, profile=LINE, cpu_cores=10, asleep=asleep)


def pod(name: str, cpu_cores: float) -> PodUse:
    """A pod that uses so many cores."""
    return PodUse(
        uid=f"uid-{name}", namespace="x", name=name, containers=("c",), cpu_cores=cpu_cores
    )


class Clock:
    """Goes on when it is told."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        """Give the time."""
        return self.seconds


def test_watts_of_each_stretch_are_counted_for_its_time() -> None:
    """10 s empty, 20 s with five cores in use, 30 s asleep: 1000 + 3000 + 150 J."""
    clock = Clock()
    cluster = MeteredCluster(clock)
    cluster.put_node(node())
    clock.seconds = 10
    cluster.put_pod("x/p", "a", pod("p", 5))
    clock.seconds = 30
    (before,) = cluster.readings()
    cluster.put_node(node(asleep=True))
    clock.seconds = 60
    (after,) = cluster.readings()

    assert before.power.wall_watts == pytest.approx(150)
    assert before.energy.pod_joules == pytest.approx({"uid-p": 50 * 20})
    assert after.energy.wall_joules == pytest.approx(10 * 100 + 20 * 150 + 30 * 5)


def test_pod_that_moves_takes_its_watts_along() -> None:
    """From one node to the other, and nowhere twice."""
    cluster = MeteredCluster(Clock())
    cluster.put_node(node("a"))
    cluster.put_node(node("b"))
    cluster.put_pod("x/p", "a", pod("p", 5))
    cluster.put_pod("x/p", "b", pod("p", 5))

    assert [each.power.wall_watts for each in cluster.readings()] == [100, 150]


def test_pod_may_come_before_its_node() -> None:
    """Two informers keep no order between them."""
    cluster = MeteredCluster(Clock())
    cluster.put_pod("x/p", "a", pod("p", 5))
    assert cluster.readings() == []

    cluster.put_node(node("a"))
    assert [each.power.wall_watts for each in cluster.readings()] == [150]


def test_node_that_was_away_drew_nothing_and_its_counter_goes_on() -> None:
    """A counter that fell would look like a reset; one that leapt, like a burst."""
    clock = Clock()
    cluster = MeteredCluster(clock)
    cluster.put_node(node())
    clock.seconds = 10
    cluster.remove_node("a")
    clock.seconds = 1000
    cluster.put_node(node())
    clock.seconds = 1001
    (reading,) = cluster.readings()

    assert reading.energy.wall_joules == pytest.approx(10 * 100 + 1 * 100)


class History(RuleBasedStateMachine):
    """Nodes and pods come, go and change at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.cluster = MeteredCluster(self.clock)
        self.joules: dict[str, float] = {}

    names = st.sampled_from(["a", "b"])
    pods = st.sampled_from(["p", "q", "r"])

    @rule(name=names, asleep=st.booleans())
    def put_node(self, name: str, *, asleep: bool) -> None:
        """A node comes, or goes to sleep."""
        self.cluster.put_node(node(name, asleep=asleep))

    @rule(name=names)
    def remove_node(self, name: str) -> None:
        """A node goes."""
        self.cluster.remove_node(name)

    @rule(name=pods, on=names, cpu_cores=st.floats(0, 20))
    def put_pod(self, name: str, on: str, cpu_cores: float) -> None:
        """A pod comes, moves or changes."""
        self.cluster.put_pod(f"x/{name}", on, pod(name, cpu_cores))

    @rule(name=pods)
    def remove_pod(self, name: str) -> None:
        """A pod goes."""
        self.cluster.put_pod(f"x/{name}", None, None)

    @precondition(lambda self: self.clock.seconds < 1e6)
    @rule(seconds=st.floats(0, 1000))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.clock.seconds += seconds

    @invariant()
    def energy_never_falls_and_nothing_is_lost(self) -> None:
        """Of every node: joules grow, watts are conserved."""
        for reading in self.cluster.readings():
            name, power = reading.use.name, reading.power
            assert reading.energy.wall_joules >= self.joules.get(name, 0.0)
            parts = power.asleep_watts + power.idle_watts + sum(power.pod_watts.values())
            assert parts == pytest.approx(power.wall_watts)
            self.joules[name] = reading.energy.wall_joules


TestHistory = History.TestCase
TestHistory.settings = settings(stateful_step_count=30)
