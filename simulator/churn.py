"""A seeded stream of pods under churn: openb's sizes and lifetimes, a daily swing, a stated load.

The run starts with a population as it would be found at a random moment (long-lived pods are
over-represented in it, each with a residual lifetime), so there is no empty cluster to fill.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from cluster.model import Owner, Pod
from energy.units import SECONDS_PER_DAY, SECONDS_PER_HOUR
from simulator.fleet import Fleet
from simulator.pod_file import BYTES_PER_MEBIBYTE, pod_of
from simulator.stream import PodStream, found_running

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

    def load_ratio(
        self, shape_of_pod: NDArray[np.int64], presence: NDArray[np.float64], fleet: Fleet
    ) -> float:
        """Mean requested share of a fleet's scarcer resource, unscaled.

        ``presence`` is the share of the time that each pod is there, one entry per pod.
        """
        cpu_cores = (self.cpu_millicores[shape_of_pod] * presence).sum() / 1000
        mebibytes = (self.memory_mebibytes[shape_of_pod] * presence).sum()
        return float(
            max(
                cpu_cores / fleet.cpu_cores.sum(),
                mebibytes * BYTES_PER_MEBIBYTE / fleet.memory_bytes.sum(),
            )
        )

    def pods(
        self, name: str, shape_of_pod: NDArray[np.int64], scale: float, owner: str = "shape"
    ) -> list[Pod]:
        """Pods of the given shapes, their requests scaled; all of a shape have one owner."""
        return [
            replace(
                pod_of(
                    f"{name}-{number:05d}",
                    max(1, round(int(self.cpu_millicores[shape]) * scale)),
                    max(1, round(int(self.memory_mebibytes[shape]) * scale)),
                ),
                owner=Owner(kind="Job", name=f"{owner}-{shape:03d}"),
            )
            for number, shape in enumerate(shape_of_pod.tolist())
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Churn:
    """A stream's parameters: mean load of the scarcer resource, its daily swing, its length.

    The load is the mean from the end of the warm-up on. ``rises_seconds`` is when the arrival rate
    crosses its mean upwards. With ``mean_lifetime_seconds`` lifetimes are exponential, without it
    each shape's own.
    """

    load_ratio: float
    hours: float
    swing_ratio: float = SWING_RATIO
    mean_lifetime_seconds: float | None = None
    warm_up_seconds: float = 0.0
    rises_seconds: float = 0.0

    def draw(
        self, table: ShapeTable, count: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Shapes and lifetimes in seconds of ``count`` pods, both of shape (count,)."""
        shapes, lifetimes = table.draw(count, rng)
        if self.mean_lifetime_seconds is not None:
            lifetimes = rng.exponential(self.mean_lifetime_seconds, count)
        return shapes, lifetimes


def churn_stream(
    table: ShapeTable, fleet: Fleet, churn: Churn, rng: np.random.Generator
) -> PodStream:
    """Pods that keep the fleet at the stated load: a population at time zero, then arrivals.

    The load is the mean requested share of the fleet's scarcer resource after the warm-up, so that
    memory-heavy pods do not ask for more than there is. Sizes are scaled to meet it, so a
    seed that draws few long-lived pods is no lighter than another.
    """
    seconds = churn.hours * SECONDS_PER_HOUR
    pods = PODS_AT_FORTY_PERCENT * churn.load_ratio / 0.4
    # Little's law: pods at once = arrivals per second x mean lifetime. A large sample stands in
    # for the mean of a distribution that is only given by quantiles.
    shapes, lifetimes = churn.draw(table, 20_000, rng)
    standing = rng.choice(len(shapes), size=rng.poisson(pods), p=lifetimes / lifetimes.sum())
    arrivals = _arrivals(pods / float(lifetimes.mean()), churn, rng)
    fresh, fresh_lifetimes = churn.draw(table, len(arrivals), rng)
    shape_of_pod = np.concatenate([shapes[standing], fresh])
    arrival_seconds = np.concatenate([np.zeros(len(standing)), arrivals])
    residual = lifetimes[standing] * rng.random(len(standing))
    lifetime_seconds = np.concatenate([residual, fresh_lifetimes])
    departs = np.minimum(arrival_seconds + lifetime_seconds, seconds)
    stays = np.maximum(departs - np.maximum(arrival_seconds, churn.warm_up_seconds), 0.0)
    presence = stays / (seconds - churn.warm_up_seconds)
    scale = churn.load_ratio / table.load_ratio(shape_of_pod, presence, fleet)
    stream = PodStream(
        pods=tuple(table.pods("churn", shape_of_pod, scale)),
        arrival_seconds=arrival_seconds,
        lifetime_seconds=lifetime_seconds,
    )
    return found_running(stream)


def _arrivals(
    rate_per_second: float, churn: Churn, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Arrival times of a Poisson process whose rate swings by a sine over the day (thinning)."""
    swing_ratio, seconds = churn.swing_ratio, churn.hours * SECONDS_PER_HOUR
    ceiling = rate_per_second * (1 + swing_ratio)
    candidates = np.sort(rng.random(rng.poisson(ceiling * seconds)) * seconds)
    phase = 2 * np.pi * (candidates - churn.rises_seconds) / SECONDS_PER_DAY
    accepted = rng.random(len(candidates)) * (1 + swing_ratio) < 1 + swing_ratio * np.sin(phase)
    return candidates[accepted]
