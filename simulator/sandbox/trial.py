"""One trial: a fleet's nodes on a real control plane, and a stream's pods through a real scheduler.

Nodes are KWOK's, so what pods would draw is simulated; who decides where they go is not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from cluster.kube.client import KubeClient, connect
from cluster.kube.settings import KubeSettings
from cluster.model import Pod
from energy.errors import UnavailableError
from simulator.chooser import NOWHERE
from simulator.fleet import Fleet
from simulator.sandbox.control_plane import ControlPlane
from simulator.sandbox.kwokctl_configuration import ControlPlaneOptions
from simulator.sandbox.toolchain import Toolchain
from simulator.sandbox.trial_api import TrialApi
from simulator.sandbox.trial_arms import SchedulerConfiguration
from simulator.sandbox.trial_binds import Bind, BindWatch
from simulator.sandbox.trial_objects import node_manifest, pod_manifest
from simulator.sandbox.trial_processes import cpu_seconds, pause, resume
from simulator.sandbox.trial_scheduler import (
    TrialScheduler,
    end_first_scheduler,
    process_of,
    running_scheduler,
)

NAMESPACE = "trial"
NODES_PATH = "/api/v1/nodes"
PODS_PATH = f"/api/v1/namespaces/{NAMESPACE}/pods"
SETTLED_SECONDS_MAX = 120.0
# For each node of a fleet that joins: how much longer it may take, and how long between two looks.
NODE_SECONDS_MAX, NODE_POLL_SECONDS = 0.3, 0.001
# Nothing was bound for so long while pods wait: it will not come.
SILENCE_SECONDS_MAX = 20.0
POLL_SECONDS = 0.05
FREELY_PER_SECOND = 1e6
# Throughput is read between these parts of the pods: the start and the end are not the rate.
FIRST_PART, LAST_PART = 0.1, 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How pods arrive.

    Attributes:
        name: as reports call it.
        batch_pods: pods created at once; 0: all of them, while the scheduler is stopped.
        interval_seconds: from one batch to the next.
    """

    name: str
    batch_pods: int = 0
    interval_seconds: float = 0.0


BURST = Pace(name="burst")
PACED = Pace(name="paced", batch_pods=10, interval_seconds=1.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a scheduler did with a stream of pods.

    Attributes:
        node_of_pod: row of the fleet for each pod of the stream, `NOWHERE` for those not bound.
        bound_seconds: when each pod's bind was told, since the scheduler could begin; NaN: never.
        algorithm_seconds: sum over the scheduler's own histogram of its scheduling algorithm.
        decisions: how many of them.
        slow_decisions: how many took so long that the extender must have timed out, or nearly.
        scheduler_cpu_seconds: CPU time of the scheduler from that begin to the last bind.
        extender_cpu_seconds: likewise of the extender, 0 without one.
    """

    node_of_pod: NDArray[np.int64]
    bound_seconds: NDArray[np.float64]
    algorithm_seconds: float
    decisions: int
    slow_decisions: int
    scheduler_cpu_seconds: float
    extender_cpu_seconds: float

    @property
    def unscheduled_pods(self) -> int:
        """Pods without a node at the end."""
        return int((self.node_of_pod == NOWHERE).sum())

    @property
    def pods_per_second(self) -> float:
        """Rate between the tenth and the ninetieth of a hundred pods that were bound."""
        told = np.sort(self.bound_seconds[~np.isnan(self.bound_seconds)])
        first, last = int(FIRST_PART * len(told)), int(LAST_PART * len(told))
        seconds = told[last] - told[first] if len(told) else 0.0
        return float((last - first) / seconds) if seconds > 0 else 0.0


class TrialCluster:
    """A control plane with a fleet's nodes, on which one trial after the other can be made."""

    def __init__(self, toolchain: Toolchain, fleet: Fleet) -> None:
        self._toolchain, self.fleet = toolchain, fleet
        self.plane = ControlPlane(toolchain, ControlPlaneOptions())
        self._open = ExitStack()
        self._row_of_node = {node.name: row for row, node in enumerate(fleet.nodes)}

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            opening.enter_context(self.plane)
            end_first_scheduler(self.plane.process_ids())
            self._client: KubeClient = connect(
                KubeSettings(
                    kubeconfig=self.plane.kubeconfig,
                    requests_per_second_max=FREELY_PER_SECOND,
                    requests_burst_max=int(FREELY_PER_SECOND),
                )
            )
            opening.callback(self._client.close)
            self.api = TrialApi(self._client)
            self.binds = opening.enter_context(BindWatch(self._client))
            self._join_nodes()
            self._add_namespace()
            self._kwok = process_of(self.plane.process_ids(), "kwok")
            self._open = opening.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open.close()

    @contextmanager
    def scheduler(
        self, configuration: SchedulerConfiguration, *, nodes_join: bool = False
    ) -> Iterator[TrialScheduler]:
        """A scheduler that knows the nodes and no pods; the pods go when it has ended.

        It decides between equal nodes by the order in which it met them. One that starts on a full
        cluster meets them in any order; with `nodes_join` they come one by one, in the fleet's.
        """
        self.clear()
        count = len(self.fleet.nodes)
        if nodes_join:
            self.api.delete_all(NODES_PATH)
        try:
            with running_scheduler(
                self._toolchain.program("kube-scheduler"),
                configuration,
                kubeconfig=self.plane.kubeconfig,
                api=self.api,
                nodes=0 if nodes_join else count,
            ) as scheduler:
                if nodes_join:
                    self._join_nodes()
                    self._until(lambda: scheduler.knows(count), "the scheduler lacks nodes")
                yield scheduler
        finally:
            self.clear()

    def run(
        self,
        pods: Sequence[Pod],
        configuration: SchedulerConfiguration,
        pace: Pace = BURST,
        *,
        extender_process_id: int | None = None,
        nodes_join: bool = False,
    ) -> Trial:
        """Put pods through a fresh `scheduler`, in order. Raises UnavailableError."""
        with self.scheduler(configuration, nodes_join=nodes_join) as scheduler:
            own = scheduler.process.process_id
            others = [extender_process_id] if extender_process_id else []
            name = configuration.scheduler_name
            if pace.batch_pods:
                begin, used = time.monotonic(), _used([own, *others])
                self.create_paced(pods, name, pace)
                self.wait_for_binds(len(pods))
            else:
                # KWOK would start the pods while others are scheduled, on the same few cores.
                with self.paused([self._kwok]):
                    with self.paused([own]):
                        self.create(pods, name)
                        begin, used = time.monotonic(), _used([own, *others])
                    self.wait_for_binds(len(pods))
            spent = [
                after - before for after, before in zip(_used([own, *others]), used, strict=True)
            ]
            figures = scheduler.figures()
            node_of_pod, bound_seconds = self._outcome(pods, self.binds.binds(), begin)
            return Trial(
                node_of_pod=node_of_pod,
                bound_seconds=bound_seconds,
                algorithm_seconds=figures.algorithm_seconds,
                decisions=figures.decisions,
                slow_decisions=figures.slow_decisions,
                scheduler_cpu_seconds=spent[0],
                extender_cpu_seconds=sum(spent[1:]),
            )

    @contextmanager
    def paused(self, process_ids: Sequence[int]) -> Iterator[None]:
        """Stop processes for the block."""
        for process_id in process_ids:
            pause(process_id)
        try:
            yield
        finally:
            for process_id in process_ids:
                resume(process_id)

    def create(self, pods: Sequence[Pod], scheduler_name: str) -> None:
        """Create pods in order, and wait until our own watch has seen them."""
        for pod in pods:
            self.api.create(PODS_PATH, pod_manifest(pod, scheduler_name, NAMESPACE))
        self._until(lambda: self.binds.pods >= len(pods), "the pods were not seen")

    def create_paced(self, pods: Sequence[Pod], scheduler_name: str, pace: Pace) -> None:
        """Create pods batch by batch."""
        begin = time.monotonic()
        for number, start in enumerate(range(0, len(pods), pace.batch_pods)):
            time.sleep(max(0.0, begin + number * pace.interval_seconds - time.monotonic()))
            for pod in pods[start : start + pace.batch_pods]:
                self.api.create(PODS_PATH, pod_manifest(pod, scheduler_name, NAMESPACE))

    def wait_for_binds(self, count: int) -> None:
        """Wait until so many pods are bound, or the rest fits nowhere, or nothing moves."""
        bound, since = self.binds.count, time.monotonic()
        while bound < count:
            time.sleep(POLL_SECONDS)
            if self.binds.count > bound:
                bound, since = self.binds.count, time.monotonic()
                continue
            silent_seconds = time.monotonic() - since
            if silent_seconds > SILENCE_SECONDS_MAX or (
                silent_seconds > 1.0 and self.binds.pods >= count and not self.binds.waiting()
            ):
                return

    def clear(self) -> None:
        """Delete all pods, and wait until they are gone."""
        if self.binds.pods:
            self.api.delete_all(PODS_PATH)
            self._until(lambda: self.binds.pods == 0, "the pods did not go")
        self.binds.clear()

    def _join_nodes(self) -> None:
        for node, profile in zip(self.fleet.nodes, self.fleet.profiles, strict=True):
            self.api.create(NODES_PATH, node_manifest(node, profile))
        # KWOK makes them ready, whereupon Kubernetes takes its own taint away, some 20 a second.
        count = len(self.fleet.nodes)
        self._until(
            self._untainted,
            "the nodes' taints did not go",
            seconds_max=SETTLED_SECONDS_MAX + count * NODE_SECONDS_MAX,
            poll_seconds=max(POLL_SECONDS, count * NODE_POLL_SECONDS),
        )

    def _add_namespace(self) -> None:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        self.api.create("/api/v1/namespaces", namespace)
        account = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default"
        self._until(lambda: self.api.exists(account), "the namespace has no service account")

    def _untainted(self) -> bool:
        return not self.plane.kubectl("get", "nodes", "-o", "jsonpath={.items[*].spec.taints}")

    def _outcome(
        self, pods: Sequence[Pod], binds: Sequence[Bind], begin_seconds: float
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        found = {bind.pod: bind for bind in binds}
        node_of_pod = np.full(len(pods), NOWHERE, dtype=np.int64)
        bound_seconds = np.full(len(pods), np.nan)
        for number, pod in enumerate(pods):
            if bind := found.get(pod.name):
                node_of_pod[number] = self._row_of_node[bind.node]
                bound_seconds[number] = bind.at_seconds - begin_seconds
        return node_of_pod, bound_seconds

    @staticmethod
    def _until(
        condition: Callable[[], bool],
        what: str,
        *,
        seconds_max: float = SETTLED_SECONDS_MAX,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        deadline = time.monotonic() + seconds_max
        while not condition():
            if time.monotonic() > deadline:
                raise UnavailableError(what)
            time.sleep(poll_seconds)


def _used(process_ids: Sequence[int]) -> list[float]:
    return [cpu_seconds(process_id) for process_id in process_ids]
