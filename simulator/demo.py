"""The scenario of `negawatt demo`: a day of real pod sizes and real traffic on a mixed fleet."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from energy.catalogue import Catalogue
from energy.units import SECONDS_PER_HOUR
from simulator.churn import Churn, ShapeTable, churn_stream
from simulator.comparison import PolicyResult, StreamScenario
from simulator.fleet import named_fleet
from simulator.policies import LABEL
from simulator.policy import Setting
from simulator.replicas import Traffic, replica_stream, workloads_of_sources
from simulator.stream import found_running, merged

POLICIES = ("default", "most-allocated", "efficiency-order", "negawatt", "negawatt+moves0.5")
# Half of the load comes and goes as openb's pods did, half follows real traffic.
CHURN_LOAD_RATIO = 0.25
REPLICAS_LOAD_RATIO = 0.3
REPLICA_CPU_MILLICORES = 4000
REPLICA_MEMORY_MEBIBYTES = 8192
WARM_UP_HOURS = 6.0
MEASURED_HOURS = 24.0
# What pods use of their requests: about what public traces of production clusters show.
USAGE_RATIO = 0.6


def demo_scenario(catalogue: Catalogue, seed: int) -> StreamScenario:
    """Churn from openb's sizes and lifetimes, plus replicas that follow four real rates."""
    rng = np.random.default_rng([seed, 0])
    fleet = named_fleet("mixed", catalogue)
    hours = WARM_UP_HOURS + MEASURED_HOURS
    seconds = hours * SECONDS_PER_HOUR
    churn = churn_stream(
        ShapeTable.shipped(), fleet, Churn(load_ratio=CHURN_LOAD_RATIO, hours=hours), rng
    )
    traffic = Traffic.shipped()
    start_step = int((24.0 - WARM_UP_HOURS) * SECONDS_PER_HOUR / traffic.step_seconds)
    workloads = workloads_of_sources(
        traffic,
        REPLICAS_LOAD_RATIO * float(fleet.cpu_cores.sum()),
        replica_cpu_millicores=REPLICA_CPU_MILLICORES,
        replica_memory_mebibytes=REPLICA_MEMORY_MEBIBYTES,
    )
    replicas = [
        replica_stream(workload, traffic, start_step=start_step, seconds=seconds)
        for workload in workloads
    ]
    return StreamScenario(
        name="demo",
        fleet=fleet,
        stream=found_running(merged([churn, *replicas])),
        setting=Setting(usage_ratio=USAGE_RATIO, nodes_may_sleep=True),
        seed=seed,
        start_seconds=WARM_UP_HOURS * SECONDS_PER_HOUR,
        end_seconds=seconds,
    )


def sentence(name: str, results: Mapping[str, PolicyResult], nodes: int, hours: float) -> str:
    """What happened under one policy, in a sentence a person can check against the table."""
    result = results[name]
    awake = (result.active_node_hours or 0.0) / hours
    return (
        f"{name} kept {awake:.1f} of {nodes} nodes awake on average and woke nodes "
        f"{result.wakes} times: {_compared(name, results)}; {_waiting(result)}{_moved(result)}."
    )


def _compared(name: str, results: Mapping[str, PolicyResult]) -> str:
    energy = results[name].energy_kilowatt_hours
    reference = results[POLICIES[0]].energy_kilowatt_hours
    if name == POLICIES[0] or not energy or not reference:
        return "the reference of the others"
    compared = _difference(energy / reference, f"energy than {POLICIES[0]}")
    label = results[LABEL].energy_kilowatt_hours if LABEL in results else None
    if not label or POLICIES.index(name) <= POLICIES.index(LABEL):
        return compared
    # Against doing nothing any label looks good; the label is what a careful operator has already.
    return f"{compared}, {_difference(energy / label, f'than {LABEL}')}"


def _difference(energy_ratio: float, than: str) -> str:
    word = "less" if energy_ratio <= 1.0 else "more"
    return f"{abs(1.0 - energy_ratio):.1%} {word} {than}"


def _moved(result: PolicyResult) -> str:
    if not result.evictions:
        return ""
    return (
        f"; it moved running pods {result.evictions:,} times, {result.evictions_per_pod_day:.2f} "
        "per pod and day"
    )


def _waiting(result: PolicyResult) -> str:
    if result.pending_pods:
        return f"{result.pending_pods} pods still waited at the end"
    if result.waited_pod_hours:
        return f"pods waited {result.waited_pod_hours:.1f} pod-hours in all"
    return "no pod waited"
