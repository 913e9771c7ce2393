"""A stream from a file of recorded pods, its time scaled to a stated load.

Scaling moves arrivals closer together (or apart) and leaves lifetimes as they are, up to the length
of the window. Time is taken as a circle: a pod that is still there at the end of the window also
stands there at its start, for the rest of its stay. So the load is the stated one from the first
second, exactly in the mean (Little's law), with no empty cluster to fill and no pile-up at the end.
Pods that fit no node cannot be load: they are left to stay pending.

Without a stated load openb is scaled to half of the fleet's scarcer resource, or to as much as
leaves a window of a day; our own files keep their time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cluster.model import Pod
from energy.errors import InputError
from energy.units import SECONDS_PER_HOUR
from simulator.fleet import Fleet
from simulator.pod_file import BYTES_PER_MEBIBYTE, PodFile, PodRecord
from simulator.stream import FOUND_SECONDS, PodStream, found_running

OPENB_LOAD_RATIO = 0.5
# openb's first 116 days hold 2 % of its pods; the window begins where arrivals set in.
OPENB_LEAD_QUANTILE = 0.02
# A window shorter than a day shows a fleet that is filled, not one that lives.
WINDOW_SECONDS_MIN = 24 * SECONDS_PER_HOUR
CUT_RATIO_MAX = 0.05
# Thirty thousand years: what has not left by then never leaves.
LONGEST_SECONDS = 1e12
# The pods that stand there from the start come within this part of the window.
FOUND_RATIO = 1e-5
# A burst from a file has no window of its own; it is watched for an hour.
BURST_SECONDS = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedStream:
    """A stream and how it came about.

    ``time_factor`` is what recorded seconds between arrivals were multiplied by. ``pods`` counts
    records: one that stands at the start and comes again is in the stream twice.
    ``unscheduled_pods`` were never scheduled, ``departed_pods`` had left before the window;
    ``lifetimes_cut_ratio`` of the pods outlive it.
    """

    stream: PodStream
    end_seconds: float
    load_ratio: float
    time_factor: float
    pods: int
    standing_pods: int
    unscheduled_pods: int
    departed_pods: int
    lifetimes_cut_ratio: float

    def facts(self) -> dict[str, object]:
        """What a reader must know of the stream, for reports."""
        names = (
            "load_ratio",
            "time_factor",
            "pods",
            "standing_pods",
            "unscheduled_pods",
            "departed_pods",
            "lifetimes_cut_ratio",
        )
        return {name: getattr(self, name) for name in names}

    def warning(self) -> str:
        """A line on a window too short for its pods; empty where it is not."""
        if self.time_factor == 1.0 or (
            self.end_seconds >= WINDOW_SECONDS_MIN * 0.999
            and self.lifetimes_cut_ratio <= CUT_RATIO_MAX
        ):
            return ""
        return (
            f"a load of {self.load_ratio:.0%} leaves a window of "
            f"{self.end_seconds / SECONDS_PER_HOUR:.2f} h, which {self.lifetimes_cut_ratio:.0%} of "
            "the pods outlive; a lower --load, or fewer nodes, gives a longer one"
        )


def recorded_stream(file: PodFile, fleet: Fleet, load_ratio: float | None) -> RecordedStream:
    """The file's pods in order of arrival.

    Raises:
        InputError: no row can be used, or no scaling of time reaches the load.
    """
    window = _window(file.records, OPENB_LEAD_QUANTILE if file.is_openb else 0.0)
    fits = fleet.fits(*window.sizes().T)
    shares = window.shares(fleet, fits)
    if load_ratio is None and file.is_openb and window.span_seconds > 0:
        day_load = _load_over(window.lifetime_seconds, shares)(WINDOW_SECONDS_MIN)
        load_ratio = min(OPENB_LOAD_RATIO, day_load)
    if load_ratio is None:
        return _as_recorded(window, shares)
    return _scaled(window, fits, shares, load_ratio)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    """The records that were there at its start or came later, times from its start."""

    records: Sequence[PodRecord]
    arrival_seconds: NDArray[np.float64]
    lifetime_seconds: NDArray[np.float64]
    unscheduled_pods: int
    departed_pods: int

    @property
    def span_seconds(self) -> float:
        """From the start to the last arrival."""
        return float(self.arrival_seconds[-1])

    def sizes(self) -> NDArray[np.float64]:
        """Cores and bytes that each pod requests, shape (pods, 2)."""
        return np.array(
            [
                (record.cpu_millicores / 1000, record.memory_mebibytes * BYTES_PER_MEBIBYTE)
                for record in self.records
            ],
            dtype=np.float64,
        )

    def shares(self, fleet: Fleet, fits: NDArray[np.bool_]) -> NDArray[np.float64]:
        """What each pod requests of the fleet's cores and memory, shape (pods, 2).

        A pod that fits no node cannot be load: it has no share.
        """
        whole = np.array([fleet.cpu_cores.sum(), fleet.memory_bytes.sum()])
        return np.where(fits[:, None], self.sizes() / whole, 0.0)


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
        unscheduled_pods=len(records) - len(kept),
        departed_pods=int((~stays).sum()),
    )


def _as_recorded(window: _Window, shares: NDArray[np.float64]) -> RecordedStream:
    """The window as it was: it ends with the last arrival, a burst after an hour."""
    arrivals, lifetimes = window.arrival_seconds, window.lifetime_seconds
    end_seconds = window.span_seconds or BURST_SECONDS
    stays = np.minimum(lifetimes, end_seconds - arrivals)
    load = (shares * stays[:, None]).sum(axis=0).max() / end_seconds
    return RecordedStream(
        stream=PodStream(
            pods=tuple(record.pod() for record in window.records),
            arrival_seconds=arrivals,
            lifetime_seconds=lifetimes,
        ),
        end_seconds=end_seconds,
        load_ratio=float(load),
        time_factor=1.0,
        pods=len(window.records),
        standing_pods=int((arrivals == 0.0).sum()),
        unscheduled_pods=window.unscheduled_pods,
        departed_pods=window.departed_pods,
        lifetimes_cut_ratio=float((lifetimes > end_seconds).mean()),
    )


def _scaled(
    window: _Window, fits: NDArray[np.bool_], shares: NDArray[np.float64], load_ratio: float
) -> RecordedStream:
    """The window at the length that makes the mean load the stated one, closed to a circle."""
    if window.span_seconds == 0.0:
        raise InputError(
            "all pods arrive at once, so there is no time to scale",
            where="--load",
            mend="leave --load out for a burst",
        )
    end_seconds = _length_seconds(_load_over(window.lifetime_seconds, shares), load_ratio)
    factor = end_seconds / window.span_seconds
    arrivals, lifetimes = window.arrival_seconds * factor, window.lifetime_seconds
    outlive = lifetimes >= end_seconds
    over = arrivals + lifetimes - end_seconds
    # A pod that outlives the window stands from its start and never comes again.
    standing = np.flatnonzero(fits & (outlive | (over > 0)))
    fresh = np.flatnonzero(~fits | (~outlive & (arrivals < end_seconds)))
    pods = [_standing(window.records[int(index)]) for index in standing]
    pods += [window.records[int(index)].pod() for index in fresh]
    rest = np.where(outlive, np.inf, over)
    return RecordedStream(
        stream=found_running(
            PodStream(
                pods=tuple(pods),
                arrival_seconds=np.concatenate([np.zeros(len(standing)), arrivals[fresh]]),
                lifetime_seconds=np.concatenate([rest[standing], lifetimes[fresh]]),
            ),
            within_seconds=min(FOUND_SECONDS, FOUND_RATIO * end_seconds),
        ),
        end_seconds=end_seconds,
        load_ratio=load_ratio,
        time_factor=factor,
        pods=len(window.records),
        standing_pods=len(standing),
        unscheduled_pods=window.unscheduled_pods,
        departed_pods=window.departed_pods,
        lifetimes_cut_ratio=float(outlive.mean()),
    )


def _standing(record: PodRecord) -> Pod:
    return replace(record.pod(), name=f"{record.name}-standing")


def _load_over(
    lifetimes: NDArray[np.float64], shares: NDArray[np.float64]
) -> Callable[[float], float]:
    """Mean load as a function of the window's length in seconds.

    It is the sum of share x stay over the length, a stay being at most the length, and falls from
    all pods at once towards those that never leave.
    """

    def load(length_seconds: float) -> float:
        stays = np.minimum(lifetimes, length_seconds)
        return float((shares * stays[:, None]).sum(axis=0).max() / length_seconds)

    return load


def _length_seconds(load: Callable[[float], float], load_ratio: float) -> float:
    """The window's length at which the mean load is as stated, by bisection."""
    low, high = 1e-3, 1.0
    while load(high) > load_ratio and high < LONGEST_SECONDS:
        high *= 2.0
    if load(low) < load_ratio or load(high) > load_ratio:
        raise InputError(
            f"no scaling of time brings the mean load to {load_ratio:.1%}: all pods at once "
            f"request {load(low):.1%} of the fleet's scarcer resource, those that never leave "
            f"{load(LONGEST_SECONDS):.1%}",
            where="--load",
            mend="state another load, or give fewer or more nodes",
        )
    while high - low > 1e-9 * high:
        middle = (low + high) / 2.0
        low, high = (middle, high) if load(middle) > load_ratio else (low, middle)
    return high
