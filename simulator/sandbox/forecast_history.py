"""The days before a sandbox began, written into its Prometheus before that starts.

One pod of the past carries what all replicas of a workload used together: the pods of the present
did not exist then.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from energy.errors import UnavailableError
from simulator.sandbox import forecast_names as names
from simulator.sandbox.forecast_counters import BUCKETS_SECONDS, Past, past_of
from simulator.sandbox.forecast_workloads import ReplayedWorkload
from simulator.traffic import HISTORY_DAYS, MINUTES_PER_DAY

#: Two hours more than the forecaster's past, whose first sample needs one before it.
HISTORY_MINUTES = HISTORY_DAYS * MINUTES_PER_DAY + 120
#: promtool reads the file once for each block that it makes: few large ones.
BLOCK_DURATION = "500h"
PROMTOOL_SECONDS_MAX = 300.0
Sampled = tuple[str, str, NDArray[np.float64]]


def write_history(
    workloads: Sequence[ReplayedWorkload], end_seconds: int, folder: Path, *, promtool: Path
) -> None:
    """Fill a Prometheus' data folder with the past of workloads.

    Raises:
        UnavailableError: promtool does not do it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder.parent / "history.openmetrics"
    try:
        with file.open("w", encoding="utf-8") as stream:
            for workload in workloads:
                past = past_of(workload, end_seconds, HISTORY_MINUTES)
                for part in openmetrics_parts(workload, past):
                    stream.write(part)
            stream.write("# EOF\n")
        _into_blocks(promtool, file, folder)
    finally:
        file.unlink(missing_ok=True)


def openmetrics_parts(workload: ReplayedWorkload, past: Past) -> Iterator[str]:
    """Write the past, series by series. No types: OpenMetrics would rename counters by theirs."""
    stamps = [f" {at}\n" for at in past.at_seconds.tolist()]
    for metric, labels, values in _series(workload, past):
        head = f"{metric}{{{labels},{names.SCRAPED}}} "
        yield "".join(
            f"{head}{value!r}{stamp}"
            for value, stamp in zip(np.round(values, 4).tolist(), stamps, strict=True)
        )


def _series(workload: ReplayedWorkload, past: Past) -> Iterator[Sampled]:
    answered = names.ingress_labels(workload.namespace, workload.name, names.ANSWERED)
    yield names.REQUESTS, answered, past.answered
    for number, bound in enumerate(BUCKETS_SECONDS):
        labels = f'{answered},le="{bound:g}"'
        yield f"{names.DURATION}_bucket", labels, past.within[:, number]
    yield f"{names.DURATION}_bucket", f'{answered},le="+Inf"', past.answered
    yield from _pod_series(workload, past)
    ones = np.ones(len(past.at_seconds))
    deployment = names.deployment_labels(workload.namespace, workload.name)
    yield names.READY_REPLICAS, deployment, workload.replicas * ones


def _pod_series(workload: ReplayedWorkload, past: Past) -> Iterator[Sampled]:
    replica_set = names.past_replica_set(workload.name)
    pod = f"{replica_set}-{names.PAST_POD}"
    container = names.container_labels(workload.namespace, pod)
    network = names.network_labels(workload.namespace, pod)
    yield names.CPU, container, past.cpu_seconds
    yield names.MEMORY, container, past.memory_bytes
    yield names.RECEIVED, network, past.received_bytes
    yield names.SENT, network, past.sent_bytes
    ones = np.ones(len(past.at_seconds))
    for metric, labels in names.owner_series(
        workload.namespace, workload.name, replica_set, (pod,)
    ):
        yield metric, labels, ones


def _into_blocks(promtool: Path, file: Path, folder: Path) -> None:
    answer = subprocess.run(  # noqa: S603 - our own program, arguments not from a shell
        [
            *(str(promtool), "tsdb", "create-blocks-from", "openmetrics"),
            *("--quiet", f"--max-block-duration={BLOCK_DURATION}", str(file), str(folder)),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PROMTOOL_SECONDS_MAX,
        check=False,
    )
    if answer.returncode:
        said = (answer.stderr.strip() or answer.stdout.strip() or "it said nothing").splitlines()
        raise UnavailableError(f"promtool cannot write the past: {said[-1]}", where=str(folder))
