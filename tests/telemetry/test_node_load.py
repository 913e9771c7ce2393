"""The chain of a node's load: what does not hold is passed over, and never flatters the node."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cluster.model import ClusterSnapshot, Node, Pod, Resources
from telemetry.cluster_load import RatioPolicy, cluster_loads, demands_of
from telemetry.node_load import (
    LoadLimits,
    LoadReading,
    NodeDemand,
    NodeLoad,
    load_fault,
    load_reading,
    measured_usage_ratio,
    node_load,
)
from telemetry.node_readings import NodeReading
from telemetry.presets import Quantity

NOW = 1_800_000_000.0
LIMITS = LoadLimits()
DEMAND = NodeDemand(cpu_cores=8.0, requested_cores=4.0)


def reading(cores: float | None, source: str = "kubelet", age: float | None = 5.0) -> LoadReading:
    """Return a reading of an age."""
    at_seconds = None if age is None else NOW - age
    return LoadReading(cpu_cores=cores, source=source, sampled_at_seconds=at_seconds)


def load(*readings: LoadReading, demand: NodeDemand = DEMAND, usage_ratio: float = 0.5) -> NodeLoad:
    """Return the load by these readings, best first."""
    return node_load(demand, readings, usage_ratio=usage_ratio, now_seconds=NOW, limits=LIMITS)


def test_the_first_reading_that_holds_answers() -> None:
    """Its source and age come with it."""
    assert load(reading(3.0), reading(1.0, "metrics.k8s.io")) == NodeLoad(
        cpu_cores=3.0, source="kubelet", age_seconds=5.0
    )


def test_that_prometheus_knows_nothing_is_noted_unless_it_answers() -> None:
    """Whoever wonders why a node is read by another link finds the reason."""
    for answer, kept in ((reading(3.0), ()), (reading(3.0, "metrics.k8s.io"), ("silent",))):
        found = node_load(
            DEMAND,
            [answer],
            usage_ratio=0.5,
            now_seconds=NOW,
            limits=LIMITS,
            notes=("silent",),
        )
        assert found.notes == kept


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (reading(None), "kubelet: no number"),
        (reading(math.nan), "kubelet: no number"),
        (reading(math.inf), "kubelet: no number"),
        (reading(-1.0), "kubelet: absurd, -1 of 8 cores"),
        (reading(1e15), "kubelet: absurd, 1e+15 of 8 cores"),
        (reading(12.1), "kubelet: absurd, 12.1 of 8 cores"),
        (reading(3.0, age=3600.0), "kubelet: stale, 3600 s old"),
        (reading(3.0, age=-3600.0), "kubelet: from the future, 3600 s ahead"),
        (reading(3.0, age=None), "kubelet: of unknown age"),
        (reading(3.0, age=math.nan), "kubelet: of unknown age"),
        (reading(0.0), "kubelet: a counter that stands still"),
    ],
)
def test_what_does_not_hold_is_passed_over_with_a_note(bad, why) -> None:
    """The next link answers, visibly."""
    second = load(bad, reading(2.5, "metrics.k8s.io", age=20.0))
    last = load(bad)

    assert second == NodeLoad(
        cpu_cores=2.5, source="metrics.k8s.io", age_seconds=20.0, notes=(why,)
    )
    assert last == NodeLoad(
        cpu_cores=2.0, source="requests", notes=(why, "50% of the requested cores")
    )


def test_a_little_more_than_the_allocatable_cores_is_a_load() -> None:
    """The system's reserve is not allocatable, but it is used."""
    assert load(reading(8.4)).cpu_cores == 8.4


def test_an_empty_node_may_use_nothing() -> None:
    """Only where pods should be at work is a zero a stopped counter."""
    assert load(reading(0.0), demand=NodeDemand(cpu_cores=8, requested_cores=0)).is_measured


def test_a_clock_that_is_a_little_ahead_does_not_make_the_age_negative() -> None:
    """Two machines never agree to the second."""
    assert load(reading(3.0, age=-4.0)).age_seconds == 0.0


@pytest.mark.parametrize("requested", [None, math.nan, -1.0, math.inf])
def test_where_even_the_requests_are_unknown_the_node_is_full(requested) -> None:
    """Ignorance never looks attractive."""
    unknown = load(demand=NodeDemand(cpu_cores=8.0, requested_cores=requested))

    assert (unknown.cpu_cores, unknown.source) == (8.0, "unknown")
    assert not unknown.is_measured


@pytest.mark.parametrize("usage_ratio", [math.nan, -0.1, 1.1])
def test_a_ratio_that_is_none_counts_requests_in_full(usage_ratio) -> None:
    """A lost ratio must not empty the cluster."""
    assert load(usage_ratio=usage_ratio).cpu_cores == 4.0


def test_a_ratio_of_the_machine_is_cores_of_the_node() -> None:
    """Kepler says 0.25 of a node of 8 cores."""
    found = NodeReading(
        value=0.25, quantity=Quantity.CPU_RATIO, source="kepler", sampled_at_seconds=NOW
    )

    assert load_reading(found, 8.0).cpu_cores == 2.0


ANY_READING = st.builds(
    LoadReading,
    cpu_cores=st.none() | st.floats() | st.floats(0, 12),
    source=st.sampled_from(["kubelet", "cadvisor", "metrics.k8s.io"]),
    sampled_at_seconds=st.none() | st.floats() | st.floats(NOW - 200, NOW + 20),
)
ANY_DEMAND = st.builds(
    NodeDemand, cpu_cores=st.floats(0, 256), requested_cores=st.none() | st.floats(0, 256)
)


@given(ANY_DEMAND, st.lists(ANY_READING, max_size=5), st.integers(0, 5), ANY_READING)
def test_a_reading_that_does_not_hold_changes_nothing_but_the_notes(
    demand, readings, place, extra
) -> None:
    """So it can never lower a load below what the next link says, wherever it stands."""
    assume(load_fault(demand, extra, now_seconds=NOW, limits=LIMITS))
    without = load(*readings, demand=demand)
    beside = load(*readings[:place], extra, *readings[place:], demand=demand)

    assert (beside.cpu_cores, beside.source) == (without.cpu_cores, without.source)
    assert beside.age_seconds == without.age_seconds
    assert len(beside.notes) - len(without.notes) in {0, 1}


@given(ANY_DEMAND, st.lists(ANY_READING, max_size=5), st.floats(0, 1))
def test_a_load_is_always_a_load(demand, readings, usage_ratio) -> None:
    """Finite, not negative, within what a node can do, and never without a reason."""
    found = load(*readings, demand=demand, usage_ratio=usage_ratio)

    assert 0 <= found.cpu_cores <= max(1.5 * demand.cpu_cores, demand.requested_cores or 0)
    assert found.is_measured == (found.age_seconds is not None)
    assert found.is_measured or found.notes
    assert found.age_seconds is None or 0 <= found.age_seconds <= LIMITS.stale_seconds


@given(st.lists(ANY_READING, min_size=1, max_size=5))
def test_the_order_of_the_links_decides(readings) -> None:
    """The answer is that of the first reading which alone would have been measured."""
    alone = [one for one in readings if load(one).is_measured]

    assert load(*readings).cpu_cores == (alone[0].cpu_cores if alone else 2.0)


def measured(cores: float) -> NodeLoad:
    """Return a measured load."""
    return NodeLoad(cpu_cores=cores, source="kubelet", age_seconds=1.0)


def test_the_ratio_is_use_over_requests_of_the_measured_nodes() -> None:
    """Nodes without a meter, or without pods, do not count."""
    demands = {
        "a": NodeDemand(cpu_cores=8, requested_cores=4),
        "b": NodeDemand(cpu_cores=8, requested_cores=2),
        "unmetered": NodeDemand(cpu_cores=8, requested_cores=6),
        "empty": NodeDemand(cpu_cores=8, requested_cores=0),
    }
    loads = {
        "a": measured(1.0),
        "b": measured(0.8),
        "unmetered": NodeLoad(cpu_cores=6, source="requests"),
        "empty": measured(0.5),
    }

    assert measured_usage_ratio(demands, loads) == pytest.approx(0.3)


def test_the_ratio_is_none_where_too_little_is_measured() -> None:
    """Less than half of the requests, or nothing that is used."""
    demands = {
        "a": NodeDemand(cpu_cores=8, requested_cores=2),
        "b": NodeDemand(cpu_cores=8, requested_cores=3),
    }
    requests = NodeLoad(cpu_cores=1, source="requests")

    assert measured_usage_ratio(demands, {"a": measured(1), "b": requests}) is None
    assert measured_usage_ratio(demands, {"a": measured(0), "b": measured(0)}) is None
    assert measured_usage_ratio({}, {}) is None


def test_the_ratio_is_at_most_one() -> None:
    """Bursting pods and the system's own work do not make requests smaller than they are."""
    demands = {"a": NodeDemand(cpu_cores=8, requested_cores=1)}

    assert measured_usage_ratio(demands, {"a": measured(5)}) == 1.0


def pod(name: str, node: str | None, cpu: int) -> Pod:
    """Return a pod."""
    return Pod(
        namespace="shop",
        name=name,
        node_name=node,
        requests=Resources(cpu_millicores=cpu, memory_bytes=2**20),
    )


def snapshot() -> ClusterSnapshot:
    """Two nodes of 8 cores: `a` with 4 requested and a pod that states nothing, `b` with 2."""
    nodes = tuple(
        Node(name=name, allocatable=Resources(cpu_millicores=8000)) for name in ("a", "b")
    )
    pods = (pod("1", "a", 4000), pod("2", "a", 0), pod("3", "b", 2000), pod("4", None, 9000))
    return ClusterSnapshot(nodes=nodes, pods=(*pods, pod("5", "gone", 1000)))


def test_the_demand_of_a_node_is_what_its_pods_request() -> None:
    """A pod that states nothing is taken for a tenth of a core, as kube-scheduler takes it."""
    assert demands_of(snapshot()) == {
        "a": NodeDemand(cpu_cores=8.0, requested_cores=4.1),
        "b": NodeDemand(cpu_cores=8.0, requested_cores=2.0),
    }


@pytest.mark.parametrize(
    ("stated", "readings", "ratio", "source"),
    [
        (None, {"a": [reading(2.05)]}, 0.5, "measured"),
        (None, {}, 0.25, "fallback"),
        (0.7, {"a": [reading(2.05)]}, 0.7, "stated"),
    ],
)
def test_nodes_without_a_meter_use_what_the_ratio_says(stated, readings, ratio, source) -> None:
    """Stated by a person, else measured on the other nodes, else the fallback."""
    loads = cluster_loads(
        demands_of(snapshot()),
        readings,
        policy=RatioPolicy(stated=stated, fallback=0.25),
        now_seconds=NOW,
        limits=LIMITS,
    )

    assert (loads.usage_ratio, loads.usage_ratio_source) == (pytest.approx(ratio), source)
    assert loads.by_node["b"].cpu_cores == pytest.approx(2.0 * ratio)
