"""A stream of pods: what arrives when, what it requests, how long it stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cluster.model import Pod
from pricing.node_class import CPU_MILLICORES_PER_CORE
from pricing.program import Shapes

# Within this time the pods that stand there from the start are placed; it is part of any warm-up.
FOUND_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PodStream:
    """Pods in the order in which they arrive.

    ``arrival_seconds`` and ``lifetime_seconds`` have one entry per pod; arrivals never fall, and a
    lifetime of infinity means that the pod outlives the scenario.
    """

    pods: tuple[Pod, ...]
    arrival_seconds: NDArray[np.float64]
    lifetime_seconds: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.pods)

    @property
    def departure_seconds(self) -> NDArray[np.float64]:
        """When each pod would leave if it were placed on arrival."""
        return self.arrival_seconds + self.lifetime_seconds

    def cpu_cores(self) -> NDArray[np.float64]:
        """Requested cores, one entry per pod."""
        millicores = np.array([pod.requests.cpu_millicores for pod in self.pods], dtype=np.float64)
        return millicores / CPU_MILLICORES_PER_CORE

    def memory_bytes(self) -> NDArray[np.float64]:
        """Requested memory, one entry per pod."""
        return np.array([pod.requests.memory_bytes for pod in self.pods], dtype=np.float64)


def burst(pods: Sequence[Pod]) -> PodStream:
    """All pods at once, none of which leaves."""
    return PodStream(
        pods=tuple(pods),
        arrival_seconds=np.zeros(len(pods)),
        lifetime_seconds=np.full(len(pods), np.inf),
    )


def merged(streams: Sequence[PodStream]) -> PodStream:
    """Several streams as one, in order of arrival; pods that arrive together keep their order."""
    arrival_seconds = np.concatenate([stream.arrival_seconds for stream in streams])
    lifetime_seconds = np.concatenate([stream.lifetime_seconds for stream in streams])
    pods = [pod for stream in streams for pod in stream.pods]
    order = np.argsort(arrival_seconds, kind="stable")
    return PodStream(
        pods=tuple(pods[index] for index in order),
        arrival_seconds=arrival_seconds[order],
        lifetime_seconds=lifetime_seconds[order],
    )


def found_running(stream: PodStream, within_seconds: float = FOUND_SECONDS) -> PodStream:
    """The stream with the pods that stand there from the start arriving one by one.

    They came over days. As one queue at time zero they would let a rule that prices queues settle
    them better than any cluster's history could.
    """
    seconds = stream.arrival_seconds
    standing = int((seconds <= 0.0).sum())
    arrival_seconds = seconds.copy()
    arrival_seconds[:standing] = np.arange(standing) * (within_seconds / max(1, standing))
    order = np.argsort(arrival_seconds, kind="stable")
    return PodStream(
        pods=tuple(stream.pods[index] for index in order),
        arrival_seconds=arrival_seconds[order],
        lifetime_seconds=stream.lifetime_seconds[order],
    )


def is_burst(stream: PodStream, start_seconds: float, end_seconds: float) -> bool:
    """Whether all pods stand there throughout: none comes or goes within the window."""
    comes, leaves = stream.arrival_seconds, stream.departure_seconds
    return bool((comes <= start_seconds).all() and (leaves >= end_seconds).all())


def realised(stream: PodStream, placed_seconds: NDArray[np.float64]) -> PodStream:
    """The part of a stream that a policy ran, each pod from when it was placed (NaN: never)."""
    ran = np.flatnonzero(~np.isnan(placed_seconds))
    order = ran[np.argsort(placed_seconds[ran], kind="stable")]
    return PodStream(
        pods=tuple(stream.pods[index] for index in order),
        arrival_seconds=placed_seconds[order],
        lifetime_seconds=stream.lifetime_seconds[order],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """How many pods of each shape run, as means over consecutive steps.

    ``counts`` has shape (steps, shapes); each step lasts ``step_seconds``.
    """

    shapes: Shapes
    counts: NDArray[np.float64]
    step_seconds: float


def shapes_of(stream: PodStream) -> tuple[Shapes, NDArray[np.int64]]:
    """The distinct shapes of a stream, and the index of each pod's shape."""
    sizes = np.column_stack([stream.cpu_cores(), stream.memory_bytes()])
    distinct, shape_of_pod = np.unique(sizes, axis=0, return_inverse=True)
    shapes = Shapes(cpu_cores=distinct[:, 0], memory_bytes=distinct[:, 1])
    return shapes, shape_of_pod.reshape(-1).astype(np.int64)


def mean_demand(
    stream: PodStream, *, start_seconds: float, end_seconds: float, step_seconds: float
) -> Demand:
    """Mean pods per shape in each step between start and end, each pod placed on arrival.

    The window is cut into whole steps; its last step may be shorter than ``step_seconds`` only in
    the caller's window, so callers choose windows that are multiples of it.
    """
    shapes, shape_of_pod = shapes_of(stream)
    steps = max(1, round((end_seconds - start_seconds) / step_seconds))
    edges = np.linspace(start_seconds, end_seconds, steps + 1)
    width = edges[1] - edges[0]
    counts = np.zeros((steps, len(shapes)))
    departure_seconds = stream.departure_seconds
    for pod, shape in enumerate(shape_of_pod):
        arrival, departure = stream.arrival_seconds[pod], departure_seconds[pod]
        first = max(0, int((arrival - start_seconds) // width))
        last = (
            steps
            if np.isinf(departure)
            else min(steps, int((departure - start_seconds) // width) + 1)
        )
        if first >= steps or last <= first:
            continue
        overlap = np.minimum(edges[first + 1 : last + 1], departure) - np.maximum(
            edges[first:last], arrival
        )
        counts[first:last, shape] += np.maximum(overlap, 0.0) / width
    return Demand(shapes=shapes, counts=counts, step_seconds=float(width))
