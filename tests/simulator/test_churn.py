"""The seeded stream: its load, its start in the middle of things, its real traffic."""

from __future__ import annotations

import numpy as np
import pytest

from energy.catalogue import Catalogue
from simulator.churn import Churn, ShapeTable, churn_stream
from simulator.demo import demo_scenario
from simulator.fleet import FLEETS, named_fleet
from simulator.replicas import ReplicatedWorkload, Traffic, replica_stream, replicas_of
from simulator.stream import mean_demand

HOURS = 30.0


def stream_on(fleet, load, seed):
    """The stream of a seed."""
    churn = Churn(load_ratio=load, hours=HOURS)
    return churn_stream(ShapeTable.shipped(), fleet, churn, np.random.default_rng(seed))


def shares_by_hour(stream, fleet):
    """Mean requested shares of cores and of memory in each hour, shape (hours, 2)."""
    demand = mean_demand(stream, start_seconds=0, end_seconds=HOURS * 3600, step_seconds=3600)
    cpu = demand.counts @ demand.shapes.cpu_cores / fleet.cpu_cores.sum()
    memory = demand.counts @ demand.shapes.memory_bytes / fleet.memory_bytes.sum()
    return np.column_stack([cpu, memory])


@pytest.mark.parametrize("name", FLEETS)
def test_the_load_is_the_stated_one(name):
    """Each seed's mean share of the scarcer resource is what was asked, to rounding of sizes."""
    fleet = named_fleet(name, Catalogue.shipped())
    for seed in range(3):
        shares = shares_by_hour(stream_on(fleet, 0.5, seed), fleet).mean(axis=0)
        assert shares.max() == pytest.approx(0.5, rel=0.005)


def test_the_stream_starts_in_the_middle_of_things():
    """The first hour carries about the mean load: there is no empty cluster to fill."""
    fleet = named_fleet("20/30/10", Catalogue.shipped())
    firsts = [shares_by_hour(stream_on(fleet, 0.4, seed), fleet)[0].max() for seed in range(6)]

    assert np.mean(firsts) == pytest.approx(0.4, abs=0.06)


def test_arrivals_swing_over_the_day():
    """A quarter more pods arrive around hour 6 than on average, a quarter fewer around hour 18."""
    fleet = named_fleet("20/30/10", Catalogue.shipped())
    arrivals = np.concatenate([stream_on(fleet, 0.4, seed).arrival_seconds for seed in range(4)])
    hours = arrivals[arrivals > 0] / 3600
    high, low = ((hours >= 4) & (hours < 8)).sum(), ((hours >= 16) & (hours < 20)).sum()

    assert high / low == pytest.approx((1 + 0.25 * 0.955) / (1 - 0.25 * 0.955), rel=0.1)


def test_a_seed_names_its_stream():
    """The same seed gives the same pods, another gives others."""
    fleet = named_fleet("mixed", Catalogue.shipped())
    one, same, other = (stream_on(fleet, 0.3, seed) for seed in (1, 1, 2))

    assert one.pods == same.pods
    assert (one.arrival_seconds == same.arrival_seconds).all()
    assert len(one) != len(other)


def test_replicas_follow_the_rate():
    """At each step as many replicas run as the rate asks for, never fewer than the minimum."""
    traffic = Traffic(step_seconds=60.0, rates={"r": np.array([1.0, 5.0, 10.0, 2.0, 0.0])})
    workload = ReplicatedWorkload(
        name="w", source="r", replicas_max=10, cpu_millicores=1000, memory_mebibytes=64
    )
    stream = replica_stream(workload, traffic, start_step=0, seconds=300)
    demand = mean_demand(stream, start_seconds=0, end_seconds=300, step_seconds=60)

    assert replicas_of(workload, traffic).tolist() == [2, 5, 10, 2, 2]
    assert demand.counts.sum(axis=1).tolist() == [2, 5, 10, 2, 2]
    # The two that came first stay; the youngest leave.
    assert np.isinf(stream.lifetime_seconds).tolist() == [True, True] + [False] * 8
    assert stream.lifetime_seconds[2:].tolist() == [120] * 3 + [60] * 5


def test_the_demo_follows_all_four_real_rates():
    """Every traffic source has pods in the demo, and none of them is flat."""
    scenario = demo_scenario(Catalogue.shipped(), 1)
    names = {pod.name.rsplit("-", 1)[0] for pod in scenario.stream.pods}

    assert names == {"churn", "mongo-01", "mongo-02", "ingress-03", "nasa"}
    assert all(np.ptp(rate) > 0 for rate in Traffic.shipped().rates.values())
