"""What a replayed workload has counted up to a moment: the past at once, the present step by step.

The past is that of a fixed number of ready replicas; from the start on those count that are there.
Pure: time and pods come in as arguments.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from simulator.sandbox.forecast_names import CATCH_UP_SECONDS, PAST_STEP_SECONDS
from simulator.sandbox.forecast_workloads import ReplayedWorkload
from simulator.traffic import SECONDS_PER_MINUTE, FloatArray, IntArray, minute_of
from simulator.traffic_service import (
    MEMORY_FALL_MINUTES,
    MEMORY_RISE_MINUTES,
    following_memory_bytes,
)

#: Of ingress-nginx (internal/ingress/metric/collectors/socket.go: prometheus.DefBuckets).
BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodTotals:
    """What one pod has used since it was first seen."""

    cpu_seconds: float = 0.0
    received_bytes: float = 0.0
    sent_bytes: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Totals:
    """What a workload has counted, and what it holds, at a moment.

    Attributes:
        at_seconds: the moment, Unix time.
        answered: requests.
        refused: requests that found no ready replica (status 503).
        within: answered requests by BUCKETS_SECONDS, cumulative over these.
        duration_seconds: of all answers together.
        memory_bytes: of all ready replicas together, now.
        pods: by name.
    """

    at_seconds: float
    answered: float = 0.0
    refused: float = 0.0
    within: tuple[float, ...] = (0.0,) * len(BUCKETS_SECONDS)
    duration_seconds: float = 0.0
    memory_bytes: float = 0.0
    pods: Mapping[str, PodTotals] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Past:
    """The totals of a workload every PAST_STEP_SECONDS; arrays of float64[steps].

    Attributes:
        at_seconds: int64[steps], whole steps of Unix time.
        within: float64[steps, buckets].
    """

    at_seconds: IntArray
    answered: FloatArray
    within: FloatArray
    duration_seconds: FloatArray
    cpu_seconds: FloatArray
    memory_bytes: FloatArray
    received_bytes: FloatArray
    sent_bytes: FloatArray

    def last(self) -> Totals:
        """The totals at its end; the pods that are now have used nothing yet."""
        return Totals(
            at_seconds=float(self.at_seconds[-1]),
            answered=float(self.answered[-1]),
            within=tuple(self.within[-1].tolist()),
            duration_seconds=float(self.duration_seconds[-1]),
            memory_bytes=float(self.memory_bytes[-1]),
        )


def past_of(workload: ReplayedWorkload, end_seconds: int, minutes: int) -> Past:
    """Count what happened in the last so many minutes that are over at a time.

    It ends with a whole minute: the pods of the past and those of the present then share none, in
    which a rate would count both.
    """
    last_minute = end_seconds // SECONDS_PER_MINUTE
    named = np.arange(last_minute - minutes + 1, last_minute + 1, dtype=np.int64)
    rates, model = workload.replay.requests_per_second(named), workload.model
    cost = workload.cost_ratio[workload.replay.index(named)]
    leaving = model.leaving_per_second(rates, workload.replicas, cost)
    at = np.arange(
        int(named[0] - 1) * SECONDS_PER_MINUTE + PAST_STEP_SECONDS,
        last_minute * SECONDS_PER_MINUTE + 1,
        PAST_STEP_SECONDS,
        dtype=np.int64,
    )
    # Each step lies in one minute, whose rates hold for all of it; a minute is named by its end.
    of_step = (at - 1) // SECONDS_PER_MINUTE + 1 - int(named[0])

    def counted(per_second: FloatArray) -> FloatArray:
        return np.cumsum(per_second[of_step] * PAST_STEP_SECONDS)

    received, sent = model.network_bytes_per_request
    memory = following_memory_bytes(model.memory_target_bytes(rates, workload.replicas))
    return Past(
        at_seconds=at,
        answered=counted(rates),
        within=np.stack(
            [counted(rates * model.within_ratio(le, leaving)) for le in BUCKETS_SECONDS], axis=1
        ),
        duration_seconds=counted(rates * model.mean_seconds(leaving)),
        cpu_seconds=counted(model.cpu_cores(rates, workload.replicas, cost)),
        memory_bytes=memory[of_step],
        received_bytes=counted(rates * received),
        sent_bytes=counted(rates * sent),
    )


def caught_up(
    totals: Totals, workload: ReplayedWorkload, ready_pods: Sequence[str], now_seconds: float
) -> tuple[Totals, ...]:
    """What scrapes would have seen since `totals`, every CATCH_UP_SECONDS and now; as `advanced`.

    Nobody scraped while the sandbox was being started, and a rate over that gap would be lost:
    Prometheus extends a rate to the edge of its window only where a sample lies near it.
    """
    found: list[Totals] = []
    for at in np.arange(totals.at_seconds + CATCH_UP_SECONDS, now_seconds, CATCH_UP_SECONDS):
        totals = advanced(totals, workload, ready_pods, float(at))
        found.append(totals)
    return (*found, advanced(totals, workload, ready_pods, now_seconds))


def advanced(
    totals: Totals, workload: ReplayedWorkload, ready_pods: Sequence[str], now_seconds: float
) -> Totals:
    """The totals at a later time, had these pods been ready all along; one in the past: the same.

    Pods that are not ready any more are forgotten.
    """
    pods = {name: totals.pods.get(name, PodTotals()) for name in ready_pods}
    totals = replace(totals, pods=pods)
    while totals.at_seconds < now_seconds:
        boundary = float(minute_of(totals.at_seconds) * SECONDS_PER_MINUTE)
        totals = _within_a_minute(totals, workload, min(boundary, now_seconds))
    return totals


def _within_a_minute(totals: Totals, workload: ReplayedWorkload, until_seconds: float) -> Totals:
    """Go on to a moment of the same minute."""
    passed = until_seconds - totals.at_seconds
    model, replicas = workload.model, len(totals.pods)
    minute = np.array([minute_of(totals.at_seconds)], dtype=np.int64)
    index = workload.replay.index(minute)
    rate, cost = workload.replay.trace.requests_per_second[index], workload.cost_ratio[index]
    requests = float(rate[0]) * passed
    if not replicas:
        refused = totals.refused + requests
        return replace(totals, at_seconds=until_seconds, refused=refused, memory_bytes=0.0)
    leaving = model.leaving_per_second(rate, replicas, cost)
    shares = [float(model.within_ratio(le, leaving)[0]) for le in BUCKETS_SECONDS]
    cpu_seconds = float(model.cpu_cores(rate, replicas, cost)[0]) * passed
    received, sent = model.network_bytes_per_request
    return replace(
        totals,
        at_seconds=until_seconds,
        answered=totals.answered + requests,
        within=tuple(
            before + requests * share for before, share in zip(totals.within, shares, strict=True)
        ),
        duration_seconds=totals.duration_seconds + requests * float(model.mean_seconds(leaving)[0]),
        memory_bytes=_memory_after(
            totals, float(model.memory_target_bytes(rate, replicas)[0]), passed
        ),
        pods={
            name: PodTotals(
                cpu_seconds=used.cpu_seconds + cpu_seconds / replicas,
                received_bytes=used.received_bytes + requests * received / replicas,
                sent_bytes=used.sent_bytes + requests * sent / replicas,
            )
            for name, used in totals.pods.items()
        },
    )


def _memory_after(totals: Totals, target_bytes: float, passed_seconds: float) -> float:
    rises = target_bytes > totals.memory_bytes
    minutes = MEMORY_RISE_MINUTES if rises else MEMORY_FALL_MINUTES
    part = -math.expm1(-passed_seconds / SECONDS_PER_MINUTE / minutes)
    return totals.memory_bytes + (target_bytes - totals.memory_bytes) * part
