"""Pods from a file: openb's own columns, or our documented CSV.

openb (Alibaba cluster-trace-gpu-v2023): ``name, cpu_milli, memory_mib, …, creation_time,
deletion_time, scheduled_time`` in seconds. GPU pods count by their CPU and memory. A pod's
lifetime is deletion - scheduled; rows that were never scheduled have none. It names no workloads:
pods of the same size and quality of service (``qos``) are taken for one's.

Ours: ``name, cpu_millicores, memory_mebibytes, arrival_seconds, lifetime_seconds``; an empty
lifetime means that the pod stays. Optional: ``workload``, what made the pod, and ``qos``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.model import Owner, Pod, Resources
from energy.csv_rows import CsvText, Row
from energy.errors import InputError

OPENB_COLUMNS = (
    "name",
    "cpu_milli",
    "memory_mib",
    "creation_time",
    "deletion_time",
    "scheduled_time",
)
COLUMNS = ("name", "cpu_millicores", "memory_mebibytes", "arrival_seconds", "lifetime_seconds")
BYTES_PER_MEBIBYTE = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class PodRecord:
    """One row: sizes, and when it came and how long it ran where the file says so.

    ``lifetime_seconds`` is infinite for a pod that stays, None for one that was never scheduled.
    ``qos`` and ``owner`` are empty where the file names none.
    """

    name: str
    cpu_millicores: int
    memory_mebibytes: int
    arrival_seconds: float
    lifetime_seconds: float | None
    qos: str = ""
    owner: Owner | None = None

    def pod(self) -> Pod:
        """The pod that requests what the record says, made by what the file says made it."""
        return pod_of(self.name, self.cpu_millicores, self.memory_mebibytes, self.owner)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodFile:
    """All rows of a file, in file order; ``is_openb`` says whose columns it has."""

    records: tuple[PodRecord, ...]
    is_openb: bool


def pod_of(
    name: str, cpu_millicores: int, memory_mebibytes: int, owner: Owner | None = None
) -> Pod:
    """A pod without constraints."""
    requests = Resources(
        cpu_millicores=cpu_millicores, memory_bytes=memory_mebibytes * BYTES_PER_MEBIBYTE
    )
    return Pod(namespace="simulated", name=name, requests=requests, owner=owner)


def read_pods(path: Path) -> PodFile:
    """Read a pod file of either kind.

    Raises:
        InputError: the file or one of its rows cannot be used; names the place and the mend.
    """
    text = CsvText.read(path)
    is_openb = "cpu_milli" in text.header()
    if is_openb:
        records = [_openb_record(row) for row in text.rows(OPENB_COLUMNS, "pods")]
    else:
        records = [_record(row) for row in text.rows(COLUMNS, "pods")]
    if not records:
        raise InputError("no pods below the header", where=str(path), mend="give at least one row")
    _refuse_twins(records, path)
    return PodFile(records=tuple(records), is_openb=is_openb)


def _openb_record(row: Row) -> PodRecord:
    arrival = row.amount("creation_time")
    lifetime = None
    if row.text("scheduled_time") and row.text("deletion_time"):
        lifetime = row.amount("deletion_time") - row.amount("scheduled_time")
        if lifetime < 0:
            raise row.error("deletion_time", "a time after scheduled_time")
    cpu_millicores, memory_mebibytes = row.whole_amount("cpu_milli"), row.whole_amount("memory_mib")
    qos = row.text("qos")
    return PodRecord(
        name=_name(row),
        cpu_millicores=cpu_millicores,
        memory_mebibytes=memory_mebibytes,
        arrival_seconds=arrival,
        lifetime_seconds=lifetime,
        qos=qos,
        owner=Owner(kind="Shape", name=f"{cpu_millicores}m-{memory_mebibytes}Mi-{qos}"),
    )


def _record(row: Row) -> PodRecord:
    stays = not row.text("lifetime_seconds")
    workload = row.text("workload")
    return PodRecord(
        name=_name(row),
        cpu_millicores=row.whole_amount("cpu_millicores"),
        memory_mebibytes=row.whole_amount("memory_mebibytes"),
        arrival_seconds=row.amount("arrival_seconds"),
        lifetime_seconds=math.inf if stays else row.amount("lifetime_seconds"),
        qos=row.text("qos"),
        owner=Owner(kind="Workload", name=workload) if workload else None,
    )


def _name(row: Row) -> str:
    name = row.text("name")
    if not name:
        raise row.error("name", "a pod's name")
    return name


def _refuse_twins(records: Sequence[PodRecord], path: Path) -> None:
    seen: set[str] = set()
    for record in records:
        if record.name in seen:
            raise InputError(
                f"two pods are named {record.name}", where=str(path), mend="give each its own name"
            )
        seen.add(record.name)
