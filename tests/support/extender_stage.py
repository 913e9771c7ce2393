"""A control plane whose scheduler asks whoever listens on a port, and bursts of pods on it."""

from __future__ import annotations

import json
import os
import re
import signal
import ssl
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import scheduler_files
from core_scenes import straight
from extender_process import ExtenderProcess
from power_profile_files import document_of

from cluster.kube.client import connect
from cluster.kube.settings import KubeSettings
from simulator.sandbox.control_plane import ControlPlane
from simulator.sandbox.fake_node import fake_node
from simulator.sandbox.kwokctl_configuration import ControlPlaneOptions
from simulator.sandbox.ports import free_ports
from simulator.sandbox.toolchain import Toolchain
from simulator.sandbox.trial_api import TrialApi
from simulator.sandbox.trial_scheduler import process_of

#: Idle and peak watts of huge nodes: a small pod adds 0.2, 0.5 or 1.2 W, which are three ranks.
KINDS = {"thrifty": (500, 1500), "middling": (1000, 4000), "thirsty": (1500, 9000)}
NODES_OF_EACH = 8
SMALL = {"cpu": "100m", "memory": "1Mi"}
NAMESPACE = "bursts"
CREATORS = 4
BOUND_SECONDS_MAX = 200.0
POLL_SECONDS = 0.1

Json = dict[str, Any]


@dataclass(frozen=True)
class Algorithm:
    """The scheduler's own figures of its algorithm: seconds in all, and decisions."""

    seconds: float
    decisions: int

    def since(self, before: Algorithm) -> float:
        """Mean seconds a decision since then."""
        return (self.seconds - before.seconds) / max(1, self.decisions - before.decisions)


class Stage:
    """The control plane, its nodes, and nodes so big that all bursts of a session have room.

    Attributes:
        port: where the scheduler expects the extender.
        profiles: file with a PowerProfile for each kind of node.
    """

    def __init__(self, plane: ControlPlane, port: int, folder: Path) -> None:
        self.plane, self.port, self.folder = plane, port, folder
        self.profiles = folder / "profiles.yaml"
        documents = [
            document_of(kind, {"kind": kind}, load_level_watts=straight(float(idle), float(peak)))
            for kind, (idle, peak) in KINDS.items()
        ]
        self.profiles.write_text("\n---\n".join(map(json.dumps, documents)), encoding="utf-8")
        settings = KubeSettings(kubeconfig=plane.kubeconfig)
        self._apis = [TrialApi(connect(settings)) for _ in range(CREATORS)]
        self._server = connect(settings).server

    def extender(self, port: int | None = None, **settings: object) -> ExtenderProcess:
        """Prepare an extender that acts, where the scheduler expects it unless said otherwise."""
        told = {
            "mode": "act",
            "scheduler_names": "default-scheduler",
            "power_profiles": self.profiles,
            "usage_ratio": "1.0",
            **settings,
        }
        return ExtenderProcess(self.plane.kubeconfig, port or self.port, self.folder, **told)

    def add_nodes(self, names: Mapping[str, str]) -> None:
        """Create nodes of these kinds, and wait until pods may go there."""
        for name, kind in names.items():
            node = fake_node(name, cpu="640", memory="256Gi", pods=10000, labels={"kind": kind})
            self._apis[0].create("/api/v1/nodes", node)
        ready = ("--for=condition=Ready", "--timeout=120s")
        self.plane.kubectl("wait", *ready, *(f"node/{name}" for name in names))
        self.until(lambda: all(not taints for taints in self._taints(names).values()))

    def _taints(self, names: Mapping[str, str]) -> dict[str, Any]:
        nodes = json.loads(self.plane.kubectl("get", "nodes", "--output=json"))["items"]
        found = {node["metadata"]["name"]: node["spec"].get("taints") for node in nodes}
        return {name: found[name] for name in names}

    def create(self, burst: str, count: int, *, first: int = 0, **spec: object) -> None:
        """Create pods `BURST-NUMBER`, several at a time."""

        def some(creator: int) -> None:
            for number in range(first + creator, first + count, CREATORS):
                pod = pod_of(f"{burst}-{number}", burst, **spec)
                self._apis[creator].create(f"/api/v1/namespaces/{NAMESPACE}/pods", pod)

        with ThreadPoolExecutor(CREATORS) as pool:
            list(pool.map(some, range(CREATORS)))

    def wait_until_bound(self, burst: str) -> None:
        """Wait until no pod of the burst is without a node."""
        self.until(lambda: not self.some_wait(burst), BOUND_SECONDS_MAX)

    def some_wait(self, burst: str) -> bool:
        """Whether a pod of the burst has no node yet."""
        return bool(self._pods(burst, fieldSelector="spec.nodeName=", limit=1))

    def nodes_of(self, burst: str) -> dict[str, str]:
        """Give the node of each pod of a burst, "" where it has none."""
        return {
            pod["metadata"]["name"]: pod["spec"].get("nodeName", "") for pod in self._pods(burst)
        }

    def pod(self, burst: str, number: int) -> Json:
        """Give a pod as the API server has it."""
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/{burst}-{number}"
        found: Json = json.loads(self._apis[0].text(self._server + path))
        return found

    def _pods(self, burst: str, **query: object) -> list[Json]:
        asked = urlencode({"labelSelector": f"burst={burst}", **query})
        path = f"/api/v1/namespaces/{NAMESPACE}/pods?{asked}"
        items: list[Json] = json.loads(self._apis[0].text(self._server + path))["items"]
        return items

    def algorithm(self) -> Algorithm:
        """Read what the scheduler says of its algorithm."""
        url = f"https://127.0.0.1:{self.plane.ports['kubeSchedulerPort']}/metrics"
        anybody = ssl._create_unverified_context()  # noqa: S323, SLF001 - loopback, made by us
        with urllib.request.urlopen(url, context=anybody) as answer:
            text: str = answer.read().decode()
        name = "scheduler_scheduling_algorithm_duration_seconds"
        seconds, count = (
            re.search(rf"^{name}_{part} (\S+)$", text, re.MULTILINE) for part in ("sum", "count")
        )
        return Algorithm(
            seconds=float(seconds[1]) if seconds else 0.0,
            decisions=int(float(count[1])) if count else 0,
        )

    @contextmanager
    def paused(self, program: str) -> Iterator[None]:
        """Stop a component of the control plane for the block."""
        process_id = process_of(self.plane.process_ids(), program)
        os.kill(process_id, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(process_id, signal.SIGCONT)

    @staticmethod
    def until(condition: Callable[[], Any], seconds_max: float = 60.0) -> Any:
        """Wait for a condition, and give what it gave."""
        deadline = time.monotonic() + seconds_max
        while not (found := condition()):
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(POLL_SECONDS)
        return found


def pod_of(name: str, burst: str, **spec: object) -> Json:
    """Describe a small pod."""
    container = {"name": "c", "image": "none", "resources": {"requests": SMALL}}
    metadata = {"name": name, "namespace": NAMESPACE, "labels": {"burst": burst}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0, **spec},
    }


@contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    """Run the control plane under the shipped configuration of a default scheduler.

    Once the nodes are there, those who would run pods and look after nodes pause: thousands of
    status updates would cost more than what is tested.
    """
    (port,) = free_ports(1)
    shipped = scheduler_files.shipped(scheduler_files.DEFAULT)
    url = f"http://127.0.0.1:{port}/scheduler"
    document = scheduler_files.for_a_test(shipped, extender_url=url)
    file = scheduler_files.written(document, folder)
    options = ControlPlaneOptions(scheduler_configuration=file)
    with ControlPlane(Toolchain.found(os.environ), options) as plane:
        stage = Stage(plane, port, folder)
        plane.kubectl("create", "namespace", NAMESPACE)
        account = ("get", "serviceaccounts", f"--namespace={NAMESPACE}", "--output=name")
        stage.until(lambda: "default" in plane.kubectl(*account))
        stage.add_nodes({f"{kind}-{n}": kind for kind in KINDS for n in range(NODES_OF_EACH)})
        with stage.paused("kube-controller-manager"), stage.paused(_kwok(plane)):
            yield stage


def _kwok(plane: ControlPlane) -> str:
    names = {Path(f"/proc/{number}/exe").resolve().name for number in plane.process_ids()}
    (name,) = (name for name in names if name.startswith("kwok"))
    return name
