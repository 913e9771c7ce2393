"""How many series one process on one core forecasts each minute, and in how much memory.

    .venv/bin/python bench/forecast_rate.py [--series 10000] [--minutes 10] [--output table|json]

A child process on one core takes eight days of five-minute means of each series (made up, seeded)
and two hours by the minute, and then minute after minute one sample of every series and a forecast
of all, with the models that travel with the package: every fifth minute scores and learns, too. The
time of a minute is from its first sample to its last forecast; beside it the time that the same
series' last values alone take, which is what handling samples and histories costs without any
model. Resident memory is the most that the child had. The project's bars: 10,000 series within each
minute, in 600 MB.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from rich.console import Console
from rich.table import Table

from forecaster.engine import Engine
from forecaster.history import History
from forecaster.model_set import ModelSet
from forecaster.rivals.naive import LastValue

START = 29_000_160
DAY_MINUTES = 1440
BAR_SECONDS, BAR_MEGABYTES = 60.0, 600.0


def traffic(levels: np.ndarray, minute: int, rng: np.random.Generator) -> np.ndarray:
    """Return one minute of all series: a daily cycle with noise."""
    cycle = 2 + np.sin(2 * np.pi * minute / DAY_MINUTES)
    return levels * cycle * rng.uniform(0.9, 1.1, len(levels))


def fill(engine: Engine, keys: list[str], levels: np.ndarray, rng: np.random.Generator) -> None:
    """Give every series a past: eight days of one minute in five, then two hours of all."""
    old = np.arange(START - 8 * DAY_MINUTES + 10, START - 120, 5)
    minutes = np.concatenate([old, np.arange(START - 120, START)])
    cycle = 2 + np.sin(2 * np.pi * minutes / DAY_MINUTES)
    for key, level in zip(keys, levels, strict=True):
        engine.put(key, minutes, level * cycle * rng.uniform(0.9, 1.1, len(minutes)))


def measure(series: int, minutes: int) -> dict[str, object]:
    """Return the seconds of each minute and the memory, measured in a process of one core."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    rng = np.random.default_rng(0)
    levels = rng.uniform(1, 1000, series)
    keys = [f"shop/Deployment/web-{number}" for number in range(series)]
    engine = Engine(ModelSet.shipped())
    fill(engine, keys, levels, rng)
    seconds = []
    for minute in range(START, START + minutes):
        values = traffic(levels, minute, rng)
        begin = time.perf_counter()
        at = np.array([minute])
        for key, value in zip(keys, values, strict=True):
            engine.put(key, at, np.array([value]))
        engine.forecast(minute)
        seconds.append(time.perf_counter() - begin)
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return {
        "series": series,
        "seconds_of_minutes": seconds,
        "seconds_median": statistics.median(seconds),
        "seconds_max": max(seconds),
        "last_value_seconds": last_value_seconds(levels, rng),
        "resident_megabytes": megabytes,
    }


def last_value_seconds(levels: np.ndarray, rng: np.random.Generator) -> float:
    """Return how long a minute takes without models: histories and their newest values."""
    history, rows = History(len(levels)), np.arange(len(levels))
    values = traffic(levels, START, rng)
    begin = time.perf_counter()
    for row, value in enumerate(values.tolist()):
        history.put(row, START, value)
    for first in range(0, len(rows), 1024):
        LastValue().medians(history.view(rows[first : first + 1024], START))
    return time.perf_counter() - begin


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--output", choices=("table", "json"), default="table")
    options = parser.parse_args()
    with ProcessPoolExecutor(1) as pool:
        found = pool.submit(measure, options.series, options.minutes).result()
    if options.output == "json":
        json.dump(found, sys.stdout, indent=2)
        print()
        return
    table = Table("series", "seconds a minute", "slowest", "by last value alone", "resident MB")
    table.add_row(
        f"{found['series']:,}",
        *(f"{found[name]:.2f}" for name in ("seconds_median", "seconds_max", "last_value_seconds")),
        f"{found['resident_megabytes']:.0f}",
    )
    Console().print(table)
    print(f"bars: {BAR_SECONDS:g} s a minute at 10,000 series, {BAR_MEGABYTES:g} MB")


if __name__ == "__main__":
    main()
