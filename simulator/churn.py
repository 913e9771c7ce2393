"""A seeded stream of pods under churn: openb's sizes and lifetimes, a daily swing, a stated load.

The run starts with a population as it would be found at a random moment (long-lived pods are
over-represented in it, each with a residual lifetime), so there is no empty cluster to fill.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from simulator.fleet import Fleet
from simulator.pod_file import BYTES_PER_MEBIBYTE, pod_of
from simulator.stream import PodStream

SECONDS_PER_HOUR = 3600.0
SECONDS_PER_DAY = 86400.0
# Pods at once on a fleet that is 40 % requested: the standard burst's 600.
PODS_AT_FORTY_PERCENT = 600
# Longer lifetimes outlive any run here; the cap keeps single pods from deciding the load.
LIFETIME_SECONDS_MAX = 7 * SECONDS_PER_DAY
LIFETIME_SECONDS_MIN = 30.0
SWING_RATIO = 0.25


@dataclass(frozen=True, slots=True)
class ShapeTable:
    """Pod sizes of openb, how often each occurred, and quantiles of its lifetime.

    ``cpu_millicores``, ``memory_mebibytes`` and ``weights`` (summing to 1) have one entry per
    shape; ``log_lifetimes`` has shape (shapes, quantiles), natural logarithms of seconds.
    """

    cpu_millicores: NDArray[np.int64]
    memory_mebibytes: NDArray[np.int64]
    weights: NDArray[np.float64]
    quantiles: NDArray[np.float64]
    log_lifetimes: NDArray[np.float64]

    @classmethod
    def shipped(cls) -> ShapeTable:
        """The table that travels with the simulator (source: ``simulator/data/README.md``)."""
        text = files("simulator").joinpath("data/openb_shapes.csv").read_text(encoding="utf-8")
        return cls.parse(text.splitlines())

    @classmethod
    def parse(cls, lines: Iterable[str]) -> ShapeTable:
        """Read the table's CSV."""
        table = list(csv.DictReader(lines))
        columns = [name for name in table[0] if name.startswith("lifetime_p")]
        quantiles = [int(name.removeprefix("lifetime_p").split("_")[0]) / 100 for name in columns]
        lifetimes = np.array([[float(row[name]) for name in columns] for row in table])
        pods = np.array([float(row["pods"]) for row in table])
        clipped = np.clip(lifetimes, LIFETIME_SECONDS_MIN, LIFETIME_SECONDS_MAX)
        return cls(
            np.array([int(row["cpu_millicores"]) for row in table]),
            np.array([int(row["memory_mebibytes"]) for row in table]),
            pods / pods.sum(),
            np.array(quantiles),
            np.log(clipped),
        )

    def draw(
        self, count: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Shapes and lifetimes in seconds of ``count`` pods, both of shape (count,)."""
        shapes = rng.choice(len(self.weights), size=count, p=self.weights)
        places = rng.random(count)
        lifetimes = np.array(
            [
                math.exp(np.interp(place, self.quantiles, self.log_lifetimes[shape]))
                for shape, place in zip(shapes, places, strict=True)
            ]
        )
        return shapes.astype(np.int64), lifetimes


@dataclass(frozen=True, slots=True, kw_only=True)
class Churn:
    """A stream's parameters: mean load of the scarcer resource, its daily swing, its length."""

    load_ratio: float
    hours: float
    swing_ratio: float = SWING_RATIO


def churn_stream(
    table: ShapeTable, fleet: Fleet, churn: Churn, rng: np.random.Generator
) -> PodStream:
    """Pods that keep the fleet at the stated load: a population at time zero, then arrivals.

    The load is the mean requested share of the fleet's scarcer resource, so that memory-heavy
    pods do not ask for more than there is.
    """
    # Little's law: pods at once = arrivals per second x mean lifetime. A large sample stands in
    # for the mean of a distribution that is only given by quantiles.
    shapes, lifetimes = table.draw(20_000, rng)
    share = lifetimes / lifetimes.sum()
    cpu_mean = float((table.cpu_millicores[shapes] * share).sum())
    memory_mean = float((table.memory_mebibytes[shapes] * share).sum())
    cpu_all = 1000.0 * float(fleet.cpu_cores.sum())
    memory_all = float(fleet.memory_bytes.sum()) / BYTES_PER_MEBIBYTE
    pods = PODS_AT_FORTY_PERCENT * churn.load_ratio / 0.4
    scale = churn.load_ratio / (pods * max(cpu_mean / cpu_all, memory_mean / memory_all))
    rate = pods / float(lifetimes.mean())

    standing = rng.choice(len(shapes), size=rng.poisson(pods), p=share)
    residual = lifetimes[standing] * rng.random(len(standing))
    seconds = churn.hours * SECONDS_PER_HOUR
    arrivals = _arrivals(rate, churn.swing_ratio, seconds, rng)
    fresh, fresh_lifetimes = table.draw(len(arrivals), rng)
    all_shapes = np.concatenate([shapes[standing], fresh])
    return PodStream(
        pods=tuple(
            pod_of(
                f"churn-{number:05d}",
                max(10, round(int(table.cpu_millicores[shape]) * scale / 10) * 10),
                max(16, round(int(table.memory_mebibytes[shape]) * scale)),
            )
            for number, shape in enumerate(all_shapes.tolist())
        ),
        arrival_seconds=np.concatenate([np.zeros(len(standing)), arrivals]),
        lifetime_seconds=np.concatenate([residual, fresh_lifetimes]),
    )


def _arrivals(
    rate_per_second: float, swing_ratio: float, seconds: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Arrival times of a Poisson process whose rate swings by a sine over the day (thinning)."""
    ceiling = rate_per_second * (1 + swing_ratio)
    candidates = np.sort(rng.random(rng.poisson(ceiling * seconds)) * seconds)
    phase = 2 * np.pi * candidates / SECONDS_PER_DAY
    accepted = rng.random(len(candidates)) * (1 + swing_ratio) < 1 + swing_ratio * np.sin(phase)
    return candidates[accepted]
