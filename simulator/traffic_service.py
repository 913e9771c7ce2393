"""What a simulated service makes of its traffic: response times, CPU, memory, network. Pure.

Each ready replica is one queue (M/M/1) that gets an even share of the requests: arrivals at random,
service times exponential. The time from arrival to answer is then exponential too, with the rate
μ - λ (Kleinrock, Queueing Systems I, 1975, 3.2), here behind a fixed part that does not queue.
A replica that is asked more than it can do is taken as almost full: the backlog of an overload is
not modelled. Every figure that comes from here is simulated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from energy.errors import InputError

FloatArray = NDArray[np.float64]

UTILISATION_RATIO_MAX = 0.98
#: The cost of a request drifts from minute to minute: a first-order autoregression of its
#: logarithm. Both figures are assumed.
COST_SIGMA, COST_MEMORY = 0.08, 0.9
#: Memory follows the load quickly upwards and slowly downwards, as heaps and caches do. Assumed.
MEMORY_RISE_MINUTES, MEMORY_FALL_MINUTES = 3.0, 60.0
MEBIBYTE = 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceModel:
    """One replica of a service.

    Attributes:
        capacity_requests_per_second: what one replica answers at most.
        fixed_seconds: of a response time, what does not depend on load.
        cpu_seconds_per_request: the default is what one request to the Sock Shop took in all
            containers together, by the difference of two loads: (1.77 - 0.41) cores over
            (662 - 74) requests/s (uDEVOPS2020, Multivariate-AD-and-RCA, scenario A).
        cpu_idle_cores: of a replica without requests.
        memory_idle_bytes: the same.
        memory_bytes_per_request_per_second: held per unit of the load on a replica. Assumed.
        network_bytes_per_request: received and sent. Assumed.
    """

    capacity_requests_per_second: float = 100.0
    fixed_seconds: float = 0.012
    cpu_seconds_per_request: float = 0.0023
    cpu_idle_cores: float = 0.02
    memory_idle_bytes: float = 96.0 * MEBIBYTE
    memory_bytes_per_request_per_second: float = 1.5 * MEBIBYTE
    network_bytes_per_request: tuple[float, float] = (900.0, 14_000.0)

    def __post_init__(self) -> None:
        if not (self.capacity_requests_per_second > 0 and self.cpu_seconds_per_request >= 0):
            raise InputError("a service answers more than no requests")

    def replicas_for(self, requests_per_second: float, *, utilisation_ratio: float = 0.75) -> int:
        """So many replicas that none is busier than that at this load; at least one."""
        each = self.capacity_requests_per_second * utilisation_ratio
        return max(1, math.ceil(requests_per_second / each))

    def utilisation_ratio(
        self, requests_per_second: FloatArray, ready_replicas: int, cost_ratio: FloatArray | float
    ) -> FloatArray:
        """How busy each replica is, below UTILISATION_RATIO_MAX.

        `cost_ratio` is what a request costs at the moment, 1 on average.

        Raises:
            InputError: there is no replica.
        """
        if ready_replicas < 1:
            raise InputError("without a replica nothing is answered")
        capacity = ready_replicas * self.capacity_requests_per_second
        busy = np.asarray(requests_per_second) * cost_ratio / capacity
        return np.minimum(busy, UTILISATION_RATIO_MAX)

    def leaving_per_second(
        self, requests_per_second: FloatArray, ready_replicas: int, cost_ratio: FloatArray | float
    ) -> FloatArray:
        """The rate μ - λ of the exponential part of response times, 1/s."""
        busy = self.utilisation_ratio(requests_per_second, ready_replicas, cost_ratio)
        return self.capacity_requests_per_second / cost_ratio * (1.0 - busy)

    def within_ratio(self, seconds: float, leaving_per_second: FloatArray) -> FloatArray:
        """The share of requests that are answered within so long, 0 to 1."""
        waited = max(0.0, seconds - self.fixed_seconds)
        share: FloatArray = -np.expm1(-waited * leaving_per_second)
        return share

    def quantile_seconds(self, ratio: float, leaving_per_second: FloatArray) -> FloatArray:
        """The response time that this share of requests keeps below."""
        return self.fixed_seconds - math.log1p(-ratio) / leaving_per_second

    def mean_seconds(self, leaving_per_second: FloatArray) -> FloatArray:
        """The mean response time."""
        return self.fixed_seconds + 1.0 / leaving_per_second

    def cpu_cores(
        self, requests_per_second: FloatArray, replicas: int, cost_ratio: FloatArray | float
    ) -> FloatArray:
        """Cores in use by all replicas together."""
        busy = np.asarray(requests_per_second) * cost_ratio * self.cpu_seconds_per_request
        return replicas * self.cpu_idle_cores + busy

    def memory_target_bytes(self, requests_per_second: FloatArray, replicas: int) -> FloatArray:
        """The memory of all replicas together that a steady load leads to."""
        held = np.asarray(requests_per_second) * self.memory_bytes_per_request_per_second
        return replicas * self.memory_idle_bytes + held


def drifting_cost_ratios(minutes: int, seed_text: str) -> FloatArray:
    """What a request costs in each minute, 1 on average, float64[minutes]; drawn from a name."""
    rng = np.random.default_rng(crc32(seed_text.encode()))
    shocks = rng.normal(0.0, COST_SIGMA * math.sqrt(1 - COST_MEMORY**2), minutes)
    drift = np.empty(minutes)
    state = rng.normal(0.0, COST_SIGMA)
    for minute, shock in enumerate(shocks.tolist()):
        drift[minute] = state = COST_MEMORY * state + shock
    ratios: FloatArray = np.exp(drift - COST_SIGMA**2 / 2)
    return ratios


def following_memory_bytes(
    targets_bytes: FloatArray, start_bytes: float | None = None
) -> FloatArray:
    """Memory that follows its target, minute by minute; it starts at the first one unless given."""
    state = float(targets_bytes[0]) if start_bytes is None else start_bytes
    rise, fall = -math.expm1(-1 / MEMORY_RISE_MINUTES), -math.expm1(-1 / MEMORY_FALL_MINUTES)
    held = np.empty(len(targets_bytes))
    for minute, target in enumerate(targets_bytes.tolist()):
        state += (target - state) * (rise if target > state else fall)
        held[minute] = state
    return held
