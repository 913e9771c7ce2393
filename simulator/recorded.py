"""A stream from a file of recorded pods, its time compressed to a stated load.

Compressing moves arrivals closer together and leaves lifetimes as they are. The load is the mean,
over the window of arrivals, of what placed-on-arrival pods request of the scarcer of CPU and
memory. Without a stated load openb's 149 days are compressed to half of the fleet; our own files
keep their time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from energy.errors import InputError
from simulator.fleet import Fleet
from simulator.pod_file import PodFile, PodRecord
from simulator.stream import PodStream

OPENB_LOAD_RATIO = 0.5
# A burst from a file has no window of its own; it is watched for an hour.
BURST_SECONDS = 3600.0
# The window of a compressed stream is found to this relative precision.
PRECISION_RATIO = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedStream:
    """A stream and how it came about."""

    stream: PodStream
    end_seconds: float
    load_ratio: float
    time_factor: float
    skipped_pods: int

    def facts(self) -> dict[str, object]:
        """What a reader must know of the stream, for reports."""
        return {
            "pods": len(self.stream),
            "load_ratio": self.load_ratio,
            "time_factor": self.time_factor,
            "skipped_pods": self.skipped_pods,
        }


def recorded_stream(file: PodFile, fleet: Fleet, load_ratio: float | None) -> RecordedStream:
    """The file's pods in order of arrival; rows that were never scheduled are skipped and counted.

    Raises:
        InputError: no row can be used, or no compression reaches the load.
    """
    if load_ratio is None and file.is_openb:
        load_ratio = OPENB_LOAD_RATIO
    kept = [record for record in file.records if record.lifetime_seconds is not None]
    if not kept:
        raise InputError("no pod was ever scheduled", mend="give rows with both times")
    kept.sort(key=lambda record: record.arrival_seconds)
    arrivals = np.array([record.arrival_seconds for record in kept])
    arrivals -= arrivals[0]
    lifetimes = np.array([record.lifetime_seconds for record in kept], dtype=np.float64)
    shares = _shares(kept, fleet)
    factor = 1.0 if load_ratio is None else _time_factor(arrivals, lifetimes, shares, load_ratio)
    end_seconds = float(arrivals[-1]) * factor
    if end_seconds == 0.0:
        end_seconds = BURST_SECONDS
    return RecordedStream(
        stream=PodStream(
            pods=tuple(record.pod() for record in kept),
            arrival_seconds=arrivals * factor,
            lifetime_seconds=lifetimes,
        ),
        end_seconds=end_seconds,
        load_ratio=_mean_load(arrivals * factor, lifetimes, shares, end_seconds),
        time_factor=factor,
        skipped_pods=len(file.records) - len(kept),
    )


def _shares(records: list[PodRecord], fleet: Fleet) -> NDArray[np.float64]:
    """What each pod requests of the fleet's cores and memory, shape (pods, 2)."""
    cpu = np.array([record.cpu_millicores / 1000 for record in records]) / fleet.cpu_cores.sum()
    memory = np.array([record.memory_mebibytes * 2.0**20 for record in records])
    return np.column_stack([cpu, memory / fleet.memory_bytes.sum()])


def _mean_load(
    arrivals: NDArray[np.float64],
    lifetimes: NDArray[np.float64],
    shares: NDArray[np.float64],
    end_seconds: float,
) -> float:
    """Mean share of the scarcer resource between zero and the end."""
    stays = np.minimum(lifetimes, end_seconds - arrivals)
    return float((shares * stays[:, None]).sum(axis=0).max() / end_seconds)


def _time_factor(
    arrivals: NDArray[np.float64],
    lifetimes: NDArray[np.float64],
    shares: NDArray[np.float64],
    load_ratio: float,
) -> float:
    """The factor on arrival times at which the mean load is as stated, by bisection.

    The load falls as the window grows, from all pods at once towards none.
    """
    span = float(arrivals[-1])
    if span == 0.0:
        raise InputError(
            "all pods arrive at once, so no time can be compressed",
            where="--load",
            mend="leave --load out for a burst",
        )

    def load(factor: float) -> float:
        return _mean_load(arrivals * factor, lifetimes, shares, span * factor)

    low, high = 1e-12, 1.0
    while load(high) > load_ratio and high < 1e9:  # noqa: PLR2004 - thirty years of a second
        high *= 2.0
    if load(low) < load_ratio or load(high) > load_ratio:
        raise InputError(
            f"no compression of time brings the mean load to {load_ratio:.0%}; "
            f"all pods at once request {load(low):.0%} of the scarcer resource",
            where="--load",
            mend="state another load, or give fewer or more nodes",
        )
    while high - low > PRECISION_RATIO * high:
        middle = (low + high) / 2.0
        low, high = (middle, high) if load(middle) > load_ratio else (low, middle)
    return high
