"""A core of the extender that a test tells of a cluster, step by step, by a clock of its own."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

from power_profile_files import profile_of

from cluster.model import Node, Pod, Resources
from energy.catalogue import Catalogue
from extender.core import Core
from extender.options import CoreOptions

GIBIBYTE = 2**30
SERVER = "server"


def straight(idle_watts: float, peak_watts: float) -> list[float]:
    """Give the watts at the eleven load levels of a server whose curve is straight."""
    return [idle_watts + (peak_watts - idle_watts) * level / 10 for level in range(11)]


#: Far apart, so that every rule tells them apart: watts per core 12.5, 37.5 and 100 at full load.
PROFILES = tuple(
    profile_of(kind, {SERVER: kind}, load_level_watts=straight(*watts))
    for kind, watts in {"good": (40, 100), "dear": (100, 300), "worst": (200, 800)}.items()
)
CATALOGUE = Catalogue.shipped().with_power_profiles(PROFILES)
CORES = 8
START_SECONDS = 1_000_000.0
_uids = itertools.count(1)


def server(name: str, kind: str = "good", cores: int = CORES, **fields: Any) -> Node:
    """Give a node of 8 cores and 32 GiB whose power profile is `good`, `dear` or `worst`."""
    labels = {SERVER: kind, **fields.pop("labels", {})}
    sizes = Resources(cpu_millicores=cores * 1000, memory_bytes=32 * GIBIBYTE)
    return Node(name=name, allocatable=sizes, labels=labels, **fields)


def task(name: str, cpu: int = 1000, memory: int = GIBIBYTE, **fields: Any) -> Pod:
    """Give a pod that waits for scheduler `negawatt`; every one has an id of its own."""
    stated = {"namespace": "shop", "scheduler_name": "negawatt", "uid": f"uid-{next(_uids)}"}
    requests = Resources(cpu_millicores=cpu, memory_bytes=memory)
    return Pod(name=name, requests=requests, **{**stated, **fields})


def key_of(pod: Pod) -> str:
    """Give the key under which informers know a pod."""
    return f"{pod.namespace}/{pod.name}"


def json_of(pod: Pod) -> dict[str, Any]:
    """Give the pod as kube-scheduler sends it."""
    requests = pod.requests
    resources = {"cpu": f"{requests.cpu_millicores}m", "memory": str(requests.memory_bytes)}
    stated = {name: text for name, text in resources.items() if text not in {"0m", "0"}}
    return {
        "metadata": {
            "namespace": pod.namespace,
            "name": pod.name,
            "uid": pod.uid,
            "labels": dict(pod.labels),
            "annotations": dict(pod.annotations),
        },
        "spec": {
            "schedulerName": pod.scheduler_name,
            "containers": [{"name": "c", "image": "none", "resources": {"requests": stated}}],
        },
    }


class Clock:
    """Unix seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.seconds = START_SECONDS

    def __call__(self) -> float:
        """Give the time."""
        return self.seconds


class CoreScene:
    """A core in act mode that takes requests for use, with what it offers the ledger.

    Attributes:
        offered: decisions, in order; `ended`: (uid, seconds) of ends, in order.
    """

    def __init__(self, *nodes: Node, live: bool = True, **options: Any) -> None:
        told = {"mode": "act", "usage_ratio": 1.0, **options}
        self.clock = Clock()
        self.offered: list[Any] = []
        self.ended: list[tuple[str, float]] = []
        self.core = Core(
            CoreOptions(**told),
            now=self.clock,
            catalogue=CATALOGUE,
            offer=self.offered.append,
            offer_end=lambda uid, at: self.ended.append((uid, at)),
        )
        for node in nodes:
            self.core.node_changed(None, node)
        if live:
            self.core.went_live()

    def passes(self, seconds: float) -> None:
        """Let time pass, and the core's own turn come."""
        self.clock.seconds += seconds
        self.core.refresh()

    def waits(self, *pods: Pod) -> None:
        """Tell of pods that wait."""
        for pod in pods:
            self.core.pod_changed(key_of(pod), pod)

    def binds(self, pod: Pod, node: str) -> None:
        """Tell that a pod was bound."""
        self.core.pod_changed(key_of(pod), replace(pod, node_name=node))

    def goes(self, pod: Pod) -> None:
        """Tell that a pod was deleted."""
        self.core.pod_changed(key_of(pod), None)

    def scores(self, pod: Pod, names: Sequence[str] | None = None) -> dict[str, int]:
        """Ask for scores as kube-scheduler does; node -> score."""
        asked = list(self.core.figures().nodes) if names is None else list(names)
        return dict(zip(asked, self.core.prioritize(json_of(pod), asked), strict=True))

    def cores(self) -> dict[str, float]:
        """Cores that are taken to be in use, by node (8 cores each, all requests are used)."""
        nodes: Mapping[str, Any] = self.core.figures().nodes
        return {name: round(node.utilisation_ratio * CORES, 6) for name, node in nodes.items()}

    def solve(self) -> int:
        """Do all that is to be solved, and give how much that was."""
        count = 0
        while (job := self.core.job()) is not None:
            self.core.solved(job.solve(perf_counter))
            count += 1
        return count
