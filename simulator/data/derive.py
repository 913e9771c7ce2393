"""Derive the small tables that travel with the simulator from the public originals.

Run it once per change: ``python simulator/data/derive.py ORIGINALS`` where ORIGINALS holds
``alibaba-openb-2023/``, ``ms-cloud-monitoring/`` and ``nasa-http/`` (sources: README beside this).
It writes ``openb_shapes.csv`` (pod sizes, how many, their lifetimes' quantiles) and
``traffic.csv`` (five-minute means of four request rates over two days) next to itself.
"""

from __future__ import annotations

import csv
import gzip
import sys
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
QUANTILES = tuple(range(0, 101, 10))
STEP_MINUTES = 5
STEPS = 2 * 24 * 60 // STEP_MINUTES
MICROSOFT_DAY = datetime.fromisoformat("2018-04-30T00:00")
NASA_DAY = datetime.fromisoformat("1995-07-10T00:00")


def derive_shapes(originals: Path) -> None:
    """Write one row per distinct (CPU, memory) of the pods that were scheduled."""
    lifetimes: dict[tuple[int, int], list[float]] = defaultdict(list)
    path = originals / "alibaba-openb-2023" / "openb_pod_list_default.csv"
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            if not row["scheduled_time"] or not row["deletion_time"]:
                continue
            size = int(row["cpu_milli"]), int(row["memory_mib"])
            lifetimes[size].append(float(row["deletion_time"]) - float(row["scheduled_time"]))
    with (HERE / "openb_shapes.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        names = [f"lifetime_p{quantile}_seconds" for quantile in QUANTILES]
        writer.writerow(["cpu_millicores", "memory_mebibytes", "pods", *names])
        for (cpu, memory), values in sorted(lifetimes.items()):
            quantiles = np.percentile(values, QUANTILES).round().astype(int)
            writer.writerow([cpu, memory, len(values), *quantiles.tolist()])


def derive_traffic(originals: Path) -> None:
    """Write five-minute means of four rates; a minute that a source lacks counts as no request."""
    microsoft = originals / "ms-cloud-monitoring"
    series = {
        "mongo_01": _microsoft(microsoft / "mongodb-application-rps" / "mongo-01.csv"),
        "mongo_02": _microsoft(microsoft / "mongodb-application-rps" / "mongo-02.csv"),
        "ingress_03": _microsoft(microsoft / "data-ingress-rate" / "ingress-03.csv"),
        "nasa": _nasa(originals / "nasa-http" / "nasa_per_minute.csv.gz"),
    }
    with (HERE / "traffic.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["minute", *series])
        for step in range(STEPS):
            means = [f"{values[step]:.5g}" for values in series.values()]
            writer.writerow([step * STEP_MINUTES, *means])


def _microsoft(path: Path) -> list[float]:
    with path.open(newline="") as file:
        rows = [
            (datetime.fromisoformat(row["TimeStamp"].removesuffix("Z")), float(row["Value"]))
            for row in csv.DictReader(file)
        ]
    return _means(dict(rows), MICROSOFT_DAY)


def _nasa(path: Path) -> list[float]:
    with gzip.open(path, "rt", newline="") as file:
        rows = {
            datetime.fromisoformat(row["minute"]): float(row["count"])
            for row in csv.DictReader(file)
        }
    return _means(rows, NASA_DAY)


def _means(minutes: dict[datetime, float], start: datetime) -> list[float]:
    means = []
    for step in range(STEPS):
        first = start + timedelta(minutes=step * STEP_MINUTES)
        values = [
            minutes.get(first + timedelta(minutes=offset), 0.0) for offset in range(STEP_MINUTES)
        ]
        means.append(sum(values) / STEP_MINUTES)
    return means


if __name__ == "__main__":
    derive_shapes(Path(sys.argv[1]))
    derive_traffic(Path(sys.argv[1]))
