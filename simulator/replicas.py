"""Workloads whose replicas follow real request rates: Microsoft services and NASA's web server.

The shape of a rate is real, its height is not: each workload is sized so that its busiest five
minutes need a stated number of replicas.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from cluster.model import Pod
from simulator.pod_file import pod_of
from simulator.stream import PodStream

SECONDS_PER_MINUTE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Request rates over time: ``rates`` maps a source to one value per step."""

    step_seconds: float
    rates: dict[str, NDArray[np.float64]]

    @classmethod
    def shipped(cls) -> Traffic:
        """Two days of four rates, five-minute means (sources: ``simulator/data/README.md``)."""
        text = files("simulator").joinpath("data/traffic.csv").read_text(encoding="utf-8")
        table = list(csv.DictReader(text.splitlines()))
        minutes = [float(row["minute"]) for row in table]
        names = [name for name in table[0] if name != "minute"]
        return cls(
            step_seconds=(minutes[1] - minutes[0]) * SECONDS_PER_MINUTE,
            rates={name: np.array([float(row[name]) for row in table]) for name in names},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicatedWorkload:
    """A workload: the rate it serves, replicas at the busiest step, and one replica's size."""

    name: str
    source: str
    replicas_max: int
    replicas_min: int = 2
    cpu_millicores: int
    memory_mebibytes: int


def replicas_of(workload: ReplicatedWorkload, traffic: Traffic) -> NDArray[np.int64]:
    """Replicas at each step: proportional to the rate, never below the minimum."""
    rates = traffic.rates[workload.source]
    needed = np.ceil(workload.replicas_max * rates / rates.max()).astype(np.int64)
    replicas: NDArray[np.int64] = np.maximum(needed, workload.replicas_min)
    return replicas


def replica_stream(
    workload: ReplicatedWorkload, traffic: Traffic, *, start_step: int, seconds: float
) -> PodStream:
    """The workload's replicas as pods; when it shrinks its youngest replicas leave.

    A ReplicaSet too prefers to delete younger pods, all else being equal.
    """
    replicas = replicas_of(workload, traffic)
    steps = min(len(replicas) - start_step, int(np.ceil(seconds / traffic.step_seconds)))
    born: list[float] = []
    arrivals: list[float] = []
    lifetimes: list[float] = []
    open_pods: list[int] = []
    for step in range(steps):
        now = step * traffic.step_seconds
        wanted = int(replicas[start_step + step])
        while len(open_pods) > wanted:
            youngest = open_pods.pop()
            lifetimes[youngest] = now - born[youngest]
        while len(open_pods) < wanted:
            open_pods.append(len(arrivals))
            born.append(now)
            arrivals.append(now)
            lifetimes.append(np.inf)
    return PodStream(
        pods=_pods(workload, len(arrivals)),
        arrival_seconds=np.array(arrivals),
        lifetime_seconds=np.array(lifetimes),
    )


def _pods(workload: ReplicatedWorkload, count: int) -> tuple[Pod, ...]:
    return tuple(
        pod_of(f"{workload.name}-{number:04d}", workload.cpu_millicores, workload.memory_mebibytes)
        for number in range(count)
    )


def workloads_of_sources(
    traffic: Traffic, cores: float, *, replica_cpu_millicores: int, replica_memory_mebibytes: int
) -> Sequence[ReplicatedWorkload]:
    """One service per rate; at their peaks they would together request so many cores."""
    replicas_max = max(2, round(1000 * cores / (len(traffic.rates) * replica_cpu_millicores)))
    return [
        ReplicatedWorkload(
            name=source.replace("_", "-"),
            source=source,
            replicas_max=replicas_max,
            cpu_millicores=replica_cpu_millicores,
            memory_mebibytes=replica_memory_mebibytes,
        )
        for source in traffic.rates
    ]
