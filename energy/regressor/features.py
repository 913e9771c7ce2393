"""Turns facts into numbers that carry over to larger and newer servers.

Watts enter as ratios and as logarithms per core, per chip and in all: a server with twice the cores
of any that was seen still looks familiar per core. The target is the shape of the curve,
(watts - idle) / (peak - idle) at 10 .. 90 % load, so that idle and peak come out exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from energy.power_curve import LOAD_LEVELS
from energy.regressor.facts import ServerFacts
from energy.servers import CatalogueServer

Matrix = NDArray[np.float64]

#: Vendors with servers enough to show a habit of tuning; all others share one place (all zeros).
VENDORS: Final = (
    "Acer",
    "Fujitsu",
    "Dell",
    "IBM",
    "HP",
    "HPE",
    "Huawei",
    "Hitachi",
    "NEC",
    "Supermicro",
    "Sugon",
    "Lenovo",
    "Inspur",
    "Quanta",
)
SIZE_NAMES: Final = (
    "hardware_year",
    "maker_is_amd",
    "log_cores",
    "chips",
    "threads_per_core",
    "base_gigahertz",
    "log_memory_per_core",
    "log_cores_per_chip",
)
WATT_NAMES: Final = (
    "idle_over_peak",
    "log_peak",
    "log_idle",
    "log_peak_per_core",
    "log_idle_per_core",
    "log_peak_per_chip",
    "log_idle_per_chip",
    "log_dynamic_per_core_and_gigahertz",
)
VENDOR_NAMES: Final = tuple(f"vendor_is_{vendor.lower()}" for vendor in VENDORS)
FEATURE_NAMES: Final = (*SIZE_NAMES, *VENDOR_NAMES, *WATT_NAMES)
SIZE_FEATURES: Final = len(SIZE_NAMES) + len(VENDOR_NAMES)

#: What an unknown size is taken for: medians of the servers with hardware since 2015 in our table.
DEFAULT_HARDWARE_YEAR: Final = 2018.0
DEFAULT_GIGAHERTZ: Final = 2.3
DEFAULT_MEMORY_GIGABYTES_PER_CORE: Final = 3.0
DEFAULT_CORES_PER_CHIP: Final = 28
DEFAULT_THREADS_PER_CORE: Final = 2.0
#: One result states four threads a core; none of its CPUs has more than two.
MAX_THREADS_PER_CORE: Final = 2.0
#: The smallest measured step of 10 % load in our table costs 5 % of that server's mean step; no
#: predicted step may cost less, lest a flat piece make load look free.
MIN_STEP_RATIO: Final = 0.05


def size_matrix(facts: Sequence[ServerFacts]) -> Matrix:
    """Features that need no meter: (servers, SIZE_FEATURES)."""
    return np.array([_size_row(each) for each in facts], dtype=np.float64).reshape(
        len(facts), SIZE_FEATURES
    )


def feature_matrix(facts: Sequence[ServerFacts], levels: Matrix) -> Matrix:
    """All features: (servers, features); `levels` holds idle and peak watts: (servers, 2)."""
    sizes = size_matrix(facts)
    idle, peak = levels[:, 0], levels[:, 1]
    cores = np.array([each.cores for each in facts], dtype=np.float64)
    chips = np.array([_chips(each) for each in facts], dtype=np.float64)
    gigahertz = sizes[:, SIZE_NAMES.index("base_gigahertz")]
    watts = np.stack(
        [
            idle / peak,
            np.log(peak),
            np.log(idle),
            np.log(peak / cores),
            np.log(idle / cores),
            np.log(peak / chips),
            np.log(idle / chips),
            np.log((peak - idle) / cores / gigahertz),
        ],
        axis=1,
    )
    return np.concatenate([sizes, watts], axis=1)


def curves_of(servers: Sequence[CatalogueServer]) -> Matrix:
    """Measured watts at the eleven load levels: (servers, 11)."""
    return np.array([server.curve.watts_at_each(LOAD_LEVELS) for server in servers])


def shapes_of(servers: Sequence[CatalogueServer]) -> Matrix:
    """Targets: (watts - idle) / (peak - idle) at 10 .. 90 % load, (servers, 9)."""
    watts = curves_of(servers)
    idle, peak = watts[:, :1], watts[:, -1:]
    return ((watts - idle) / (peak - idle))[:, 1:-1]


def watts_of_shapes(shapes: Matrix, levels: Matrix) -> Matrix:
    """Curves in watts, rising throughout, from shapes and from idle and peak watts: (servers, 11).

    Whatever the estimator says, each step costs at least `MIN_STEP_RATIO` of the mean step and all
    steps together the whole way from idle to peak.
    """
    ends = np.zeros((len(shapes), 1)), np.ones((len(shapes), 1))
    steps = np.diff(np.concatenate([ends[0], shapes, ends[1]], axis=1), axis=1)
    steps = np.maximum(steps, MIN_STEP_RATIO / steps.shape[1])
    rising = np.cumsum(steps, axis=1) / steps.sum(axis=1, keepdims=True)
    idle, peak = levels[:, :1], levels[:, 1:]
    return np.concatenate([idle, idle + (peak - idle) * rising], axis=1)


def straight_lines(levels: Matrix) -> Matrix:
    """Lines from idle to peak watts, the fallback and the baseline: (servers, 11)."""
    return np.asarray(levels[:, :1] + (levels[:, 1:] - levels[:, :1]) * np.array(LOAD_LEVELS))


def level_targets(servers: Sequence[CatalogueServer]) -> Matrix:
    """Targets without a meter: log of peak watts per size, log of idle over peak: (servers, 2).

    Watts per core fall from one generation to the next, watts per chip rise; over the geometric
    mean of cores and chips they stay nearest to constant, which is what carries over.
    """
    rows = [
        (
            math.log(server.curve.peak_watts / math.sqrt(server.cores * server.chips)),
            math.log(server.curve.idle_watts / server.curve.peak_watts),
        )
        for server in servers
    ]
    return np.array(rows, dtype=np.float64)


def known_levels(facts: Sequence[ServerFacts], predicted: Matrix | None) -> Matrix:
    """Idle and peak watts: those known, the others from predicted level targets: (servers, 2).

    `predicted` may be None where all are known. A known idle above the predicted peak (or the
    reverse) moves the predicted one, by the predicted ratio of the two.
    """
    levels = np.empty((len(facts), 2))
    for row, each in enumerate(facts):
        idle, peak = each.idle_watts, each.peak_watts
        if predicted is not None and (idle is None or peak is None):
            ratio = min(math.exp(predicted[row, 1]), 0.95)
            if peak is None:
                by_size = math.sqrt(each.cores * _chips(each)) * math.exp(predicted[row, 0])
                peak = by_size if idle is None or idle < by_size else idle / ratio
            idle = ratio * peak if idle is None else idle
        levels[row] = (idle, peak)
    return levels


def _size_row(facts: ServerFacts) -> list[float]:
    chips = _chips(facts)
    threads = facts.threads or facts.cores * DEFAULT_THREADS_PER_CORE
    memory = facts.memory_gigabytes or facts.cores * DEFAULT_MEMORY_GIGABYTES_PER_CORE
    return [
        facts.hardware_year or DEFAULT_HARDWARE_YEAR,
        float(facts.cpu_maker == "AMD"),
        math.log(facts.cores),
        float(chips),
        min(threads / facts.cores, MAX_THREADS_PER_CORE),
        facts.base_gigahertz or DEFAULT_GIGAHERTZ,
        math.log(memory / facts.cores),
        math.log(facts.cores / chips),
        *(float(facts.vendor == vendor) for vendor in VENDORS),
    ]


def _chips(facts: ServerFacts) -> int:
    return facts.chips or max(1, round(facts.cores / DEFAULT_CORES_PER_CHIP))
