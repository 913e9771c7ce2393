"""A stream from a file of recorded pods, its time compressed to a stated load.

Compressing moves arrivals closer together and leaves lifetimes as they are, up to the length of
the window. Time is taken as a circle: a pod that is still there at the end of the window also
stands there at its start, for the rest of its stay. So the load is the stated one from the first
second, exactly in the mean (Little's law), with no empty cluster to fill and no pile-up at the end.

Without a stated load openb is compressed to half of the fleet's scarcer resource; our own files
keep their time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cluster.model import Pod
from energy.errors import InputError
from simulator.fleet import Fleet
from simulator.pod_file import BYTES_PER_MEBIBYTE, PodFile, PodRecord, pod_of
from simulator.stream import PodStream

OPENB_LOAD_RATIO = 0.5
# openb's first 116 days hold 2 % of its pods; the window begins where arrivals set in.
OPENB_LEAD_QUANTILE = 0.02
# A burst from a file has no window of its own; it is watched for an hour.
BURST_SECONDS = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedStream:
    """A stream and how it came about.

    ``time_factor`` is what recorded seconds between arrivals were multiplied by;
    ``standing_pods`` are there from the start; ``skipped_pods`` were never scheduled or had left
    before the window.
    """

    stream: PodStream
    end_seconds: float
    load_ratio: float
    time_factor: float
    standing_pods: int
    skipped_pods: int

    def facts(self) -> dict[str, object]:
        """What a reader must know of the stream, for reports."""
        return {
            "pods": len(self.stream),
            "load_ratio": self.load_ratio,
            "time_factor": self.time_factor,
            "standing_pods": self.standing_pods,
            "skipped_pods": self.skipped_pods,
        }


def recorded_stream(file: PodFile, fleet: Fleet, load_ratio: float | None) -> RecordedStream:
    """The file's pods in order of arrival.

    Raises:
        InputError: no row can be used, or no compression reaches the load.
    """
    if load_ratio is None and file.is_openb:
        load_ratio = OPENB_LOAD_RATIO
    window = _window(file.records, OPENB_LEAD_QUANTILE if file.is_openb else 0.0)
    if load_ratio is None:
        return _as_recorded(window, fleet, len(file.records))
    return _compressed(window, fleet, load_ratio, len(file.records))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    """The records that were there at its start or came later, times from its start."""

    records: Sequence[PodRecord]
    arrival_seconds: NDArray[np.float64]
    lifetime_seconds: NDArray[np.float64]

    def shares(self, fleet: Fleet) -> NDArray[np.float64]:
        """What each pod requests of the fleet's cores and memory, shape (pods, 2)."""
        cpu = np.array([record.cpu_millicores / 1000 for record in self.records])
        memory = np.array([float(record.memory_mebibytes) for record in self.records])
        return np.column_stack(
            [
                cpu / fleet.cpu_cores.sum(),
                memory * BYTES_PER_MEBIBYTE / fleet.memory_bytes.sum(),
            ]
        )


def _window(records: Sequence[PodRecord], lead_quantile: float) -> _Window:
    kept = [record for record in records if record.lifetime_seconds is not None]
    if not kept:
        raise InputError("no pod was ever scheduled", mend="give rows with both times")
    kept.sort(key=lambda record: record.arrival_seconds)
    arrivals = np.array([record.arrival_seconds for record in kept])
    departures = arrivals + np.array([record.lifetime_seconds for record in kept], dtype=np.float64)
    start = float(np.quantile(arrivals, lead_quantile))
    stays = departures >= start
    arrivals = np.maximum(arrivals - start, 0.0)
    return _Window(
        records=[record for record, there in zip(kept, stays, strict=True) if there],
        arrival_seconds=arrivals[stays],
        lifetime_seconds=(departures - start - arrivals)[stays],
    )


def _as_recorded(window: _Window, fleet: Fleet, rows: int) -> RecordedStream:
    """The window as it was: it ends with the last arrival, a burst after an hour."""
    arrivals, lifetimes = window.arrival_seconds, window.lifetime_seconds
    end_seconds = float(arrivals[-1]) or BURST_SECONDS
    stays = np.minimum(lifetimes, end_seconds - arrivals)
    load = (window.shares(fleet) * stays[:, None]).sum(axis=0).max() / end_seconds
    return RecordedStream(
        stream=PodStream(
            pods=tuple(record.pod() for record in window.records),
            arrival_seconds=arrivals,
            lifetime_seconds=lifetimes,
        ),
        end_seconds=end_seconds,
        load_ratio=float(load),
        time_factor=1.0,
        standing_pods=int((arrivals == 0.0).sum()),
        skipped_pods=rows - len(window.records),
    )


def _compressed(window: _Window, fleet: Fleet, load_ratio: float, rows: int) -> RecordedStream:
    """The window at the length that makes the mean load the stated one, closed to a circle."""
    span = float(window.arrival_seconds[-1])
    if span == 0.0:
        raise InputError(
            "all pods arrive at once, so no time can be compressed",
            where="--load",
            mend="leave --load out for a burst",
        )
    end_seconds = _length_seconds(window.lifetime_seconds, window.shares(fleet), load_ratio)
    factor = end_seconds / span
    arrivals = window.arrival_seconds * factor
    lifetimes = np.minimum(window.lifetime_seconds, end_seconds)
    over = arrivals + lifetimes - end_seconds
    # A pod that arrives with the window's last moment would count twice as standing; it is the
    # same pod on a circle, so it only stands.
    standing = np.flatnonzero(over > 0)
    pods = [_standing(window.records[int(index)]) for index in standing]
    fresh = np.flatnonzero(arrivals < end_seconds)
    pods += [window.records[int(index)].pod() for index in fresh]
    return RecordedStream(
        stream=PodStream(
            pods=tuple(pods),
            arrival_seconds=np.concatenate([np.zeros(len(standing)), arrivals[fresh]]),
            lifetime_seconds=np.concatenate([over[standing], lifetimes[fresh]]),
        ),
        end_seconds=end_seconds,
        load_ratio=load_ratio,
        time_factor=factor,
        standing_pods=len(standing),
        skipped_pods=rows - len(window.records),
    )


def _standing(record: PodRecord) -> Pod:
    return pod_of(f"{record.name}-standing", record.cpu_millicores, record.memory_mebibytes)


def _length_seconds(
    lifetimes: NDArray[np.float64], shares: NDArray[np.float64], load_ratio: float
) -> float:
    """The window's length at which the mean load is as stated.

    Mean load is the sum of share x stay over the length, a stay being at most the length; it
    falls from all pods at once towards none, so bisection finds the one length.
    """

    def load(length: float) -> float:
        stays = np.minimum(lifetimes, length)
        return float((shares * stays[:, None]).sum(axis=0).max() / length)

    low, high = 1e-3, 1.0
    while load(high) > load_ratio and high < 1e12:  # noqa: PLR2004 - thirty thousand years
        high *= 2.0
    if load(low) < load_ratio or load(high) > load_ratio:
        raise InputError(
            f"no compression of time brings the mean load to {load_ratio:.0%}: "
            f"all pods at once request {load(low):.0%} of the fleet's scarcer resource",
            where="--load",
            mend="state another load, or give fewer or more nodes",
        )
    while high - low > 1e-9 * high:
        middle = (low + high) / 2.0
        low, high = (middle, high) if load(middle) > load_ratio else (low, middle)
    return high
