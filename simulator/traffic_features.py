"""The features of the paper for a replayed trace: what a service at that load would measure. Pure.

All of them are simulated from the trace's rates by `simulator.traffic_service`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from simulator.traffic import FloatArray, TrafficTrace
from simulator.traffic_service import ServiceModel, drifting_cost_ratios, following_memory_bytes

P95 = 0.95


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WorkloadFeatures:
    """One value for each minute, float64[minutes] each.

    Attributes:
        cost_ratio: what a request cost, 1 on average.
        leaving_per_second: the rate of the exponential part of response times.
    """

    requests_per_second: FloatArray
    response_time_p95_seconds: FloatArray
    cpu_cores: FloatArray
    memory_bytes: FloatArray
    network_bytes_per_second: FloatArray
    cost_ratio: FloatArray
    leaving_per_second: FloatArray

    def named(self) -> Mapping[str, FloatArray]:
        """What the paper forecasts: traffic, response time, CPU and memory."""
        return {
            "requests_per_second": self.requests_per_second,
            "response_time_p95_seconds": self.response_time_p95_seconds,
            "cpu_cores": self.cpu_cores,
            "memory_bytes": self.memory_bytes,
        }


def features_of(trace: TrafficTrace, model: ServiceModel, replicas: int) -> WorkloadFeatures:
    """Measure a whole trace on a service with a fixed number of ready replicas."""
    rates = trace.requests_per_second
    cost = drifting_cost_ratios(len(rates), trace.name)
    leaving = model.leaving_per_second(rates, replicas, cost)
    return WorkloadFeatures(
        requests_per_second=rates,
        response_time_p95_seconds=model.quantile_seconds(P95, leaving),
        cpu_cores=model.cpu_cores(rates, replicas, cost),
        memory_bytes=following_memory_bytes(model.memory_target_bytes(rates, replicas)),
        network_bytes_per_second=np.asarray(rates * sum(model.network_bytes_per_request)),
        cost_ratio=cost,
        leaving_per_second=leaving,
    )
