"""What the extender makes of readings: which sources there are, how old, and which curves drift."""

from __future__ import annotations

from dataclasses import replace
from math import inf

from steady_scorer import node_figures

from energy.drift import Drift
from energy.metering import MeterReading
from energy.profile import Scope
from extender.readings import drifts_after, heard_after
from telemetry.metrics_api import NOT_INSTALLED
from telemetry.node_load import METRICS_API, NodeLoad
from telemetry.preset_chain import SourceStatus
from telemetry.presets import Quantity
from telemetry.readings import NodeState, Readings

NOW = 1000.0
PRESETS = tuple(
    SourceStatus(name=name, quantity=quantity)
    for name, quantity in [
        ("kubelet", Quantity.CPU_CORES),
        ("cadvisor", Quantity.CPU_CORES),
        ("ipmi", Quantity.WALL_WATTS),
    ]
)
API = SourceStatus(name=METRICS_API, quantity=Quantity.CPU_CORES)
BY_REQUESTS = NodeState(load=NodeLoad(cpu_cores=1.0, source="requests"))


def state(source: str, age_seconds: float, wall_age_seconds: float | None = None) -> NodeState:
    """Return a node's state with a load of that age, and a wall meter's reading."""
    load = NodeLoad(cpu_cores=1.0, source=source, age_seconds=age_seconds)
    if wall_age_seconds is None:
        return NodeState(load=load)
    wall = MeterReading(watts=100.0, scope=Scope.WALL, at_seconds=NOW - wall_age_seconds)
    return NodeState(load=load, wall=wall, wall_source="ipmi")


def read(*states: NodeState, sources: tuple[SourceStatus, ...] = PRESETS) -> Readings:
    """Return one round; its nodes are named by numbers."""
    nodes = {str(number): each for number, each in enumerate(states)}
    return Readings(taken_at_seconds=NOW, nodes=nodes, sources=sources)


def test_a_quantity_is_as_old_as_its_newest_reading() -> None:
    """Whichever preset it is from; those that gave nothing are no sources."""
    found = heard_after({}, read(state("kubelet", 30.0, 7.0), state("cadvisor", 5.0)))

    assert found == {"cpu-load": NOW - 5.0, "wall-power": NOW - 7.0}


def test_a_prometheus_without_any_load_is_seen_to_have_none() -> None:
    """Power that no meter gives is absent rather than stale."""
    assert heard_after({}, read(BY_REQUESTS)) == {"cpu-load": -inf}


def test_what_once_gave_something_ages() -> None:
    """A round without it changes nothing, and neither does an older sample."""
    before = {"cpu-load": NOW - 20.0, "wall-power": NOW - 100.0}

    assert heard_after(before, read(BY_REQUESTS)) == before
    assert heard_after(before, read(state("kubelet", 25.0))) == before


def test_metrics_k8s_io_is_a_source_only_where_it_is_asked_and_there() -> None:
    """Not where Prometheus knows all nodes, and not where nobody installed it."""
    absent = replace(API, error=NOT_INSTALLED)
    known = {"cpu-load": NOW - 5.0, METRICS_API: NOW - 5.0}

    assert heard_after({}, read(state(METRICS_API, 5.0), sources=(API,))) == known
    assert heard_after({}, read(BY_REQUESTS, sources=(absent,))) == {}
    assert heard_after({}, read(BY_REQUESTS, sources=(API,))) == {
        "cpu-load": -inf,
        METRICS_API: -inf,
    }
    assert METRICS_API not in heard_after(known, read(state("kubelet", 1.0)))


def test_the_drift_of_a_node_that_went_is_forgotten() -> None:
    """Else a cluster that scales would remember every node that it ever had."""
    before = {"0": Drift(used=3), "gone": Drift(used=5)}

    found = drifts_after(before, read(BY_REQUESTS), {})

    assert found == {"0": Drift(used=3)}


def test_a_wall_meter_is_compared_with_what_was_predicted() -> None:
    """The difference has a sign."""
    predicted = {"0": node_figures(predicted_watts=90.0)}

    found = drifts_after({}, read(state("kubelet", 1.0, 1.0)), predicted)

    assert found["0"].residual_watts == 10.0
