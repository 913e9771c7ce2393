"""A kube-scheduler of a trial's own: started with any configuration, its figures read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from energy.errors import UnavailableError
from simulator.sandbox.ports import LOOPBACK, free_ports
from simulator.sandbox.processes import PROC, end
from simulator.sandbox.trial_api import TrialApi
from simulator.sandbox.trial_arms import SchedulerConfiguration
from simulator.sandbox.trial_processes import TrialProcess

# The histogram's bound below the extender's timeout of 100 ms.
SLOW_SECONDS = 0.064
_ALGORITHM = "scheduler_scheduling_algorithm_duration_seconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerFigures:
    """What a scheduler says of itself, since its start.

    `algorithm_seconds` is the sum of its scheduling algorithm's histogram over `decisions`, of
    which `slow_decisions` took longer than SLOW_SECONDS: as those do whose extender timed out.
    """

    algorithm_seconds: float
    decisions: int
    slow_decisions: int
    nodes_cached: int
    pods_cached: int


class TrialScheduler:
    """A running kube-scheduler and the page of its metrics."""

    def __init__(self, process: TrialProcess, api: TrialApi, url: str) -> None:
        self.process = process
        self._api, self._url = api, url

    def figures(self) -> SchedulerFigures:
        """Read its metrics. Raises UnavailableError."""
        text = self._api.text(f"{self._url}/metrics")
        decisions = int(_sample(text, f"{_ALGORITHM}_count"))
        quick = int(_sample(text, f'{_ALGORITHM}_bucket{{le="{SLOW_SECONDS:g}"}}'))
        return SchedulerFigures(
            algorithm_seconds=_sample(text, f"{_ALGORITHM}_sum"),
            decisions=decisions,
            slow_decisions=decisions - quick,
            nodes_cached=int(_sample(text, 'scheduler_cache_size{type="nodes"}')),
            pods_cached=int(_sample(text, 'scheduler_cache_size{type="pods"}')),
        )

    def knows(self, nodes: int) -> bool:
        """Whether it is up and has seen so many nodes."""
        try:
            return self.figures().nodes_cached == nodes
        except UnavailableError:
            return False


@contextmanager
def running_scheduler(
    program: Path,
    configuration: SchedulerConfiguration,
    *,
    kubeconfig: Path,
    api: TrialApi,
    nodes: int,
) -> Iterator[TrialScheduler]:
    """Start a scheduler whose cache is new, wait until it knows the nodes; end it afterwards.

    Its files lie beside the kubeconfig: the control plane ends whatever runs on that folder.
    """
    folder = kubeconfig.parent
    port = free_ports(1)[0]
    file = folder / f"scheduler-{port}.yaml"
    file.write_text(json.dumps(configuration.completed(kubeconfig)), encoding="utf-8")
    # The API server's own certificate is valid for loopback, so that its client can read metrics.
    keys = next(folder.glob("clusters/*/pki"))
    command = [
        str(program),
        f"--config={file}",
        "--authorization-always-allow-paths=/healthz,/readyz,/livez,/metrics",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={port}",
        f"--tls-cert-file={keys / 'admin.crt'}",
        f"--tls-private-key-file={keys / 'admin.key'}",
    ]
    with TrialProcess(command, folder / f"scheduler-{port}.log") as process:
        scheduler = TrialScheduler(process, api, f"https://{LOOPBACK}:{port}")
        process.wait_until(lambda: scheduler.knows(nodes), "the scheduler does not know its nodes")
        yield scheduler


def end_first_scheduler(process_ids: list[int]) -> None:
    """End the scheduler that kwokctl started, so that ours is the only one."""
    end([number for number in process_ids if _program(number) == "kube-scheduler"])


def process_of(process_ids: list[int], program: str) -> int:
    """The one of these processes that runs a program of this name."""
    found = [number for number in process_ids if _program(number) == program]
    if len(found) != 1:
        raise UnavailableError(f"{len(found)} processes run {program}, where one is expected")
    return found[0]


def _program(process_id: int) -> str:
    try:
        return (PROC / str(process_id) / "exe").readlink().name
    except OSError:
        return ""


def _sample(text: str, name: str) -> float:
    """The value of a sample in a page of metrics; 0 where it is not there yet."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0
