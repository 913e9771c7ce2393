"""Pods that come and go: exponential lifetimes, openb's, those of a file, and real traffic."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cluster.model import Owner
from energy.units import SECONDS_PER_HOUR
from simulator.churn import Churn, ShapeTable, churn_stream
from simulator.fleet import Fleet
from simulator.pod_file import BYTES_PER_MEBIBYTE, PodFile
from simulator.recorded import recorded_stream
from simulator.replicas import ReplicatedWorkload, Traffic, replica_stream, replicas_of
from simulator.scenarios.scenario import WARM_UP_SECONDS
from simulator.stream import PodStream, found_running, merged

MEAN_LIFETIME_SECONDS = 6 * SECONDS_PER_HOUR
EXPONENTIAL_SWING_RATIO = 0.5
# Each seed draws another half of a recorded file, else all seeds would be the same pods.
RECORDED_SHARE = 0.5
WORKLOADS = 24
# Replicas of a workload at its busiest: small services are common, large ones carry the load.
REPLICAS_MAX = (4, 6, 8, 12, 16, 24, 32, 48)
MEBIBYTES_PER_CORE = (1024, 2048, 4096)


def exponential_churn(
    fleet: Fleet, load_ratio: float, seconds: float, rng: np.random.Generator
) -> PodStream:
    """Lifetimes of six hours in the mean that say nothing of their rest; arrivals swing by half.

    The rate rises from the end of the warm-up on.
    """
    churn = Churn(
        load_ratio=load_ratio,
        hours=seconds / SECONDS_PER_HOUR,
        swing_ratio=EXPONENTIAL_SWING_RATIO,
        mean_lifetime_seconds=MEAN_LIFETIME_SECONDS,
        warm_up_seconds=WARM_UP_SECONDS,
        rises_seconds=WARM_UP_SECONDS,
    )
    return churn_stream(ShapeTable.shipped(), fleet, churn, rng)


def openb_churn(
    fleet: Fleet, load_ratio: float, seconds: float, rng: np.random.Generator
) -> PodStream:
    """Each shape's own lifetimes, from the shipped quantiles."""
    churn = Churn(
        load_ratio=load_ratio,
        hours=seconds / SECONDS_PER_HOUR,
        warm_up_seconds=WARM_UP_SECONDS,
        rises_seconds=WARM_UP_SECONDS,
    )
    return churn_stream(ShapeTable.shipped(), fleet, churn, rng)


def recorded_churn(
    file: PodFile, fleet: Fleet, load_ratio: float, rng: np.random.Generator
) -> tuple[PodStream, float]:
    """Half of a file's pods in their own order and for their own lifetimes; how long they take.

    Sizes are the file's own; the time between arrivals is scaled to the load. Pods that fit no
    node of the fleet are left out, since they would only wait.

    Raises:
        InputError: no row can be used, or no scaling of time reaches the load.
    """
    sizes = np.array([(r.cpu_millicores / 1000, r.memory_mebibytes) for r in file.records])
    candidates = np.flatnonzero(fleet.fits(sizes[:, 0], sizes[:, 1] * BYTES_PER_MEBIBYTE))
    count = round(RECORDED_SHARE * len(candidates))
    picks = np.sort(rng.choice(candidates, size=count, replace=False))
    records = tuple(file.records[int(pick)] for pick in picks)
    recorded = recorded_stream(replace(file, records=records), fleet, load_ratio)
    return recorded.stream, recorded.end_seconds


def traffic_replicas(
    fleet: Fleet, load_ratio: float, seconds: float, rng: np.random.Generator
) -> PodStream:
    """Two dozen services that follow four real rates, each at its own hour of the day.

    Replica sizes are scaled so that the mean load from the end of the warm-up is the stated one.
    """
    traffic = Traffic.shipped()
    sources = list(traffic.rates)
    steps = len(traffic.rates[sources[0]])
    latest = steps - int(np.ceil(seconds / traffic.step_seconds))
    drafts, begins = [], []
    for number in range(WORKLOADS):
        cores = float(rng.choice((1, 2, 4, 8)))
        drafts.append(
            ReplicatedWorkload(
                name=f"service-{number:02d}",
                source=sources[number % len(sources)],
                replicas_max=int(rng.choice(REPLICAS_MAX)),
                cpu_millicores=round(1000 * cores),
                memory_mebibytes=round(cores * float(rng.choice(MEBIBYTES_PER_CORE))),
            )
        )
        begins.append(int(rng.integers(0, max(1, latest))))
    window = slice(int(WARM_UP_SECONDS / traffic.step_seconds), int(seconds / traffic.step_seconds))
    means = [
        float(replicas_of(draft, traffic)[begin:][window].mean())
        for draft, begin in zip(drafts, begins, strict=True)
    ]
    scale = load_ratio / _load_ratio(drafts, means, fleet)
    streams = [
        _owned(replica_stream(_scaled(draft, scale), traffic, start_step=begin, seconds=seconds))
        for draft, begin in zip(drafts, begins, strict=True)
    ]
    # Each service scales at its own moment: only its own new replicas are one queue.
    apart_seconds = traffic.step_seconds / len(streams)
    return merged(
        [
            replace(one, arrival_seconds=one.arrival_seconds + number * apart_seconds)
            for number, one in enumerate(map(found_running, streams))
        ]
    )


def _load_ratio(workloads: list[ReplicatedWorkload], means: list[float], fleet: Fleet) -> float:
    """Share of the scarcer resource that the mean replicas request."""
    pairs = list(zip(workloads, means, strict=True))
    cores = sum(workload.cpu_millicores / 1000 * mean for workload, mean in pairs)
    mebibytes = sum(workload.memory_mebibytes * mean for workload, mean in pairs)
    memory_ratio = mebibytes * BYTES_PER_MEBIBYTE / float(fleet.memory_bytes.sum())
    return max(cores / float(fleet.cpu_cores.sum()), memory_ratio)


def _scaled(workload: ReplicatedWorkload, scale: float) -> ReplicatedWorkload:
    return replace(
        workload,
        cpu_millicores=max(1, round(workload.cpu_millicores * scale)),
        memory_mebibytes=max(1, round(workload.memory_mebibytes * scale)),
    )


def _owned(stream: PodStream) -> PodStream:
    """The stream with each pod owned by the workload that it is named after."""
    return replace(
        stream,
        pods=tuple(
            replace(pod, owner=Owner(kind="Deployment", name=pod.name.rsplit("-", 1)[0]))
            for pod in stream.pods
        ),
    )
